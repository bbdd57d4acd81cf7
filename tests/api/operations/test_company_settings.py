"""Settings over HTTP: typed, versioned, and two people for the escalation approver."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from pettycash.models.access import SecurityEvent, User
from pettycash.models.operations import Change, OutboxMessage
from pettycash.runtime.db import transaction
from pettycash.services.foundation import company_settings
from pettycash.services.operations import security_alerts
from tests.api.client import ApiClient, Caller
from tests.factories.people import user_id

PATH = "/api/settings/"


def _change(caller: Caller, **values: Any) -> Any:
    return caller.patch(PATH, json=values, etag=caller.get(PATH).headers["ETag"])


def propose(caller: Caller, **values: Any) -> Any:
    body = {"kind": "settings", "payload": values, "reason": "Agreed at the board's meeting."}
    return caller.post("/api/changes/", json=body)


def agree(api: ApiClient, **values: Any) -> None:
    """Let two administrators change settings of consequence."""
    proposed = propose(api.as_("admin"), **values)
    assert proposed.status_code == 202, proposed.json
    confirmed = api.as_("admin_2").post(f"/api/changes/{proposed.json['id']}/confirm/", json={})
    assert confirmed.status_code == 200, confirmed.json


def test_settings_are_read_with_their_defaults(common: ApiClient) -> None:
    read = common.as_("fpa").get(PATH)

    assert read.status_code == 200
    assert read.json["timezone"] == "Africa/Nairobi"
    assert read.json["otp_floor"] == {}
    assert read.json["small_team"] is False
    assert read.json["currency"] == "KES"


def test_a_change_is_a_new_version_and_the_rest_stays(api: ApiClient) -> None:
    admin = api.as_("admin")
    before = admin.get(PATH).json

    changed = _change(admin, timezone="Africa/Kampala", case_due_hours=8)
    agree(api, otp_floor={"KES": "1500"}, working_days=[7, 1], holidays=["2026-12-25"])

    assert changed.status_code == 200, changed.json
    assert admin.get(PATH).json == before | {
        "version": before["version"] + 2,
        "timezone": "Africa/Kampala",
        "case_due_hours": 8,
        "otp_floor": {"KES": "1500.00"},
        "working_days": [1, 7],
        "holidays": ["2026-12-25"],
    }
    with admin.scope(), transaction() as session:
        policy = company_settings.current(session)
    assert policy.otp_floor("KES") == Decimal(1500)
    assert policy.otp_floor("UGX") == 0
    assert policy.working_days == (1, 7)
    assert policy.escalation_approver_id is not None


def test_a_stale_version_changes_nothing(api: ApiClient) -> None:
    admin = api.as_("admin")
    etag = admin.get(PATH).headers["ETag"]
    assert admin.patch(PATH, json={"case_due_hours": 8}).status_code == 428
    assert admin.patch(PATH, json={"case_due_hours": 8}, etag=etag).status_code == 200

    late = admin.patch(PATH, json={"case_due_hours": 9}, etag=etag)

    assert late.status_code == 412
    assert admin.get(PATH).json["case_due_hours"] == 8


def test_one_administrator_does_not_weaken_a_control(api: ApiClient) -> None:
    admin = api.as_("admin")
    before = admin.get(PATH).json
    weaker = {
        "otp_floor": {"KES": "5000.00"},
        "small_team": True,
        "code_by_email": True,
        "code_by_sms": False,
        "holidays": ["2026-12-24"],
        "working_days": [1],
    }
    for name, value in weaker.items():
        refused = _change(admin, **{name: value})
        assert (refused.status_code, refused.json["code"]) == (422, "settings.needs_two_people")
    proposed = propose(admin, **weaker)
    own = admin.post(f"/api/changes/{proposed.json['id']}/confirm/", json={})
    assert (own.status_code, own.json["code"]) == (403, "decision.own")
    assert admin.get(PATH).json == before


def test_no_floor_lies_above_the_lowest_tier(api: ApiClient) -> None:
    for floor in ({"KES": "999999999.00"}, {"TZS": "1.00"}):
        refused = propose(api.as_("admin"), otp_floor=floor)
        assert (refused.status_code, refused.json["code"]) == (422, "settings.invalid_value")
        assert "lowest tier" in refused.json["errors"]["otp_floor"][0]


def test_a_change_is_logged_with_old_and_new_and_told(api: ApiClient) -> None:
    agree(api, otp_floor={"KES": "1000.00"})

    with api.as_("admin").scope(), transaction() as session:
        logged = session.execute(
            select(SecurityEvent.detail).where(SecurityEvent.event == "settings.changed")
        ).scalar_one()
        change = session.get_one(Change, UUID(logged["change_id"]))
        assert (logged["old"], logged["new"]) == (
            {"otp_floor": {}},
            {"otp_floor": {"KES": "1000.00"}},
        )
        assert (change.proposed_by, change.decided_by) == (
            user_id(session, "admin"),
            user_id(session, "admin_2"),
        )
        [enqueued] = session.execute(
            select(OutboxMessage.key).where(OutboxMessage.topic == security_alerts.TOPIC)
        ).scalars()
        alert = security_alerts.pending(session, event_id=enqueued, now=session.info["now"])
        assert str(change.id) in alert.text
        assert set(alert.addresses) == {
            session.get_one(User, user_id(session, name)).email for name in ("cfo", "auditor")
        }


def test_an_unknown_key_is_named(common: ApiClient) -> None:
    refused = _change(common.as_("admin"), otp_flor="1", case_due_hours=5)

    assert refused.status_code == 422
    assert refused.json["code"] == "settings.unknown_key"
    assert list(refused.json["errors"]) == ["otp_flor"]
    assert common.as_("admin").get(PATH).json["case_due_hours"] == 24


WRONG_ALONE = [
    ("timezone", "Mars/Olympus"),
    ("timezone", "Africa/Nairobi'; DROP TABLE users"),
    ("timezone", 3),
    ("case_due_hours", 0),
    ("case_due_hours", 721),
    ("case_due_hours", True),
    ("case_due_hours", "24"),
    ("advances", 1),
    ("upload_mib_per_day", 9),
    ("upload_mib_per_day", 10_001),
    ("upload_mib_per_day", True),
    ("upload_mib_per_day", "200"),
]
WRONG_OF_CONSEQUENCE = [
    ("working_days", []),
    ("working_days", [0]),
    ("working_days", [1, 1]),
    ("working_days", [True]),
    ("working_days", [1.0]),
    ("working_days", [[1]]),
    ("working_days", "12345"),
    ("holidays", ["tomorrow"]),
    ("holidays", [20261225]),
    ("holidays", ["2026-12-25"] * 401),
    ("otp_floor", 1000),
    ("otp_floor", 10.5),
    ("otp_floor", "100.00"),
    ("otp_floor", {"KES": "-1"}),
    ("otp_floor", {"KES": "1e3"}),
    ("otp_floor", {"KES": "1.005"}),
    ("otp_floor", {"UGX": "10.50"}),
    ("otp_floor", {"EUR": "10.00"}),
    ("otp_floor", None),
    ("materiality", "1000.00"),
    ("materiality", {"KES": 1000}),
    ("cfo_limit", {"KES": "-1"}),
    ("cfo_limit", {"XXX": "1.00"}),
    ("cfo_limit", {"UGX": "1.50"}),
    ("code_by_email", "yes"),
    ("code_by_sms", 1),
    ("small_team", None),
]


def test_a_value_that_a_setting_can_not_take_is_refused_and_named(common: ApiClient) -> None:
    admin = common.as_("admin")
    before = admin.get(PATH).json

    for send, wrong in ((_change, WRONG_ALONE), (propose, WRONG_OF_CONSEQUENCE)):
        for name, value in wrong:
            refused = send(admin, **{name: value})
            assert refused.status_code == 422, (name, value)
            assert refused.json["code"] == "settings.invalid_value", (name, value)
            assert list(refused.json["errors"]) == [name]

    assert admin.get(PATH).json == before


def test_every_wrong_value_is_named_at_once(common: ApiClient) -> None:
    refused = propose(common.as_("admin"), otp_floor="-1", small_team="no", code_by_sms=False)

    assert sorted(refused.json["errors"]) == ["otp_floor", "small_team"]


def test_nobody_sets_the_escalation_approver_alone(common: ApiClient) -> None:
    admin = common.as_("admin")
    before = admin.get(PATH).json

    refused = _change(admin, escalation_approver_id=str(admin.user_id))

    assert refused.status_code == 422
    assert refused.json["code"] == "settings.needs_two_people"
    assert admin.get(PATH).json == before


def test_two_people_set_the_escalation_approver(api: ApiClient) -> None:
    admin, second = api.as_("admin"), api.as_("admin_2")
    with admin.scope(), transaction() as session:
        chosen = str(user_id(session, "cfo"))
    proposal = {
        "kind": "escalation_approver",
        "payload": {"user_id": chosen},
        "reason": "The chief executive is away.",
    }

    proposed = admin.post("/api/changes/", json=proposal)
    assert proposed.status_code == 202, proposed.json
    assert admin.get(PATH).json["escalation_approver_id"] != chosen
    place = proposed.headers["Location"]
    own = admin.post(f"{place}confirm/", json={})
    assert own.status_code == 403
    assert own.json["code"] == "decision.own"
    confirmed = second.post(f"{place}confirm/", json={"comment": "Agreed."})

    assert confirmed.status_code == 200, confirmed.json
    assert confirmed.json["status"] == "effective"
    settings = admin.get(PATH).json
    assert settings["escalation_approver_id"] == chosen


def test_who_would_become_the_approver_does_not_confirm_it(api: ApiClient) -> None:
    admin, chosen = api.as_("admin"), api.as_("admin_2")
    proposal = {
        "kind": "escalation_approver",
        "payload": {"user_id": str(chosen.user_id)},
        "reason": "Why not.",
    }
    place = admin.post("/api/changes/", json=proposal).headers["Location"]

    refused = chosen.post(f"{place}confirm/", json={})

    assert refused.status_code == 403
    assert refused.json["code"] == "decision.about_yourself"
    by_cfo = api.as_("cfo").post(f"{place}confirm/", json={})
    assert by_cfo.status_code == 200


def test_an_approver_is_an_active_person_of_the_company(common: ApiClient) -> None:
    stranger = str(common.as_("other_company").user_id)
    for payload in (
        {},
        {"user_id": "nobody"},
        {"user_id": 5},
        {"user_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b99"},
        {"user_id": stranger},
        {"user_id": None, "more": 1},
    ):
        proposal = {"kind": "escalation_approver", "payload": payload, "reason": "Why not."}
        refused = common.as_("admin").post("/api/changes/", json=proposal)
        assert refused.status_code == 422, payload
        assert refused.json["code"] == "settings.invalid_value"


def test_settings_are_read_by_those_who_work_with_them_and_changed_by_one(
    common: ApiClient,
) -> None:
    for who in ("staff", "custodian"):
        assert common.as_(who).get(PATH).status_code == 403
    for who in ("cfo", "operator", "auditor"):
        assert common.as_(who).get(PATH).status_code == 200
        refused = common.as_(who).patch(PATH, json={"case_due_hours": 8}, etag='"v2"')
        assert refused.status_code == 403


def test_each_company_has_its_own(api: ApiClient) -> None:
    _change(api.as_("admin"), small_team=True)

    assert api.as_("other_company").get(PATH).json["small_team"] is False
