"""Severe cases are told by real SMTP; nothing is lost when the mail server is away."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from pettycash import composition
from pettycash.gateways import mail
from pettycash.lab.mailbox.sink import Sink
from pettycash.lab.mailbox.store import Mailbox
from pettycash.models.access import User
from pettycash.models.base import new_id
from pettycash.models.operations import Case, CaseKind, OutboxMessage, Severity
from pettycash.runtime import db, settings
from pettycash.services.operations import case_alerts, cases, outbox_messages, security_alerts
from pettycash.services.reconciliation import invariants
from pettycash.stack.ports import LOOPBACK, Ports
from pettycash.tasks import operations
from tests.factories import working
from tests.factories.people import company_id
from tests.servers import Database

TOLD = [
    f"{name}@demo.example"
    for name in ("cfo", "operator", "operator_2", "treasury", "treasury_2", "treasury_3")
]


@pytest.fixture
def mailbox(live: Database, tmp_path: Path) -> Iterator[Mailbox]:
    """A mail server that this process sends to."""
    port = Ports(usual=False).take(0)
    kept = Mailbox(tmp_path)
    sink = Sink(port, kept)
    sink.start()
    composition.compose(replace(live.settings, smtp_url=f"smtp://{LOOPBACK}:{port}"))
    yield kept
    sink.stop()


def _open_severe() -> tuple[UUID, UUID]:
    """A severe case of the demo company, and the outbox message to tell of it."""
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        case = cases.open_case(
            session,
            kind=CaseKind.CONTRADICTION,
            object_type="payment",
            object_id=new_id(),
            summary="254712345678 says it was paid twice.",
            evidence={"payee": "254712345678"},
            severity=Severity.SEVERE,
        )
        enqueued = session.execute(
            select(OutboxMessage.id).where(
                OutboxMessage.topic == cases.ALERT_TOPIC, OutboxMessage.key == case.id
            )
        ).scalar_one()
        return case.id, enqueued


def _read(case_id: UUID) -> tuple[Case, OutboxMessage]:
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        enqueued = session.execute(
            select(OutboxMessage).where(OutboxMessage.key == case_id)
        ).scalar_one()
        return cases.get(session, case_id=case_id), enqueued


def test_a_severe_case_is_told_once_and_without_numbers(mailbox: Mailbox) -> None:
    case_id, enqueued = _open_severe()

    operations.send_alert(messages=[str(enqueued)])
    operations.send_alert(messages=[str(enqueued)])

    (message,) = mailbox.messages()
    assert sorted(message.to) == TOLD
    assert message.subject == "[pettycash DEMO] severe case: contradiction"
    assert str(case_id) in message.text
    assert "254712345678" not in message.text
    case, outbox_message = _read(case_id)
    assert case.alerted_at is not None
    assert outbox_message.completed_at is not None


def test_a_closed_account_is_told_to_who_can_open_it_and_to_its_person(mailbox: Mailbox) -> None:
    with db.system_transaction() as session:
        staff = session.execute(select(User.id).where(User.username == "staff")).scalar_one()
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        security_alerts.account_closed(session, user_id=staff, ip_address="198.51.100.1")
        enqueued = session.execute(
            select(OutboxMessage.id).where(OutboxMessage.topic == security_alerts.TOPIC)
        ).scalar_one()

    operations.send_security_alert(messages=[str(enqueued)])
    operations.send_security_alert(messages=[str(enqueued)])

    (message,) = mailbox.messages()
    assert sorted(message.to) == [
        f"{name}@demo.example" for name in ("admin", "admin_2", "operator", "operator_2", "staff")
    ]
    assert "send-link staff" in message.text


def test_a_mail_server_that_is_away_loses_nothing(mailbox: Mailbox) -> None:
    case_id, enqueued = _open_severe()
    reachable = settings.current()
    nobody_there = f"smtp://{LOOPBACK}:{Ports(usual=False).take(0)}"
    composition.compose(replace(reachable, smtp_url=nobody_there))

    with pytest.raises(mail.MailNotDelivered):
        operations.send_alert(messages=[str(enqueued)])

    case, outbox_message = _read(case_id)
    assert case.alerted_at is None
    assert outbox_message.completed_at is None
    composition.compose(reachable)
    operations.send_alert(messages=[str(enqueued)])
    assert len(mailbox.messages()) == 1


def test_an_outage_of_mail_may_last_as_long_as_it_likes(mailbox: Mailbox) -> None:
    """An alert is never given up: nobody could be told of that."""
    case_id, enqueued = _open_severe()
    reachable = settings.current()
    nobody_there = f"smtp://{LOOPBACK}:{Ports(usual=False).take(0)}"
    composition.compose(replace(reachable, smtp_url=nobody_there, outbox_attempts_max=3))
    for _ in range(6):
        with pytest.raises(mail.MailNotDelivered):
            operations.send_alert(messages=[str(enqueued)])
        working.claimed()

    _, outbox_message = _read(case_id)
    with db.transaction() as session:
        now = session.info["now"]
    assert outbox_message.dead_lettered_at is None
    assert outbox_message.due_at <= now + timedelta(minutes=5), "soon after mail is back"
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        assert invariants.count_fast(session, now=session.info["now"]) == {"alerts_reach_people": 1}
    with db.system_transaction() as session:
        (count,) = [c for c in outbox_messages.counts(session) if c.topic == cases.ALERT_TOPIC]
    assert count.failing == 1

    composition.compose(reachable)
    operations.send_alert(messages=[str(enqueued)])
    assert len(mailbox.messages()) == 1
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        assert invariants.count_fast(session, now=session.info["now"]) == {}


def test_a_case_that_is_over_is_not_told(mailbox: Mailbox) -> None:
    case_id, enqueued = _open_severe()
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        case = cases.get(session, case_id=case_id)
        cases.close(
            session,
            kind=case.kind,
            object_type=case.object_type,
            object_id=case.object_id,
            resolved_by=None,
            note="settled",
            now=session.info["now"],
        )

    operations.send_alert(messages=[str(enqueued)])

    assert mailbox.messages() == []
    assert _read(case_id)[1].completed_at is not None


def test_only_who_holds_a_role_now_is_told(live: Database) -> None:
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        now = session.info["now"]
        assert case_alerts.addresses(session, *case_alerts.TOLD, now=now) == TOLD
        assert case_alerts.addresses(session, *case_alerts.TOLD, now=now - timedelta(days=1)) == []
    with db.scope(company_id=company_id("OTHER")), db.transaction() as session:
        told = case_alerts.addresses(session, *case_alerts.TOLD, now=session.info["now"])
        names = ("company", "operator", "treasury", "treasury_2", "treasury_3")
        assert told == [f"other_{name}@demo.example" for name in names]
