"""What operations look at by hand: payments in doubt, outbox messages, keys."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet

from pettycash.models.payments import Payment
from pettycash.runtime import db
from pettycash.services import payments
from pettycash.services.foundation import outbox
from tests.cli.conftest import Command
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.people import company_id
from tests.servers import Database


@pytest.fixture
def company(live: Database) -> Iterator[UUID]:
    found = company_id("DEMO")
    with db.scope(company_id=found, source="test"):
        yield found


def silent(*, hours: bool) -> Payment:
    """A payment whose answer was lost; past its time if asked."""
    with db.transaction() as session:
        payment = making.executing(session)
        making.answered(session, payment, rails.LOST)
        if hours:
            attempt = making.attempt_of(session, payment)
            making.set_attempt(session, attempt, decide_by=attempt.created_at)
            payments.next_question(session, attempt_id=attempt.id, now=session.info["now"])
    return payment


def test_payments_in_doubt_are_listed(command: Command, company: UUID) -> None:
    silent(hours=False)
    doubtful = silent(hours=True)

    listed = command("payments", "in-doubt", "--json")

    (row,) = listed.json["payments"]
    assert (row["company"], row["payment"], row["status"]) == ("DEMO", doubtful.number, "in_doubt")
    assert row["reference"] == doubtful.originator_reference
    assert "254712345678" not in listed.output
    assert doubtful.number in command("payments", "in-doubt").output


def test_without_doubt_it_is_said(command: Command, company: UUID) -> None:
    assert "no payment is in doubt" in command("payments", "in-doubt").output
    assert command("payments", "in-doubt", "--json").json == {"payments": []}


def test_the_rail_is_asked_by_hand(command: Command, company: UUID) -> None:
    payment = silent(hours=True)

    asked = command("payments", "requery", payment.number.lower())
    strange = command("payments", "requery", "PAY-1999-000001")

    assert asked.exit_code == 0
    with db.transaction() as session:
        attempt = making.attempt_of(session, payment)
        assert attempt.next_query_at is not None
        assert attempt.next_query_at <= session.info["now"]
    assert strange.exit_code == 1


def test_messages_are_counted_retried_and_dead_lettered(command: Command, company: UUID) -> None:
    key = uuid4()
    with db.transaction() as session:
        outbox.enqueue(session, topic="otp.send", key=key)
    with db.transaction() as session:
        enqueued = making.outbox_message(session, "otp.send", key)
        assert enqueued is not None

    def counts() -> dict[str, int]:
        rows = command("outbox", "status", "--json").json["topics"]
        (row,) = [each for each in rows if each["topic"] == "otp.send"]
        return {name: row[name] for name in ("due", "waiting", "dead_lettered")}

    assert counts() == {"due": 1, "waiting": 0, "dead_lettered": 0}
    assert command("outbox", "dead-letter", str(enqueued.id)).exit_code == 0
    assert counts() == {"due": 0, "waiting": 0, "dead_lettered": 1}
    assert command("outbox", "retry", str(enqueued.id)).exit_code == 0
    assert counts() == {"due": 1, "waiting": 0, "dead_lettered": 0}
    assert "otp.send" in command("outbox", "status").output
    missing = command("outbox", "retry", str(uuid4())).refusal
    assert missing is not None
    assert missing.code == "outbox.not_found"


def test_keys_are_rotated_until_none_is_old(
    command: Command, company: UUID, live: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = Fernet.generate_key().decode()
    keys = f"{newer},{live.environ['PETTYCASH_SECRET_KEYS']}"
    monkeypatch.setenv("PETTYCASH_SECRET_KEYS", keys)

    rotated = command("rotate", "--json")

    assert rotated.exit_code == 0
    assert rotated.json["under_older_keys"] == 0
    assert rotated.json["provider_accounts"] == 2
    assert rotated.json["totp_seeds"] > 10
    monkeypatch.setenv("PETTYCASH_SECRET_KEYS", newer)
    assert command("rotate", "--json").json == rotated.json
