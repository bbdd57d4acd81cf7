"""Codes leave once: slow mail, deliveries that come twice, workers that end between two steps."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from pettycash.models.operations import OutboxMessage
from pettycash.models.payments import Payment
from pettycash.models.releases import CashAcknowledgement, ChallengeSend, ReleaseChallenge
from pettycash.runtime import db, settings
from pettycash.services import payments, releases
from pettycash.services.foundation.uow import Uow
from pettycash.tasks import delivery
from pettycash.tasks import releases as otp
from tests.factories import mailboxes, working
from tests.factories import payments as making
from tests.factories.people import acting, company_id
from tests.servers import Database

EXECUTOR, PAYEE = "treasury_2@demo.example", "payee@demo.example"
OTP, ACKNOWLEDGEMENT = "otp.send", "notifications.acknowledgement_code"


@pytest.fixture(autouse=True)
def hurried(live: Database) -> Iterator[None]:
    """The demo company, and a relay that hands out again long before the mail server answers."""
    settings.install(
        replace(settings.current(), relay_backoff_seconds=0.2, claim_lease_seconds=4.0)
    )
    with db.scope(company_id=company_id("DEMO"), source="test"):
        yield


def asked_for_a_code() -> Payment:
    with db.transaction() as session:
        payment = making.pending(session)
        payments.send_code(Uow.of(session, acting(session, "treasury_2")), payment_id=payment.id)
        return payment


def offered_cash() -> Payment:
    with db.transaction() as session:
        payment = making.cash(session, destination=PAYEE)
        making.released(session, payment, by="custodian")
        return payment


def refusal_of(payment: Payment, code: str) -> object:
    """What is said to a code; None where it is the right one."""
    with db.transaction() as session:
        actor, now = acting(session, "treasury_2"), session.info["now"]
        return payments.verify_code(
            Uow(session, actor, now), payment_id=payment.id, code=code
        ).refusal


def acknowledged(payment: Payment, code: str) -> object:
    with db.transaction() as session:
        actor, now = acting(session, "custodian"), session.info["now"]
        return payments.acknowledge(Uow(session, actor, now), payment_id=payment.id, code=code)


def relayed(topic: str) -> int:
    """Hand out what is due, each at once to a worker of its own, until all have ended."""
    running: list[Future[None]] = []
    with ThreadPoolExecutor() as pool:
        while not running or not all(each.done() for each in running):
            running += [
                pool.submit(working.TASKS[topic], messages=[str(each.id)])
                for each in working.claimed()
                if each.topic == topic
            ]
            time.sleep(0.05)
    for each in running:
        each.result()
    return len(running)


def test_slow_mail_brings_one_code_and_it_releases(tmp_path: Path) -> None:
    payment = asked_for_a_code()

    with mailboxes.slow(tmp_path, seconds=1.0) as mailbox:
        relayed(OTP)

    assert len(mailbox.messages(to=EXECUTOR)) == 1
    assert refusal_of(payment, mailboxes.newest_code(mailbox, EXECUTOR)) is None


def test_slow_mail_brings_one_code_and_it_acknowledges(tmp_path: Path) -> None:
    payment = offered_cash()

    with mailboxes.slow(tmp_path, seconds=1.0) as mailbox:
        relayed(ACKNOWLEDGEMENT)

    assert len(mailbox.messages(to=PAYEE)) == 1
    assert acknowledged(payment, mailboxes.newest_code(mailbox, PAYEE)) is None


def send_of(payment: Payment) -> UUID:
    with db.transaction() as session:
        return session.execute(
            select(ChallengeSend.id)
            .join(ReleaseChallenge, ReleaseChallenge.id == ChallengeSend.challenge_id)
            .where(ReleaseChallenge.payment_id == payment.id)
        ).scalar_one()


def made(send_id: UUID) -> releases.CodeMessage | None:
    """The first half of the task, after which its worker ends."""
    with db.transaction() as session:
        return releases.make_code(session, send_id=send_id, now=session.info["now"])


def enqueued(topic: str, key: UUID) -> OutboxMessage:
    with db.transaction() as session:
        found = making.outbox_message(session, topic, key)
        assert found is not None
        return found


def test_after_a_crash_a_new_code_waits_for_the_claims_end(tmp_path: Path) -> None:
    payment = asked_for_a_code()
    send_id = send_of(payment)
    lost = made(send_id)
    assert lost is not None

    with mailboxes.listening(tmp_path) as mailbox:
        working.run_one(OTP, send_id)
        assert mailbox.messages() == [], "the worker may still be sending"
        working.wait(4.1)
        assert working.work(OTP) == [OTP]
        code = mailboxes.newest_code(mailbox, EXECUTOR)

    assert code not in lost.text
    assert refusal_of(payment, code) is None


def test_a_worker_that_lost_its_claim_closes_nothing() -> None:
    send_id = send_of(asked_for_a_code())
    first = made(send_id)
    working.wait(4.1)
    second = made(send_id)
    assert first is not None
    assert second is not None

    with db.transaction() as session:
        now = session.info["now"]
        releases.code_delivered(session, send_id=send_id, message=first, now=now)
        releases.code_not_delivered(session, send_id=send_id, message=first)
    assert enqueued(OTP, send_id).completed_at is None
    assert made(send_id) is None, "the second worker's claim stands"

    with db.transaction() as session:
        releases.code_delivered(session, send_id=send_id, message=second, now=now)
    assert enqueued(OTP, send_id).completed_at is not None


def test_mail_that_left_by_no_way_ends_the_claim_at_once(tmp_path: Path) -> None:
    payment = asked_for_a_code()
    send_id = send_of(payment)
    (due,) = (each for each in working.claimed() if each.topic == OTP)
    before = enqueued(OTP, send_id)

    with pytest.raises(delivery.NobodyReached):
        otp.send(messages=[str(due.id)])

    after = enqueued(OTP, send_id)
    assert (after.due_at, after.attempts, after.failures) == (before.due_at, before.attempts, 1)
    with mailboxes.listening(tmp_path) as mailbox:
        working.run_one(OTP, send_id)
        assert refusal_of(payment, mailboxes.newest_code(mailbox, EXECUTOR)) is None


def test_a_code_asked_for_while_one_is_on_its_way_is_sent_too(tmp_path: Path) -> None:
    payment = offered_cash()
    with db.transaction() as session:
        key = session.execute(select(CashAcknowledgement.id)).scalar_one()
        first = payments.make_acknowledgement_code(
            session, acknowledgement_id=key, now=session.info["now"]
        )
    assert first is not None
    with db.transaction() as session:
        actor, now = acting(session, "custodian"), session.info["now"]
        payments.resend_acknowledgement(Uow(session, actor, now), payment_id=payment.id)

    with db.transaction() as session:
        payments.acknowledgement_delivered(session, acknowledgement_id=key, message=first)
    with mailboxes.listening(tmp_path) as mailbox:
        assert working.work(ACKNOWLEDGEMENT) == [ACKNOWLEDGEMENT]
        assert acknowledged(payment, mailboxes.newest_code(mailbox, PAYEE)) is None
