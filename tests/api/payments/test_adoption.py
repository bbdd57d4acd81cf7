"""A manager finds what somebody who left had raised, and cancels or adopts it."""

from tests.api.client import ApiClient
from tests.factories.requisitions_http import PATH, code, raised, submitted


def leave(api: ApiClient, name: str) -> None:
    admin = api.as_("admin")
    one = admin.get(f"/api/users/?username={name}").json["items"][0]
    path = f"/api/users/{one['id']}/"
    tag = admin.get(path).headers["ETag"]
    answer = admin.patch(path, json={"is_active": False}, etag=tag)
    assert answer.status_code == 200, answer.json


def test_the_manager_finds_and_adopts_it(api: ApiClient) -> None:
    staff, manager = api.as_("staff"), api.as_("branch_manager")
    draft, waiting = raised(staff), submitted(staff, external_reference="PO-1")
    listed = f"{PATH}?is_left_behind=true"
    adopting = f"{PATH}{draft['id']}/adopt/"
    body = {"comment": "The water is still needed."}
    assert manager.get(listed).json["items"] == []
    refused = manager.post(adopting, json=body)
    assert code(refused) == (409, "requisition.requester_answers")

    leave(api, "staff")

    found = [each["id"] for each in manager.get(listed).json["items"]]
    assert found == [waiting["id"], draft["id"]]
    others = manager.get(f"{PATH}?is_left_behind=false").json["items"]
    assert others == api.as_("staff_2").get(listed).json["items"] == []
    assert manager.post(adopting, json={}).status_code == 422
    refused = api.as_("regional_manager").post(adopting, json=body)
    assert code(refused) == (403, "requisition.not_manager")
    assert api.as_("treasury").post(adopting, json=body).status_code == 403
    adopted = manager.post(adopting, json=body)
    assert adopted.status_code == 200, adopted.json
    assert adopted.json["requester_id"] == str(staff.user_id)
    trail = manager.get(f"{PATH}{draft['id']}/trail/").json["items"]
    assert trail[-1]["override"] == "adopted"
    assert (trail[-1]["user_id"], trail[-1]["on_behalf_of_id"]) == (
        str(manager.user_id),
        str(staff.user_id),
    )
    assert [each["id"] for each in manager.get(listed).json["items"]] == [waiting["id"]]
    sent = manager.post(f"{PATH}{draft['id']}/submit/")
    assert sent.json["status"] == "pending_regional_review", sent.json
    ended = manager.post(f"{PATH}{waiting['id']}/cancel/", json={"comment": "Not needed."})
    assert ended.json["status"] == "cancelled", ended.json
