"""A code belongs to what it was asked for, to who asked, and to one release, raced for or not."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash.models.releases import ChallengeSend, EndCause, ReleaseGrant
from pettycash.runtime import db, errors
from pettycash.services import payments, releases
from pettycash.services.foundation.uow import Uow
from pettycash.services.releases.checking import SubjectChanged
from pettycash.services.releases.subjects import bound_digest
from tests.factories import payments as making
from tests.factories.codes import newest, request, verify
from tests.factories.people import acting, company_id, user_id
from tests.races import together
from tests.servers import Database


def test_changing_the_payment_kills_the_code(session: Session) -> None:
    payment = making.pending(session)
    code = making.code_for(session, payment)
    requisition, _ = payments.locked(session, payment_id=payment.id)

    payments.change(
        Uow.of(session, acting(session, "treasury")),
        requisition=requisition,
        payment=payment,
        changes={"amount": Decimal("1400.00")},
    )
    result = verify(session, payment, code)

    assert result.refusal is not None
    assert result.refusal.code == "release.subject_changed"
    assert newest(session, payment).end_cause is EndCause.CHANGED


def test_what_was_granted_releases_nothing_that_was_changed_since(session: Session) -> None:
    payment = making.pending(session)
    making.verified(session, payment)
    requisition, _ = payments.locked(session, payment_id=payment.id)
    payments.change(
        Uow.of(session, acting(session, "treasury")),
        requisition=requisition,
        payment=payment,
        changes={"amount": Decimal("1400.00")},
    )

    with pytest.raises(SubjectChanged):
        payments.execute(Uow.of(session, acting(session, making.EXECUTOR)), payment_id=payment.id)


def test_everything_that_is_shown_or_decides_is_bound() -> None:
    subject = releases.ReleaseSubject(
        kind="payment",
        id=uuid4(),
        digest=b"facts",
        amount=Decimal("1500.00"),
        currency="KES",
        payee_text="Spring Water 254712345678",
    )
    executor = uuid4()
    same = bound_digest(subject, executor)
    others = {
        bound_digest(replace(subject, **{name: value}), executor)
        for name, value in (
            ("kind", "replenishment"),
            ("id", uuid4()),
            ("digest", b"other facts"),
            ("amount", Decimal("1500.01")),
            ("currency", "TZS"),
            ("payee_text", "Spring Water 254712345679"),
        )
    } | {bound_digest(subject, uuid4())}

    assert bound_digest(subject, executor) == same
    assert len(others) == 7
    assert same not in others


def test_assigning_ends_the_claim_and_binds_the_release(session: Session) -> None:
    payment = making.pending(session)
    code = making.code_for(session, payment)

    payments.assign_executor(
        Uow.of(session, acting(session, "cfo")),
        payment_id=payment.id,
        executor_id=user_id(session, "treasury_3"),
    )

    assert newest(session, payment).end_cause is EndCause.REASSIGNED
    with pytest.raises(releases.NotTheExecutor):
        verify(session, payment, code)
    with pytest.raises(errors.Conflict):
        request(session, payment)
    assert request(session, payment, by="treasury_3")


@pytest.mark.parametrize("who", ["staff", "treasury", "cfo", "custodian"])
def test_nobody_is_assigned_who_may_not_release(session: Session, who: str) -> None:
    payment = making.pending(session)

    with pytest.raises(errors.RuleViolation) as refusal:
        payments.assign_executor(
            Uow.of(session, acting(session, "cfo")),
            payment_id=payment.id,
            executor_id=user_id(session, who),
        )

    assert refusal.value.code == "release.cannot_release"


def test_a_late_worker_sends_nothing(session: Session) -> None:
    payment = making.pending(session)
    challenge = request(session, payment)
    send_id = session.execute(
        select(ChallengeSend.id).where(ChallengeSend.challenge_id == challenge.id)
    ).scalar_one()

    late = session.info["now"] + timedelta(minutes=6)

    assert releases.make_code(session, send_id=send_id, now=late) is None


def test_otp_right_code_by_a_hundred_threads_makes_one_grant(live: Database) -> None:
    with db.scope(company_id=company_id("DEMO")):
        with db.transaction() as session:
            payment = making.pending(session)
            code = making.code_for(session, payment)

        def attempt() -> str:
            with db.transaction() as session:
                result = verify(session, payment, code)
            return result.refusal.code if result.refusal else "granted"

        results = together([partial(attempt) for _ in range(100)])

        with db.transaction() as session:
            grants = session.execute(select(func.count()).select_from(ReleaseGrant)).scalar_one()
            tries = newest(session, payment).tries
    assert results.count("granted") == 1, results
    assert grants == 1
    assert tries == 1


def test_parallel_guesses_compare_five_at_most(live: Database) -> None:
    with db.scope(company_id=company_id("DEMO")):
        with db.transaction() as session:
            payment = making.pending(session)
            code = making.code_for(session, payment)

        def guess(number: int) -> str:
            def work(session: Session) -> str:
                wrong = f"{(int(code) + 1 + number) % 1_000_000:06d}"
                refusal = verify(session, payment, wrong).refusal
                return refusal.code if refusal else "granted"

            return db.in_transaction(work)

        results = together([partial(guess, number) for number in range(30)])

        with db.transaction() as session:
            challenge = newest(session, payment)
    compared = [each for each in results if each == "release.wrong_code"]
    assert len(compared) == 5, results
    assert challenge.end_cause is EndCause.TRIES
