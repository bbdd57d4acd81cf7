"""People over HTTP: admitted, placed, deactivated; roles by two people."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from pettycash.models.access import Membership, SecurityEvent, User
from pettycash.runtime.db import system_transaction, transaction
from tests.api.access.people_steps import NEW, admitted, of
from tests.api.client import ApiClient, Caller, in_thirty_days
from tests.factories.people import company_id
from tests.races import together


def test_somebody_new_gets_a_link_and_nobody_their_password(admin: Caller) -> None:
    branch = admin.get("/api/branches/?code=WESTLANDS").json["items"][0]["id"]

    answer = admin.post("/api/users/", json=NEW | {"branch_id": branch}, key=True)

    assert answer.status_code == 201, answer.json
    made = answer.json
    assert made["username"] == "cashier.westlands"
    assert made["phone"] == "+254712345678"
    assert made["branch_id"] == branch
    assert made["roles"] == []
    assert made["must_change_password"] is True
    assert made["mfa_enrolled"] is False
    assert not [name for name in made if "password" in name and name != "must_change_password"]
    with admin.scope(), transaction() as session:
        events = session.execute(select(SecurityEvent.detail)).scalars().all()
    assert "345678" not in str(events)


def test_somebody_new_can_only_enrol(api: ApiClient, admin: Caller) -> None:
    made = admitted(admin)

    newcomer = api.sign_in(made["username"])

    refused = newcomer.get("/api/branches/")
    assert refused.status_code == 403
    assert refused.json["code"] == "auth.enrolment_required"


def test_a_username_is_unique_everywhere(api: ApiClient, admin: Caller) -> None:
    admitted(admin)

    for caller in (admin, api.as_("other_admin")):
        for spelt in ("CASHIER.westlands", "\uff43ashier.westlands", "ca\u017fhier.westlands"):
            refused = caller.post("/api/users/", json=NEW | {"username": spelt})
            assert refused.status_code == 409, spelt
            assert refused.json["code"] == "user.username_taken"


def test_two_administrators_admit_one_username_once(api: ApiClient) -> None:
    first, second = api.as_("admin"), api.as_("admin_2")

    answers = together(
        [
            lambda: first.post("/api/users/", json=NEW),
            lambda: second.post("/api/users/", json=NEW),
        ]
    )

    assert sorted(each.status_code for each in answers) == [201, 409]


def test_what_makes_no_person_is_refused(admin: Caller) -> None:
    count = _people()
    stranger_branch = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b99"
    for more, field in (
        ({"username": "ab"}, "username"),
        ({"username": "has blanks"}, "username"),
        ({"username": "käse.kuchen"}, "username"),
        ({"username": " cashier"}, "username"),
        ({"username": "cashier\t"}, "username"),
        ({"username": "cash\u2003ier"}, "username"),
        ({"username": "cash\u200bier"}, "username"),
        ({"username": "cash\u2060ier"}, "username"),
        ({"username": "cash\u202eier"}, "username"),
        ({"username": "cash\u3164ier"}, "username"),
        ({"email": "nobody"}, "email"),
        ({"phone": "12"}, "phone"),
        ({"phone": "not a number"}, "phone"),
        ({"phone": 712345678}, "phone"),
        ({"display_name": ""}, "display_name"),
        ({"branch_id": stranger_branch}, "branch_id"),
        ({"is_active": True}, "is_active"),
        ({"password": "of my own choosing"}, "password"),
        ({"roles": ["cfo"]}, "roles"),
    ):
        refused = admin.post("/api/users/", json=NEW | more)
        assert refused.status_code == 422, more
        assert field in refused.json["errors"], more
    assert _people() == count


def _people() -> int:
    with system_transaction() as session:
        return session.execute(select(func.count()).select_from(User)).scalar_one()


def test_a_person_is_changed_by_version(admin: Caller) -> None:
    made = admitted(admin)
    place = f"/api/users/{made['id']}/"
    etag = admin.get(place).headers["ETag"]

    assert admin.patch(place, json={"phone": None}).status_code == 428
    changed = admin.patch(
        place, json={"display_name": "Head cashier", "phone": "+256 712 345678"}, etag=etag
    )

    assert changed.status_code == 200, changed.json
    assert changed.json["display_name"] == "Head cashier"
    assert changed.json["phone"] == "+256712345678"
    assert changed.json["email"] == NEW["email"]
    assert admin.patch(place, json={"phone": None}, etag=etag).status_code == 412
    assert admin.get(place).json == changed.json


def test_who_is_deactivated_is_out_at_once(api: ApiClient, admin: Caller) -> None:
    staff = api.as_("staff")
    assert staff.get("/api/branches/").status_code == 200
    place = f"/api/users/{staff.user_id}/"

    ended = admin.patch(place, json={"is_active": False}, etag=admin.get(place).headers["ETag"])

    assert ended.json["is_active"] is False
    assert staff.get("/api/branches/").status_code == 401
    inactive = admin.get("/api/users/?is_active=false").json["items"]
    assert [each["username"] for each in inactive] == ["staff"]
    back = admin.patch(place, json={"is_active": True}, etag=ended.headers["ETag"])
    assert back.json["is_active"] is True
    assert staff.get("/api/branches/").status_code == 401, "the old session stays ended"


def test_nobody_deactivates_themselves(admin: Caller) -> None:
    place = f"/api/users/{admin.user_id}/"

    refused = admin.patch(place, json={"is_active": False}, etag=admin.get(place).headers["ETag"])

    assert refused.status_code == 403
    assert refused.json["code"] == "user.not_yourself"


def test_one_company_does_not_change_a_login_that_two_share(api: ApiClient, admin: Caller) -> None:
    staff = api.as_("staff").user_id
    other = api.as_("other_company")
    with other.scope(), transaction() as session:
        session.add(Membership(company_id=company_id("OTHER"), user_id=staff))
    place = f"/api/users/{staff}/"

    refused = admin.patch(
        place, json={"email": "mine@demo.example"}, etag=admin.get(place).headers["ETag"]
    )
    assert refused.status_code == 409
    assert refused.json["code"] == "user.login_shared"
    # What belongs to this company alone is still its own.
    changed = admin.patch(place, json={"phone": None}, etag=admin.get(place).headers["ETag"])
    assert changed.status_code == 200
    with other.scope(), transaction() as session:
        assert session.execute(
            select(Membership.is_active).where(Membership.user_id == staff)
        ).scalar_one()


def test_phones_are_masked_for_all_but_administrators(api: ApiClient, admin: Caller) -> None:
    whole = of(admin, "treasury")["phone"]

    masked = of(api.as_("cfo"), "treasury")["phone"]

    assert whole.startswith("+254712")
    assert masked.endswith(whole[-3:])
    assert whole[:-3] not in masked


def test_people_are_found_by_role_and_place(admin: Caller) -> None:
    branch = admin.get("/api/branches/?code=MOMBASA").json["items"][0]["id"]

    there = admin.get(f"/api/users/?branch_id={branch}").json["items"]
    treasurers = admin.get("/api/users/?role=TREASURY").json["items"]
    planners = admin.get("/api/users/?role=fp%26a").json["items"]

    assert [each["username"] for each in there] == [
        "branch_manager_mombasa",
        "custodian_mombasa",
        "regional_manager_coast",
        "staff_mombasa",
    ]
    assert [each["username"] for each in treasurers] == ["treasury", "treasury_2", "treasury_3"]
    assert [each["username"] for each in planners] == ["fpa"]
    assert planners[0]["roles"][0]["role_display"] == "FP&A"
    assert of(admin, "cfo")["is_centralized_approver"] is True
    assert of(admin, "branch_manager")["is_centralized_approver"] is False


def test_people_of_another_company_do_not_exist(api: ApiClient, admin: Caller) -> None:
    stranger = api.as_("other_company").user_id
    place = f"/api/users/{stranger}/"

    assert admin.get(place).status_code == 404
    assert admin.patch(place, json={"is_active": False}, etag='"v1.1"').status_code == 404
    assert admin.get("/api/users/?username=other_company").json["items"] == []


def test_only_an_administrator_admits(common: ApiClient) -> None:
    for who in ("staff", "cfo", "treasury", "auditor", "operator"):
        caller = common.as_(who)
        assert caller.post("/api/users/", json=NEW).status_code == 403
        place = f"/api/users/{caller.user_id}/"
        assert caller.patch(place, json={"phone": None}, etag='"v1.1"').status_code == 403
    assert common.as_("staff").get("/api/users/").status_code == 403


def _propose(admin: Caller, user: str, role: str, **more: Any) -> Any:
    body = {"user_id": user, "role": role, "reason": "Needed in December."}
    return admin.post("/api/role-assignments/", json=body | more)


def test_nobody_proposes_what_gives_them_a_part_to_play(admin: Caller) -> None:
    """An administrator asked for a role that judges, and for the company's last word."""
    own = str(admin.user_id)
    last_word = {"kind": "escalation_approver", "payload": {"user_id": own}, "reason": "Mine."}

    for refused in (_propose(admin, own, "FPA"), admin.post("/api/changes/", json=last_word)):
        assert (refused.status_code, refused.json["code"]) == (403, "decision.about_yourself")


def test_a_role_takes_two_people(api: ApiClient, admin: Caller) -> None:
    staff = api.as_("staff_2")
    branch = admin.get("/api/branches/?code=WESTLANDS").json["items"][0]["id"]

    proposed = _propose(admin, str(staff.user_id), "BRANCH_MANAGER", scope_id=branch)

    assert proposed.status_code == 202, proposed.json
    assert proposed.json["status"] == "proposed"
    assert _roles(admin, "staff_2") == ["staff"]
    place = proposed.headers["Location"]
    assert admin.post(f"{place}confirm/", json={}).json["code"] == "decision.own"
    assert api.as_("treasury").post(f"{place}confirm/", json={}).status_code == 403
    confirmed = api.as_("admin_2").post(f"{place}confirm/", json={})
    assert confirmed.json["status"] == "effective"
    assert _roles(admin, "staff_2") == ["staff", "branch_manager"]
    held = admin.get(f"/api/role-assignments/?user_id={staff.user_id}&role=branch_manager")
    (assignment,) = held.json["items"]
    assert assignment["proposed_by_id"] == str(admin.user_id)
    assert assignment["confirmed_by_id"] == str(api.as_("admin_2").user_id)
    assert assignment["scope_kind"] == "branch"


def _roles(admin: Caller, username: str) -> list[str]:
    return [each["role"] for each in of(admin, username)["roles"]]


def test_nobody_confirms_a_role_for_themselves(api: ApiClient, admin: Caller) -> None:
    second = api.as_("admin_2")
    place = _propose(admin, str(second.user_id), "fpa").headers["Location"]

    refused = second.post(f"{place}confirm/", json={})

    assert refused.status_code == 403
    assert refused.json["code"] == "decision.about_yourself"
    assert _roles(admin, "admin_2") == ["admin"]


def test_roles_that_exclude_each_other_are_refused(api: ApiClient, admin: Caller) -> None:
    """When proposed, and when confirmed, as both may be proposed at first."""
    refused = _propose(admin, str(api.as_("treasury").user_id), "cfo")
    assert (refused.status_code, refused.json["code"]) == (409, "role_assignment.incompatible")
    assert refused.json["detail"] == "One person can't hold cfo and treasury at one time."

    staff = str(api.as_("staff_2").user_id)
    places = [_propose(admin, staff, role).headers["Location"] for role in ("operator", "treasury")]
    first, second = (api.as_("admin_2").post(f"{place}confirm/", json={}) for place in places)
    assert first.json["status"] == "effective"
    assert (second.status_code, second.json["code"]) == (409, "role_assignment.incompatible")
    assert admin.get(places[1]).json["status"] == "proposed"
    assert _roles(admin, "staff_2") == ["staff", "operator"]


def test_a_custodian_is_none_of_who_decides_about_the_fund(api: ApiClient) -> None:
    treasury = api.as_("treasury")
    fund = treasury.get("/api/funds/?q=WESTLANDS").json["items"][0]
    body = {
        "kind": "custodian",
        "object_id": fund["id"],
        "payload": {"custodian_id": str(api.as_("cfo").user_id)},
        "reason": "Nobody else is there.",
    }

    refused = treasury.post("/api/changes/", json=body)

    assert (refused.status_code, refused.json["code"]) == (409, "role_assignment.incompatible")


def test_a_role_with_the_wrong_scope_or_time_is_refused(api: ApiClient, admin: Caller) -> None:
    staff = str(api.as_("staff_2").user_id)
    branch = admin.get("/api/branches/?code=WESTLANDS").json["items"][0]["id"]
    theirs = api.as_("other_company").get("/api/branches/").json["items"][0]["id"]
    now = datetime.now(UTC)
    for role, more, field in (
        ("branch_manager", {}, "scope_id"),
        ("branch_manager", {"scope_id": theirs}, "scope_id"),
        ("department_head", {"scope_id": branch}, "scope_id"),
        ("custodian", {"scope_id": branch}, "scope_id"),
        ("cfo", {"scope_id": branch}, "scope_id"),
        ("staff", {"scope_id": branch}, "scope_id"),
        ("cfo", {"user_id": str(api.as_("other_company").user_id)}, "user_id"),
        ("cfo", {"valid_until": (now - timedelta(days=1)).isoformat()}, "valid_until"),
        ("emperor", {}, "role"),
        ("cfo", {"reason": " "}, "reason"),
        ("cfo", {"valid_from": "2026-12-01T00:00:00"}, "valid_from"),
    ):
        refused = _propose(admin, staff, role, **more)
        assert refused.status_code == 422, (role, more)
        assert field in refused.json["errors"], (role, more)


def test_a_role_that_is_held_is_not_given_again(api: ApiClient, admin: Caller) -> None:
    refused = _propose(admin, str(api.as_("treasury").user_id), "treasury")

    assert refused.status_code == 409
    assert refused.json["code"] == "role_assignment.held_already"


def test_the_same_role_proposed_twice_is_given_once(api: ApiClient, admin: Caller) -> None:
    staff = str(api.as_("staff_2").user_id)
    places = [_propose(admin, staff, "fpa").headers["Location"] for _ in range(2)]
    confirmers = [api.as_("admin_2"), api.as_("cfo")]

    answers = together(
        [
            lambda: confirmers[0].post(f"{places[0]}confirm/", json={}),
            lambda: confirmers[1].post(f"{places[1]}confirm/", json={}),
        ]
    )

    assert sorted(each.status_code for each in answers) == [200, 409]
    assert _roles(admin, "staff_2") == ["staff", "fpa"]


def test_a_role_begins_and_ends_when_it_says(api: ApiClient, admin: Caller) -> None:
    staff = str(api.as_("staff_2").user_id)
    later = datetime.now(UTC) + timedelta(days=10)
    place = _propose(admin, staff, "ceo", valid_from=later.isoformat()).headers["Location"]

    api.as_("admin_2").post(f"{place}confirm/", json={})

    assert _roles(admin, "staff_2") == ["staff"]
    waiting = admin.get(f"/api/role-assignments/?user_id={staff}&is_live=false").json["items"]
    assert [each["role"] for each in waiting] == ["ceo"]


def test_ending_a_role_takes_two_people_too(api: ApiClient, admin: Caller) -> None:
    treasury = api.as_("treasury_2")
    (held,) = admin.get(f"/api/role-assignments/?user_id={treasury.user_id}").json["items"]
    path = f"/api/role-assignments/{held['id']}/end/"

    proposed = admin.post(path, json={"reason": "Moves to planning."})

    assert proposed.status_code == 202
    assert treasury.get("/api/pause/").status_code == 200
    place = proposed.headers["Location"]
    confirmed = api.as_("cfo").post(f"{place}confirm/", json={})
    assert confirmed.status_code == 200, confirmed.json
    assert _roles(admin, "treasury_2") == []
    assert treasury.get("/api/pause/").status_code == 403
    again = admin.post(path, json={"reason": "Again."})
    assert again.status_code == 409
    assert again.json["code"] == "role_assignment.ended"


def test_the_end_of_a_role_warns_of_what_nobody_else_could_do(
    api: ApiClient, admin: Caller
) -> None:
    (held,) = admin.get("/api/role-assignments/?role=cfo&is_live=true").json["items"]
    path = f"/api/role-assignments/{held['id']}/end/"

    for body in ({}, {"valid_until": in_thirty_days()}):
        proposed = admin.post(path, json={"reason": "Moves to planning."} | body)

        assert proposed.status_code == 202, proposed.json
        (warned,) = proposed.json["warnings"]
        assert warned["code"] == "leaving.last_approver"
        place = proposed.headers["Location"]
        assert admin.get(place).json["warnings"] == [warned]
    (listed, _) = admin.get("/api/changes/?kind=role_end").json["items"]
    assert "warnings" not in listed
    confirmed = api.as_("admin_2").post(f"{place}confirm/", json={})
    assert confirmed.status_code == 200, confirmed.json
    assert confirmed.json["warnings"] == [warned]
    cover = _propose(admin, str(api.as_("staff_2").user_id), "ceo", valid_until=in_thirty_days())
    assert cover.json["warnings"] == []


def test_who_is_deactivated_leaves_warnings(api: ApiClient, admin: Caller) -> None:
    for name, codes in (("custodian_mombasa", ["leaving.last_custodian"]), ("staff_2", [])):
        path = f"/api/users/{of(admin, name)['id']}/"
        tag = admin.get(path).headers["ETag"]
        renamed = admin.patch(path, json={"display_name": "Somebody"}, etag=tag)
        assert "warnings" not in renamed.json

        answer = admin.patch(path, json={"is_active": False}, etag=renamed.headers["ETag"])

        assert answer.status_code == 200, answer.json
        assert [each["code"] for each in answer.json["warnings"]] == codes


def test_a_role_of_another_company_can_not_be_ended(api: ApiClient, admin: Caller) -> None:
    theirs = api.as_("other_company").get("/api/role-assignments/").json["items"][0]

    refused = admin.post(f"/api/role-assignments/{theirs['id']}/end/", json={"reason": "Mine."})

    assert refused.status_code == 404


def test_only_an_administrator_proposes_roles(common: ApiClient) -> None:
    for who in ("staff", "cfo", "auditor"):
        caller = common.as_(who)
        assert _propose(caller, str(caller.user_id), "cfo").status_code == 403


def test_a_role_needs_a_recent_sign_in(common: ApiClient) -> None:
    tired = common.sign_in("admin", ago=timedelta(minutes=6))

    refused = _propose(tired, str(common.as_("staff_2").user_id), "fpa")

    assert refused.status_code == 403
    assert refused.json["code"] == "auth.step_up_required"


def test_changes_are_listed_rejected_and_withdrawn(api: ApiClient, admin: Caller) -> None:
    staff = str(api.as_("staff_2").user_id)
    first = _propose(admin, staff, "fpa").headers["Location"]
    second = _propose(admin, staff, "ceo").headers["Location"]

    silent = api.as_("cfo").post(f"{first}reject/", json={"comment": ""})
    assert silent.status_code == 422
    rejected = api.as_("cfo").post(f"{first}reject/", json={"comment": "Not now."})
    assert rejected.json["status"] == "rejected"
    assert rejected.json["comment"] == "Not now."
    others = api.as_("admin_2").post(f"{second}withdraw/")
    assert others.json["code"] == "decision.not_the_proposer"
    assert admin.post(f"{second}withdraw/").json["status"] == "withdrawn"
    assert api.as_("admin_2").post(f"{second}confirm/", json={}).status_code == 409
    listed = api.as_("auditor").get("/api/changes/?kind=role_assignment").json["items"]
    assert [each["status"] for each in listed] == ["withdrawn", "rejected"]
    assert admin.get("/api/changes/?status=PROPOSED").json["items"] == []
    assert admin.get("/api/changes/?from=2199-01-01").json["items"] == []
    assert api.as_("other_company").get(first).status_code == 404
    assert api.as_("other_company").post(f"{first}confirm/", json={}).status_code == 404
    assert _roles(admin, "staff_2") == ["staff"]


def test_a_kind_that_nobody_knows_is_refused(api: ApiClient, admin: Caller) -> None:
    for kind in ("weather", "role_assignment", "threshold"):
        body = {"kind": kind, "payload": {}, "reason": "Why not."}
        refused = admin.post("/api/changes/", json=body)
        assert refused.status_code == 422
        assert refused.json["code"] == "change.unknown_kind"
