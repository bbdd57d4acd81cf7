"""How people are reached: two change it for who decides, the old address hears, codes wait."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from pettycash.models.access import ContactKind, SignInLink
from pettycash.models.operations import OutboxMessage
from pettycash.runtime.db import transaction
from pettycash.services.access import contacts, people
from pettycash.services.operations import security_alerts
from tests.api.access.people_steps import NEW, changed, of
from tests.api.client import ApiClient, Caller
from tests.patience import budget


def test_nobody_alone_moves_how_a_releaser_is_reached(api: ApiClient, admin: Caller) -> None:
    """An administrator moved an officer's e-mail and phone, and then received the codes."""
    officer = of(admin, "treasury")
    for contact in ({"email": "mine@evil.example"}, {"phone": "0700000001"}):
        refused = changed(admin, officer, **contact)
        assert refused.json["code"] == "user.contact_needs_two_people"
    body = {
        "kind": "contact",
        "object_id": officer["id"],
        "payload": {"email": "new@demo.example", "phone": "0712 000 777"},
        "reason": "The officer moved to another office.",
    }
    proposed = admin.post("/api/changes/", json=body)
    assert proposed.status_code == 202, proposed.json
    where = f"/api/changes/{proposed.json['id']}/confirm/"
    assert admin.post(where, json={}).json["code"] == "decision.own"
    assert api.as_("admin_2").post(where, json={}).status_code == 200

    moved = of(admin, "treasury")
    assert (moved["email"], moved["phone"]) == ("new@demo.example", "+254712000777")
    with admin.scope(), transaction() as session:
        now = session.info["now"]
        person = UUID(officer["id"])
        new = contacts.too_new(session, user_id=person, now=now)
        later = contacts.too_new(session, user_id=person, now=now + contacts.COOLING_OFF)
        told = [
            contacts.notice(session, contact_id=key)
            for key in session.execute(
                select(OutboxMessage.key).where(OutboxMessage.topic == contacts.TOPIC)
            ).scalars()
        ]
    assert new == set(ContactKind), "no code goes there for a day"
    assert later == set()
    assert {officer["email"], officer["phone"].removeprefix("+")} == {
        each.email or each.phone for each in told
    }, "the old addresses hear of it"


def test_who_releases_nothing_is_changed_by_one_and_told(admin: Caller) -> None:
    staff = of(admin, "staff")

    assert changed(admin, staff, email="staff.new@demo.example").status_code == 200

    with admin.scope(), transaction() as session:
        enqueued = session.execute(
            select(func.count())
            .select_from(OutboxMessage)
            .where(OutboxMessage.topic == contacts.TOPIC)
        ).scalar_one()
    assert enqueued == 1


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"email": "nobody"},
        {"email": "officer,mine@evil.example"},
        {"email": "officer\u200b@demo.example"},
        {"phone": "12"},
        {"username": "x"},
        {"email": None},
    ],
)
def test_a_contact_that_is_none_is_not_proposed(admin: Caller, payload: dict[str, Any]) -> None:
    body = {
        "kind": "contact",
        "object_id": of(admin, "treasury")["id"],
        "payload": payload,
        "reason": "x",
    }
    refused = admin.post("/api/changes/", json=body)
    assert (refused.status_code, refused.json["code"]) == (422, "user.invalid")


def test_two_people_reset_a_releasers_second_factor(api: ApiClient, admin: Caller) -> None:
    officer = of(admin, "treasury")
    alone = admin.post("/api/auth/mfa/reset/", json={"user_id": officer["id"]})
    assert (alone.status_code, alone.json["code"]) == (422, "mfa.reset_needs_two_people")
    body = {
        "kind": "second_factor",
        "object_id": officer["id"],
        "payload": {},
        "reason": "The phone was stolen.",
    }
    proposed = admin.post("/api/changes/", json=body)
    where = f"/api/changes/{proposed.json['id']}/confirm/"
    assert api.as_("admin_2").post(where, json={}).status_code == 200

    assert of(admin, "treasury")["mfa_enrolled"] is False


def test_an_approver_is_not_moved_by_one_either(admin: Caller) -> None:
    """With their mailbox come a link, a password, and their approvals."""
    refused = changed(admin, of(admin, "branch_manager"), email="mine@evil.example")

    assert (refused.status_code, refused.json["code"]) == (422, "user.contact_needs_two_people")


def test_the_escalation_approver_is_not_moved_by_one_either(admin: Caller) -> None:
    """They hold no role, and decide all the same: an administrator took over their mailbox."""
    escalation = of(admin, "escalation")
    assert escalation["roles"] == []

    for contact in ({"email": "mine@evil.example"}, {"phone": "0700000001"}):
        refused = changed(admin, escalation, **contact)
        assert refused.json["code"] == "user.contact_needs_two_people"


def test_a_link_waits_for_who_changes_the_address(api: ApiClient, admin: Caller) -> None:
    """A link that was enqueued while the e-mail changed went to the new address at once."""
    staff = of(admin, "staff")
    with admin.scope(), transaction() as session:
        people.send_link(session, user_id=UUID(staff["id"]), actor=None)
        session.flush()
        with ThreadPoolExecutor(1) as other:
            moving = other.submit(
                lambda: changed(api.as_("admin_2"), staff, email="x@evil.example")
            )
            assert not moving.done()
            time.sleep(0.3)
            session.commit()
            moved = moving.result(timeout=budget(20))
    assert moved.status_code == 200, moved.json

    with admin.scope(), transaction() as session:
        alive = session.execute(
            select(func.count()).select_from(SignInLink).where(SignInLink.used_at.is_(None))
        ).scalar_one()
    assert alive == 0, "the change came after the link, and voids it"


def test_who_comes_back_is_told_of(admin: Caller) -> None:
    staff = of(admin, "staff")
    for is_active in (False, True):
        assert changed(admin, staff, is_active=is_active).status_code == 200

    with admin.scope(), transaction() as session:
        [enqueued] = session.execute(
            select(OutboxMessage.key).where(OutboxMessage.topic == security_alerts.TOPIC)
        ).scalars()
        alert = security_alerts.pending(session, event_id=enqueued, now=session.info["now"])
    assert "staff may sign in again" in alert.subject
    assert {each.split("@")[0] for each in alert.addresses} == {"cfo", "auditor"}


def test_an_operator_keeps_nobody_from_hearing_of_a_change(api: ApiClient, admin: Caller) -> None:
    """Dead-lettered, the word to the old address and the alert to the cfo never left."""
    staff = of(admin, "staff")
    assert changed(admin, staff, email="x@evil.example").status_code == 200
    for is_active in (False, True):
        assert changed(admin, staff, is_active=is_active).status_code == 200
    operator = api.as_("operator")
    enqueued = operator.get("/api/outbox/").json["items"]

    refused = {
        each["topic"]: operator.post(f"/api/outbox/{each['id']}/dead-letter/", key=True).json[
            "code"
        ]
        for each in enqueued
    }

    assert refused == dict.fromkeys(
        ("notifications.contact_changed", "notifications.security", "approvals.hand_over"),
        "outbox.informs_people",
    )


def test_a_mailbox_has_one_spelling(admin: Caller) -> None:
    """Money to the other spelling of a member's address was not known to be theirs."""
    address = "cashier@b\u00fccher.example"

    made = admin.post("/api/users/", json=NEW | {"email": address})
    moved = changed(admin, of(admin, "staff"), email=address)

    for refused in (made, moved):
        assert (refused.status_code, refused.json["code"]) == (422, "user.invalid")
