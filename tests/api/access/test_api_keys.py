"""Keys of machines: two people let one in, it sees its own rows, and its makers approve none."""

from typing import Any

from sqlalchemy import select, update

from pettycash.models.access import ApiKey, Role, RoleAssignment, SecurityEvent
from pettycash.runtime import db
from tests.api.client import ApiClient, Caller, in_thirty_days
from tests.factories.requisitions_http import NEW, PATH, code, raised, submitted

KEYS = "/api/api-keys/"
FOR_STAFF = {"On-Behalf-Of": "staff"}


def make(caller: Caller, *scopes: str, **more: Any) -> Any:
    body = {"name": "erp", "scopes": list(scopes), "expires_at": in_thirty_days(), **more}
    return caller.post(KEYS, json=body)


def confirm(caller: Caller, made: Any) -> Any:
    return caller.post(f"/api/changes/{made.json['change_id']}/confirm/", json={})


def test_a_key_opens_nothing_until_a_second_person_confirms_it(api: ApiClient) -> None:
    made = make(api.as_("admin"), "raise", "read")
    client = api.with_token(made.json["key"])

    assert code(client.get(PATH, headers=FOR_STAFF)) == (401, "api_key.unconfirmed")
    assert code(confirm(api.as_("admin"), made)) == (403, "decision.own")
    assert code(client.get(PATH, headers=FOR_STAFF)) == (401, "api_key.unconfirmed")
    confirmed = confirm(api.as_("operator"), made)
    assert confirmed.status_code == 200
    assert "counts as requester" in confirmed.json["payload"]["warning"]
    assert client.get(PATH, headers=FOR_STAFF).status_code == 200
    [shown] = api.as_("admin").get(KEYS).json["items"]
    assert shown["confirmed_by"] == str(api.as_("operator").user_id)


def test_the_cfo_confirms_only_where_nobody_else_can(api: ApiClient) -> None:
    made = make(api.as_("admin"), "raise")
    assert code(confirm(api.as_("cfo"), made)) == (403, "decision.not_a_decider")
    with api.as_("admin").scope(), db.transaction() as session:
        session.execute(
            update(RoleAssignment)
            .where(
                RoleAssignment.role.in_((Role.ADMIN, Role.OPERATOR)),
                RoleAssignment.user_id != api.as_("admin").user_id,
            )
            .values(valid_until=session.info["now"])
        )

    confirmed = confirm(api.as_("cfo"), made)
    assert confirmed.status_code == 200, confirmed.json


def test_a_key_that_ended_is_not_confirmed(api: ApiClient) -> None:
    made = make(api.as_("admin"), "raise")
    assert api.as_("admin").delete(f"{KEYS}{made.json['id']}/").status_code == 204

    assert code(confirm(api.as_("admin_2"), made)) == (409, "api_key.ended")


def test_a_key_sees_and_changes_only_what_it_raised(api: ApiClient) -> None:
    """One admin made a key, read as cfo, and redirected what staff had raised themselves."""
    own = submitted(api.as_("staff"))
    client = api.with_key("raise", "read", "upload")
    for_cfo = {"On-Behalf-Of": "cfo"}

    mine = client.post(PATH, json=NEW, key=True, headers=FOR_STAFF).json

    for headers in (FOR_STAFF, for_cfo):
        seen = client.get(PATH, headers=headers).json["items"]
        assert [each["id"] for each in seen] == [mine["id"]]
        assert code(client.get(f"{PATH}{own['id']}/", headers=headers))[0] == 404
    changed = client.patch(
        f"{PATH}{own['id']}/",
        json={"destination": "254700000001"},
        etag='"v1"',
        headers=FOR_STAFF,
    )
    assert code(changed) == (404, "requisition.not_found")
    assert code(client.get("/api/ledger/", headers=for_cfo)) == (403, "api_key.scope_missing")


def test_a_key_of_a_unit_acts_for_its_people_only(api: ApiClient) -> None:
    manager = api.as_("branch_manager")
    branch = manager.get("/api/auth/me/").json["branch_id"]
    client = api.with_key("raise", branch_id=branch)

    assert raised_by(client, "staff").status_code == 201
    assert code(raised_by(client, "cfo")) == (403, "api_key.on_behalf_of_unknown")
    unit = {"branch_id": branch, "department_id": branch}
    assert code(make(api.as_("admin"), "raise", **unit)) == (422, "api_key.two_units")


def raised_by(client: Caller, name: str) -> Any:
    return client.post(PATH, json=NEW, key=True, headers={"On-Behalf-Of": name})


def test_a_reporting_key_stands_for_itself_and_stands_alone(api: ApiClient) -> None:
    raised(api.as_("staff"))
    client = api.with_key("report")

    assert len(client.get(PATH).json["items"]) == 1
    assert client.get("/api/reports/trial-balance/").status_code == 200
    assert code(client.post(PATH, json=NEW, key=True)) == (403, "api_key.scope_missing")
    mixed = make(api.as_("admin"), "report", "raise")
    assert code(mixed) == (422, "api_key.scope_unknown")


def test_a_key_that_is_for_nobody_there_is_refused_in_the_log_by_its_name(api: ApiClient) -> None:
    client = api.with_key("raise")
    assert client.get("/api/ledger/", headers=FOR_STAFF).status_code == 403

    with api.as_("admin").scope(), db.transaction() as session:
        key = session.execute(select(ApiKey)).scalar_one()
        refused = session.execute(
            select(SecurityEvent.detail).where(SecurityEvent.event == "access.refused")
        ).scalar_one()
    assert refused["api_key_id"] == str(key.id)
