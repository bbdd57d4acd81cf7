"""One's own notices and wishes over HTTP."""

from typing import Any

from pettycash.runtime import db
from tests.api.client import ApiClient, Caller
from tests.factories.requisitions import approved

WISHES = "/api/me/notices/wishes/"


def listed(caller: Caller, query: str = "") -> list[dict[str, Any]]:
    answer = caller.get(f"/api/me/notices/{query}")
    assert answer.status_code == 200, answer.json
    found: list[dict[str, Any]] = answer.json["items"]
    return found


def test_one_reads_one_s_own_and_marks_what_one_has_seen(api: ApiClient) -> None:
    staff, treasury = api.as_("staff"), api.as_("treasury")
    with treasury.scope(), db.transaction() as session:
        requisition = approved(session)
        number, key = requisition.number, str(requisition.id)

    (mine,) = listed(staff)
    assert mine["kind"] == "requisition.decided"
    assert mine["path"] == f"/console/requisitions/{key}/"
    assert number in mine["subject"]
    assert listed(treasury, "?kind=requisition.to_validate") == [], "who acts hears nothing"
    (waits,) = listed(api.as_("treasury_2"), "?kind=requisition.to_validate")
    path = "/api/me/notices/read/"
    assert staff.post(path, json={"newest_id": waits["id"]}).json["code"] == "notice.not_found"
    assert staff.post(path, json={"newest_id": mine["id"]}).status_code == 204
    assert listed(staff, "?is_read=false") == []
    assert listed(staff)[0]["read_at"] is not None
    assert listed(api.as_("treasury_2"))[0]["read_at"] is None


def test_wishes_are_changed_as_they_were_read(api: ApiClient) -> None:
    staff = api.as_("staff")
    before = staff.get(WISHES)
    kinds = {each["kind"]: each["timing"] for each in before.json["items"]}
    assert kinds["requisition.decided"] == "at_once"

    changed = staff.patch(
        WISHES,
        json={"wishes": {"requisition.decided": "off", "cash.to_collect": "daily"}},
        etag=before.headers["ETag"],
    )

    assert changed.status_code == 200, changed.json
    now = {each["kind"]: each["timing"] for each in staff.get(WISHES).json["items"]}
    assert now == kinds | {"requisition.decided": "off", "cash.to_collect": "daily"}
    late = staff.patch(WISHES, json={"wishes": {}}, etag=before.headers["ETag"])
    assert late.status_code == 412
    theirs = {each["kind"]: each["timing"] for each in api.as_("staff_2").get(WISHES).json["items"]}
    assert theirs == kinds


def test_a_wish_that_makes_no_sense_is_refused(api: ApiClient) -> None:
    staff = api.as_("staff")
    for wishes, code in (
        ({"payment.to_release": "off"}, "notice.unknown_kind"),
        ({"requisition.decided": "weekly"}, "request.invalid"),
    ):
        answer = staff.patch(WISHES, json={"wishes": wishes}, etag="*")
        assert (answer.status_code, answer.json["code"]) == (422, code), answer.json
