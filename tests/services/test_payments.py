"""Making, changing, releasing and cancelling payments: what may be and what is refused."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash import db, errors
from pettycash.models.attempts import AttemptState, PaymentAttempt
from pettycash.models.funds import Fund, ProviderAccount, Store
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.platform import PauseScope
from pettycash.models.releases import PaymentExecution, ReleaseChallenge
from pettycash.models.requisitions import Origin, RequisitionStatus
from pettycash.money import Currency, InvalidAmount
from pettycash.rails import Method
from pettycash.services import company_settings, ledger, pauses, payments, releases
from pettycash.services.payments import Part, facts, rules
from tests import books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.people import acting, company_id, user_id
from tests.factories.requisitions import approved
from tests.races import together
from tests.servers import Database

S = PaymentStatus


def in_parts(session: Session, *parts: Part, amount: str = "1500.00", **more: Any) -> list[Payment]:
    requisition = approved(session, amount, **more)
    requisition.move_to(RequisitionStatus.IN_PAYMENT, at=session.info["now"])
    return payments.create_for_validation(
        session,
        requisition=requisition,
        parts=list(parts),
        maker_id=user_id(session, "treasury"),
        actor=acting(session, "treasury"),
        now=session.info["now"],
    )


def remainder_of(session: Session, payment: Payment, **more: Any) -> Payment:
    return payments.create(
        session,
        **{
            "requisition_id": payment.requisition_id,
            "amount": None,
            "actor": acting(session, "treasury"),
            "now": session.info["now"],
        }
        | more,
    )


def change(session: Session, payment: Payment, by: str = "treasury", **changes: Any) -> Payment:
    requisition, locked = payments.locked(session, payment_id=payment.id)
    return payments.change(
        session,
        requisition=requisition,
        payment=locked,
        changes=changes,
        actor=acting(session, by),
        now=session.info["now"],
    )


def execute(session: Session, payment: Payment, by: str = making.EXECUTOR, **more: Any) -> Payment:
    released, _ = payments.execute(
        session,
        **{
            "payment_id": payment.id,
            "actor": acting(session, by),
            "now": session.info["now"],
        }
        | more,
    )
    return released


# making


def test_a_payment_is_made_for_the_whole_and_finds_its_store(session: Session) -> None:
    payment = making.pending(session, "1500.00")

    assert payment.amount == Decimal("1500.00")
    assert session.get_one(Store, payment.store_id).code == "WESTLANDS-MPESA"
    assert payment.destination == "254712345678"
    assert payment.status is S.PENDING
    assert payment.otp_required
    assert payment.digest == facts.digest_of(payment)
    assert payment.maker_id == user_id(session, "treasury")


def test_cash_leaves_the_drawer(session: Session) -> None:
    payment = making.cash(session, "1500.00")

    assert session.get_one(Store, payment.store_id).code == "WESTLANDS-DRAWER"
    assert payment.provider_account_id is None


def test_parts_may_go_different_ways(session: Session) -> None:
    first, second = in_parts(
        session,
        Part(amount=Decimal("1000.00")),
        Part(amount=Decimal("500.00"), method=Method.CASH, destination="0712345678"),
    )

    assert (first.ordinal, second.ordinal) == (1, 2)
    assert (first.method, second.method) == (Method.MPESA, Method.CASH)
    assert second.destination == "+254712345678"


def test_parts_together_stay_within_the_approval(session: Session) -> None:
    with pytest.raises(rules.ExceedsApproved):
        in_parts(session, Part(amount=Decimal("1000.00")), Part(amount=Decimal("501.00")))


def test_the_database_keeps_the_sum_too(session: Session) -> None:
    payment = making.pending(session, "1500.00")

    with pytest.raises(DBAPIError) as refusal, session.begin_nested():
        session.execute(
            update(Payment).where(Payment.id == payment.id).values(amount=Decimal("1500.01"))
        )

    assert db.sqlstate(refusal.value) == "PC005"


@pytest.mark.parametrize("method", [Method.CARD, Method.WALLET])
def test_reserved_methods_are_refused(session: Session, method: Method) -> None:
    with pytest.raises(errors.RuleViolation) as refusal:
        in_parts(session, Part(amount=Decimal("1500.00"), method=method))
    assert refusal.value.code == "payment.method_reserved"


def test_method_and_store_have_to_fit(session: Session) -> None:
    drawer = session.execute(select(Store.id).where(Store.code == "WESTLANDS-DRAWER")).scalar_one()

    with pytest.raises(rules.MethodDoesNotFit):
        in_parts(session, Part(amount=Decimal("1500.00"), store_id=drawer))


def test_currencies_are_one(session: Session) -> None:
    shillings = session.execute(select(Store.id).where(Store.code == "HQ-UGX-DRAWER")).scalar_one()

    with pytest.raises(rules.WrongCurrency):
        in_parts(session, Part(amount=Decimal("1500.00"), store_id=shillings, method=Method.CASH))


def act_for(session: Session, company: object) -> None:
    session.execute(select(func.set_config("app.company", str(company), True)))


def test_a_store_of_another_company_does_not_exist(session: Session) -> None:
    own = session.info["scope"].company_id
    act_for(session, company_id("OTHER"))
    strange = session.execute(select(Store.id).where(Store.code == "KISUMU-MPESA")).scalar_one()
    act_for(session, own)

    with pytest.raises(rules.StoreUnknown):
        in_parts(session, Part(amount=Decimal("1500.00"), store_id=strange))


@pytest.mark.parametrize("amount", ["9.00", "250001.00", "1500.50"])
def test_the_rails_own_limits_are_checked_when_it_is_made(session: Session, amount: str) -> None:
    with pytest.raises(rules.RailRefuses) as refusal:
        in_parts(session, Part(amount=Decimal(amount)), amount="300000.00")
    assert "amount" in refusal.value.errors


def test_a_currency_without_cents_is_paid_in_whole_ones(session: Session) -> None:
    at_hq = {
        "by": "staff_hq",
        "origin": Origin.HQ,
        "currency": Currency.UGX,
        "method": Method.CASH,
        "destination": "+256712345678",
    }

    till = session.execute(select(Store.id).where(Store.code == "HQ-UGX-DRAWER")).scalar_one()

    with pytest.raises(InvalidAmount):
        in_parts(session, Part(amount=Decimal("1500.50"), store_id=till), amount="20000", **at_hq)
    (payment,) = in_parts(
        session, Part(amount=Decimal("1500.00"), store_id=till), amount="20000", **at_hq
    )

    assert (payment.amount, payment.currency) == (Decimal(1500), "UGX")


def test_the_accounts_own_limits_count(session: Session) -> None:
    session.execute(
        update(ProviderAccount).values(amount_min=Decimal(100), amount_max=Decimal(1000))
    )

    with pytest.raises(rules.RailRefuses):
        in_parts(session, Part(amount=Decimal("1500.00")))


def test_cash_has_a_limit_per_voucher(session: Session) -> None:
    with pytest.raises(rules.AboveCashLimit):
        making.cash(session, "5001.00")


def test_a_switched_off_account_takes_no_payment(session: Session) -> None:
    session.execute(update(ProviderAccount).values(is_active=False))

    with pytest.raises(rules.AccountInactive):
        in_parts(session, Part(amount=Decimal("1500.00")))


def test_no_store_for_the_place_is_said(session: Session) -> None:
    session.execute(update(Store).where(Store.code == "WESTLANDS-MPESA").values(is_active=False))

    with pytest.raises(rules.StoreUnknown):
        in_parts(session, Part(amount=Decimal("1500.00")))


def test_the_company_decides_from_which_amount_a_code_is_needed(session: Session) -> None:
    company_settings.update(
        session,
        values={"otp_floor": "1000.00"},
        expected_version=company_settings.current(session).version,
        changed_by=None,
    )
    small, large = in_parts(
        session, Part(amount=Decimal("999.00")), Part(amount=Decimal("1000.00")), amount="2000.00"
    )

    assert (small.otp_required, large.otp_required) == (False, True)
    execute(session, small)
    execution = session.execute(select(PaymentExecution)).scalar_one()
    assert (execution.proof, execution.grant_id) == ("policy", None)


def test_a_policy_that_was_tightened_counts(session: Session) -> None:
    def floor(amount: str) -> None:
        company_settings.update(
            session,
            values={"otp_floor": amount},
            expected_version=company_settings.current(session).version,
            changed_by=None,
        )

    floor("5000.00")
    (payment,) = in_parts(session, Part(amount=Decimal("1500.00")))
    floor("0")

    with pytest.raises(releases.CodeRequired):
        execute(session, payment)


# the remainder


def test_post_makes_what_is_left(session: Session) -> None:
    (first,) = in_parts(session, Part(amount=Decimal("1000.00")))

    rest = remainder_of(session, first)

    assert (rest.amount, rest.ordinal) == (Decimal("500.00"), 2)
    with pytest.raises(errors.RuleViolation) as refusal:
        remainder_of(session, first)
    assert refusal.value.code == "payment.nothing_left"


def test_more_than_is_left_is_refused(session: Session) -> None:
    (first,) = in_parts(session, Part(amount=Decimal("1000.00")))

    with pytest.raises(rules.ExceedsApproved):
        remainder_of(session, first, amount=Decimal("501.00"))


def test_a_requisition_that_is_not_validated_is_not_paid(session: Session) -> None:
    requisition = approved(session)

    with pytest.raises(rules.RequisitionNotPayable):
        payments.create(
            session,
            requisition_id=requisition.id,
            amount=None,
            actor=acting(session, "treasury"),
            now=session.info["now"],
        )


def test_the_currency_may_be_said_and_must_then_be_right(session: Session) -> None:
    (first,) = in_parts(session, Part(amount=Decimal("1000.00")))

    with pytest.raises(rules.WrongCurrency):
        remainder_of(session, first, currency="UGX")


def test_a_clients_own_reference_is_unique(session: Session) -> None:
    (first,) = in_parts(session, Part(amount=Decimal("1000.00")))
    remainder_of(session, first, amount=Decimal(100), external_reference="A-1")

    with pytest.raises(errors.Conflict) as refusal:
        remainder_of(session, first, amount=Decimal(100), external_reference="A-1")

    assert refusal.value.code == "payment.external_reference_taken"


def test_the_requester_makes_no_payment(session: Session) -> None:
    (first,) = in_parts(session, Part(amount=Decimal("1000.00")))

    with pytest.raises(releases.NotSeparate):
        remainder_of(session, first, actor=acting(session, "staff"))


# changing


def test_who_changes_is_the_maker_and_can_not_release(session: Session) -> None:
    payment = making.pending(session)

    change(session, payment, by="treasury_2", amount=Decimal("1400.00"))

    assert payment.maker_id == user_id(session, "treasury_2")
    assert payment.digest == facts.digest_of(payment)
    with pytest.raises(releases.NotSeparate):
        making.code_for(session, payment, by="treasury_2")


def test_changing_only_metadata_changes_no_maker(session: Session) -> None:
    payment = making.pending(session)

    change(session, payment, by="treasury_2", metadata={"a": "b"})

    assert payment.maker_id == user_id(session, "treasury")
    assert payment.client_metadata == {"a": "b"}


def test_a_change_is_checked_like_a_new_payment(session: Session) -> None:
    payment = making.pending(session)

    with pytest.raises(rules.ExceedsApproved):
        change(session, payment, amount=Decimal("1501.00"))
    with pytest.raises(errors.RuleViolation):
        change(session, payment, destination="12")
    with pytest.raises(releases.NotSeparate):
        change(session, payment, by="branch_manager", amount=Decimal(1400))


def test_a_released_payment_does_not_change(session: Session) -> None:
    payment = making.executing(session)

    with pytest.raises(errors.Conflict):
        change(session, payment, amount=Decimal("1400.00"))
    with pytest.raises(DBAPIError) as refusal, session.begin_nested():
        session.execute(
            update(Payment).where(Payment.id == payment.id).values(destination="254700000000")
        )
    assert db.sqlstate(refusal.value) == "PC009"


def test_a_verified_code_does_not_outlive_a_change(session: Session) -> None:
    payment = making.pending(session)
    making.verified(session, payment)

    change(session, payment, destination="0712000000")

    with pytest.raises(errors.RuleViolation) as refusal:
        execute(session, payment)
    assert refusal.value.code == "release.subject_changed"


# cancelling


def test_a_pending_payment_is_cancelled_and_its_amount_free(session: Session) -> None:
    payment = making.pending(session)

    payments.cancel(
        session, payment_id=payment.id, actor=acting(session, "treasury"), now=session.info["now"]
    )

    assert payment.status is S.CANCELLED
    assert remainder_of(session, payment).amount == Decimal("1500.00")


def test_what_is_on_the_wire_is_not_cancelled(session: Session) -> None:
    payment = making.executing(session)

    with pytest.raises(errors.Conflict) as refusal:
        payments.cancel(
            session,
            payment_id=payment.id,
            actor=acting(session, "treasury"),
            now=session.info["now"],
        )
    assert refusal.value.code == "payment.illegal_state"


def test_a_custodian_does_not_cancel_what_a_rail_pays(session: Session) -> None:
    payment = making.pending(session)

    with pytest.raises(releases.NotSeparate):
        payments.cancel(
            session,
            payment_id=payment.id,
            actor=acting(session, "custodian"),
            now=session.info["now"],
        )


# releasing


def test_a_release_holds_money_and_owes_the_sending(session: Session) -> None:
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
        assert making.obligation(session, topic, attempt.id) is not None


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

    with pytest.raises(ledger.InsufficientFunds):
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
        session,
        scope=PauseScope(what),
        object_id=objects[what],
        reason="test",
        actor=acting(session, "operator"),
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


# races


def test_twenty_releases_at_once_release_once(live: Database) -> None:
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


def test_a_fund_is_named_in_the_same_way_each_time(session: Session) -> None:
    fund = session.execute(select(Fund).where(Fund.code == "WESTLANDS")).scalar_one()
    found = {
        session.get_one(Store, making.pending(session, "100.00").store_id).fund_id for _ in range(3)
    }

    assert found == {fund.id}
