"""Releasing payments: everything is checked again, money is held once, one of many wins."""

from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.models.imprest import ProviderAccount, Store
from pettycash.models.operations import PauseScope
from pettycash.models.payments import AttemptState, Payment, PaymentAttempt, PaymentStatus
from pettycash.models.releases import PaymentExecution, ReleaseChallenge
from pettycash.runtime import db, errors
from pettycash.runtime.rails import Method
from pettycash.services import payments, releases
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import posting
from pettycash.services.operations import pauses
from pettycash.services.payments import facts, rules
from tests import books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.people import acting, company_id, user_id
from tests.factories.shaping import execute
from tests.races import together
from tests.servers import Database

S = PaymentStatus


def test_a_release_holds_money_and_enqueues_the_sending(session: Session) -> None:
    payment = making.pending(session)
    account = session.get_one(Store, payment.store_id).account_id
    balance, held, _ = books.balance(session, account)

    execution = making.released(session, payment)

    attempt = making.attempt_of(session, payment)
    assert payment.status is S.EXECUTING
    assert books.balance(session, account)[:2] == (balance, held + Decimal("1500.00"))
    assert execution.executor_id == user_id(session, making.EXECUTOR)
    assert execution.proof == "code"
    assert attempt.state is AttemptState.QUEUED
    assert attempt.originator_reference == payment.originator_reference
    assert (
        attempt.base_url == session.get_one(ProviderAccount, attempt.provider_account_id).base_url
    )
    for topic in ("payments.submit", "payments.resolve"):
        assert making.outbox_message(session, topic, attempt.id) is not None


def test_the_reference_is_derived_and_not_drawn(session: Session) -> None:
    payment = making.executing(session)

    derived = facts.derived_reference(
        requisition_id=payment.requisition_id, ordinal=payment.ordinal, number=1
    )
    other = facts.derived_reference(
        requisition_id=payment.requisition_id, ordinal=payment.ordinal, number=2
    )

    gateway = rails.registry.for_rail(Method.MPESA)
    assert payment.originator_reference == gateway.shape_reference(derived)
    assert gateway.shape_reference(derived) != gateway.shape_reference(other)


def test_without_a_code_nothing_is_released(session: Session) -> None:
    payment = making.pending(session)

    with pytest.raises(releases.CodeRequired):
        execute(session, payment)
    assert making.open_holds(session, payment) == 0


def test_a_grant_expires(session: Session) -> None:
    payment = making.pending(session)
    making.verified(session, payment)

    with pytest.raises(errors.RuleViolation) as refusal:
        execute(session, payment, now=session.info["now"] + timedelta(minutes=5))
    assert refusal.value.code == "release.grant_expired"


@pytest.mark.parametrize("who", ["treasury_3", "cfo"])
def test_another_persons_grant_releases_nothing(session: Session, who: str) -> None:
    payment = making.pending(session)
    making.verified(session, payment)

    with pytest.raises(errors.NotAllowed):
        execute(session, payment, by=who)


@pytest.mark.parametrize("who", ["staff", "branch_manager", "treasury"])
def test_duties_are_kept_apart_at_the_release(session: Session, who: str) -> None:
    payment = making.pending(session)
    making.verified(session, payment)

    with pytest.raises(releases.NotSeparate):
        execute(session, payment, by=who)


def insert(session: Session, row: PaymentExecution) -> None:
    with session.begin_nested():
        session.add(row)


def test_the_database_keeps_duties_apart_too(session: Session) -> None:
    payment = making.executing(session)
    execution = session.execute(select(PaymentExecution)).scalar_one()
    payment.move_to(S.FAILED, at=session.info["now"])
    session.flush()
    for who in ("staff", "branch_manager", "treasury"):
        session.expunge_all()
        row = PaymentExecution(
            company_id=execution.company_id,
            payment_id=execution.payment_id,
            requisition_id=execution.requisition_id,
            attempt_number=2,
            originator_reference="X",
            executor_id=user_id(session, who),
            amount=execution.amount,
            currency=execution.currency,
            proof="policy",
        )
        with pytest.raises(DBAPIError) as refusal:
            insert(session, row)
        assert db.sqlstate(refusal.value) == "PC004"


def test_more_than_is_available_is_not_released(session: Session) -> None:
    payment = making.pending(session, "41000.00")
    making.verified(session, payment)

    with pytest.raises(posting.InsufficientFunds), session.begin_nested():
        execute(session, payment)

    assert payment.status is S.PENDING
    making_grant = session.execute(select(ReleaseChallenge)).scalar_one()
    assert making_grant.state == "verified"


@pytest.mark.parametrize("what", ["company", "store", "provider_account"])
def test_nothing_is_released_while_paused(session: Session, what: str) -> None:
    payment = making.pending(session)
    making.verified(session, payment)
    objects = {
        "company": None,
        "store": payment.store_id,
        "provider_account": payment.provider_account_id,
    }
    pauses.pause(
        Uow.of(session, acting(session, "operator")),
        scope=PauseScope(what),
        object_id=objects[what],
        reason="test",
    )

    with pytest.raises(pauses.Paused):
        execute(session, payment)
    with pytest.raises(pauses.Paused):
        making.code_for(session, payment)
    assert payment.status is S.PENDING


def test_the_kill_switch_stops_a_release(session: Session) -> None:
    payment = making.pending(session)
    making.verified(session, payment)
    session.execute(update(ProviderAccount).values(is_active=False))
    session.expire_all()

    with pytest.raises(rules.AccountInactive):
        execute(session, payment)


def test_a_release_twice_is_refused(session: Session) -> None:
    payment = making.executing(session)

    with pytest.raises(errors.Conflict) as refusal:
        execute(session, payment)
    assert refusal.value.code == "payment.illegal_state"


def test_a_failed_payment_is_released_again_under_a_new_reference(session: Session) -> None:
    payment = making.executing(session)
    first = payment.originator_reference
    making.answered(session, payment, rails.REJECTED)
    assert payment.status is S.FAILED
    assert payment.executor_id is None

    making.released(session, payment, by="treasury_3")

    assert payment.status is S.EXECUTING
    assert payment.retry_count == 1
    assert payment.originator_reference != first
    assert making.attempt_of(session, payment).number == 2


def test_a_payment_fails_a_bounded_number_of_times(session: Session) -> None:
    payment = making.executing(session)
    payment.max_retries = 0
    making.answered(session, payment, rails.REJECTED)

    with pytest.raises(rules.RetriesExhausted):
        making.code_for(session, payment)


def test_cash_is_paid_by_the_custodian_of_its_fund_alone(session: Session) -> None:
    payment = making.cash(session)

    for who in ("treasury_2", "cfo"):
        with pytest.raises(releases.NotSeparate):
            making.code_for(session, payment, by=who)
    making.released(session, payment, by="custodian")

    assert payment.status is S.EXECUTING


def test_a_custodian_does_not_pay_themselves(session: Session) -> None:
    payment = making.cash(session, payee_user_id=user_id(session, "custodian"))

    with pytest.raises(releases.NotSeparate):
        making.code_for(session, payment, by="custodian")
    assert making.code_for(session, payment, by="custodian_2")


def test_the_recipient_does_not_hand_out_what_another_custodian_released(session: Session) -> None:
    payment = making.cash(session, payee_user_id=user_id(session, "custodian"))
    making.released(session, payment, by="custodian_2")

    with pytest.raises(releases.NotSeparate):
        payments.acknowledge(
            Uow.of(session, acting(session, "custodian")), payment_id=payment.id, code="000000"
        )


def test_two_executors_and_twenty_release_once(live: Database) -> None:
    with db.scope(company_id=company_id("DEMO")):
        with db.transaction() as session:
            payment = making.pending(session)
            making.verified(session, payment)
            before = books.balance(session, session.get_one(Store, payment.store_id).account_id)

        def release() -> str:
            def work(session: Session) -> str:
                try:
                    execute(session, payment)
                except errors.PettycashError as refusal:
                    return refusal.code
                return "released"

            return db.in_transaction(work)

        results = together([partial(release) for _ in range(20)])

        with db.transaction() as session:
            store = session.get_one(Store, payment.store_id)
            after = books.balance(session, store.account_id)
            attempts = session.execute(select(func.count(PaymentAttempt.id))).scalar_one()
    assert sorted(results) == ["payment.illegal_state"] * 19 + ["released"], results
    assert attempts == 1
    assert after[1] - before[1] == Decimal("1500.00")


def test_the_last_shilling_is_held_once(live: Database) -> None:
    with db.scope(company_id=company_id("DEMO")):
        with db.transaction() as session:
            made = [making.pending(session, "9000.00") for _ in range(6)]
            for payment in made:
                making.verified(session, payment)

        def release(payment: Payment) -> str:
            def work(session: Session) -> str:
                try:
                    execute(session, payment)
                except errors.PettycashError as refusal:
                    return refusal.code
                return "released"

            return db.in_transaction(work)

        results = together([partial(release, payment) for payment in made])

        with db.transaction() as session:
            store = session.get_one(Store, made[0].store_id)
            balance, held, _ = books.balance(session, store.account_id)
    assert results.count("released") == 4, results
    assert results.count("ledger.insufficient_funds") == 2
    assert (balance, held) == (Decimal(40000), Decimal(36000))
