"""Making, changing and cancelling payments: what may be and what is refused."""

from decimal import Decimal

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.models.imprest import Fund, ProviderAccount, Store
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.releases import PaymentExecution
from pettycash.runtime import db, errors
from pettycash.runtime.money import Currency, InvalidAmount
from pettycash.runtime.rails import Method
from pettycash.services import payments, releases
from pettycash.services.foundation import rail_limits
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import PaymentPart, facts, rules
from tests.factories import companies
from tests.factories import payments as making
from tests.factories.people import acting, company_id, user_id
from tests.factories.requisitions import approved
from tests.factories.shaping import change, execute, in_parts, remainder_of

S = PaymentStatus


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


def test_parts_together_stay_within_the_approval(session: Session) -> None:
    with pytest.raises(rules.ExceedsApproved):
        in_parts(
            session, PaymentPart(amount=Decimal("1000.00")), PaymentPart(amount=Decimal("501.00"))
        )


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
        in_parts(session, PaymentPart(amount=Decimal("1500.00"), method=method))
    assert refusal.value.code == "payment.method_reserved"


def test_method_and_store_have_to_fit(session: Session) -> None:
    drawer = session.execute(select(Store.id).where(Store.code == "WESTLANDS-DRAWER")).scalar_one()

    with pytest.raises(rules.MethodDoesNotFit):
        in_parts(session, PaymentPart(amount=Decimal("1500.00"), store_id=drawer))


def test_currencies_are_one(session: Session) -> None:
    shillings = session.execute(select(Store.id).where(Store.code == "HQ-UGX-DRAWER")).scalar_one()

    with pytest.raises(rules.WrongCurrency):
        in_parts(
            session, PaymentPart(amount=Decimal("1500.00"), store_id=shillings, method=Method.CASH)
        )


def act_for(session: Session, company: object) -> None:
    session.execute(select(func.set_config("app.company", str(company), True)))


def test_a_store_of_another_company_does_not_exist(session: Session) -> None:
    own = session.info["scope"].company_id
    act_for(session, company_id("OTHER"))
    strange = session.execute(select(Store.id).where(Store.code == "KISUMU-MPESA")).scalar_one()
    act_for(session, own)

    with pytest.raises(rules.StoreUnknown):
        in_parts(session, PaymentPart(amount=Decimal("1500.00"), store_id=strange))


@pytest.mark.parametrize("amount", ["9.00", "250001.00", "1500.50"])
def test_the_rails_own_limits_are_checked_when_it_is_made(session: Session, amount: str) -> None:
    with pytest.raises(rail_limits.RailRefuses) as refusal:
        in_parts(session, PaymentPart(amount=Decimal(amount)), amount="300000.00")
    assert "amount" in refusal.value.errors


def test_a_currency_without_cents_is_paid_in_whole_ones(session: Session) -> None:
    at_hq = {
        "by": "staff_hq",
        "currency": Currency.UGX,
        "method": Method.CASH,
        "destination": "+256712345678",
    }

    till = session.execute(select(Store.id).where(Store.code == "HQ-UGX-DRAWER")).scalar_one()

    with pytest.raises(InvalidAmount):
        in_parts(
            session, PaymentPart(amount=Decimal("1500.50"), store_id=till), amount="20000", **at_hq
        )
    (payment,) = in_parts(
        session, PaymentPart(amount=Decimal("1500.00"), store_id=till), amount="20000", **at_hq
    )

    assert (payment.amount, payment.currency) == (Decimal(1500), "UGX")


def test_the_accounts_own_limits_count(session: Session) -> None:
    session.execute(
        update(ProviderAccount).values(amount_min=Decimal(100), amount_max=Decimal(1000))
    )

    with pytest.raises(rail_limits.RailRefuses):
        in_parts(session, PaymentPart(amount=Decimal("1500.00")))


def test_cash_has_a_limit_per_voucher(session: Session) -> None:
    with pytest.raises(rail_limits.AboveCashLimit):
        making.cash(session, "5001.00")


def test_a_switched_off_account_takes_no_payment(session: Session) -> None:
    session.execute(update(ProviderAccount).values(is_active=False))

    with pytest.raises(rules.AccountInactive):
        in_parts(session, PaymentPart(amount=Decimal("1500.00")))


def test_no_store_for_the_place_is_said(session: Session) -> None:
    session.execute(update(Store).where(Store.code == "WESTLANDS-MPESA").values(is_active=False))

    with pytest.raises(rules.StoreUnknown):
        in_parts(session, PaymentPart(amount=Decimal("1500.00")))


def test_the_company_decides_from_which_amount_a_code_is_needed(session: Session) -> None:
    companies.agree(session, otp_floor={"KES": "1000.00"})
    small, large = in_parts(
        session,
        PaymentPart(amount=Decimal("999.00")),
        PaymentPart(amount=Decimal("1000.00")),
        amount="2000.00",
    )

    assert (small.otp_required, large.otp_required) == (False, True)
    execute(session, small)
    execution = session.execute(select(PaymentExecution)).scalar_one()
    assert (execution.proof, execution.grant_id) == ("policy", None)


def test_a_policy_that_was_tightened_counts(session: Session) -> None:
    def floor(amount: str) -> None:
        companies.agree(session, otp_floor={"KES": amount})

    floor("5000.00")
    (payment,) = in_parts(session, PaymentPart(amount=Decimal("1500.00")))
    floor("0")

    with pytest.raises(releases.CodeRequired):
        execute(session, payment)


def test_a_fund_is_named_in_the_same_way_each_time(session: Session) -> None:
    fund = session.execute(select(Fund).where(Fund.code == "WESTLANDS")).scalar_one()
    found = {
        session.get_one(Store, making.pending(session, "100.00").store_id).fund_id for _ in range(3)
    }

    assert found == {fund.id}


def test_post_makes_what_is_left(session: Session) -> None:
    (first,) = in_parts(session, PaymentPart(amount=Decimal("1000.00")))

    rest = remainder_of(session, first)

    assert (rest.amount, rest.ordinal) == (Decimal("500.00"), 2)
    with pytest.raises(errors.RuleViolation) as refusal:
        remainder_of(session, first)
    assert refusal.value.code == "payment.nothing_left"


def test_more_than_is_left_is_refused(session: Session) -> None:
    (first,) = in_parts(session, PaymentPart(amount=Decimal("1000.00")))

    with pytest.raises(rules.ExceedsApproved):
        remainder_of(session, first, amount=Decimal("501.00"))


def test_a_requisition_that_is_not_validated_is_not_paid(session: Session) -> None:
    requisition = approved(session)

    with pytest.raises(rules.RequisitionNotPayable):
        payments.create(
            Uow.of(session, acting(session, "treasury")), requisition_id=requisition.id, amount=None
        )


def test_the_currency_may_be_said_and_must_then_be_right(session: Session) -> None:
    (first,) = in_parts(session, PaymentPart(amount=Decimal("1000.00")))

    with pytest.raises(rules.WrongCurrency):
        remainder_of(session, first, currency="UGX")


def test_a_clients_own_reference_is_unique(session: Session) -> None:
    (first,) = in_parts(session, PaymentPart(amount=Decimal("1000.00")))
    remainder_of(session, first, amount=Decimal(100), external_reference="A-1")

    with pytest.raises(errors.Conflict) as refusal:
        remainder_of(session, first, amount=Decimal(100), external_reference="A-1")

    assert refusal.value.code == "payment.external_reference_taken"


def test_the_requester_makes_no_payment(session: Session) -> None:
    (first,) = in_parts(session, PaymentPart(amount=Decimal("1000.00")))

    with pytest.raises(releases.NotSeparate):
        remainder_of(session, first, actor=acting(session, "staff"))


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

    change(session, payment, amount=Decimal("1400.00"))

    with pytest.raises(errors.RuleViolation) as refusal:
        execute(session, payment)
    assert refusal.value.code == "release.subject_changed"


def test_a_pending_payment_is_cancelled_and_its_amount_free(session: Session) -> None:
    payment = making.pending(session)

    payments.cancel(Uow.of(session, acting(session, "treasury")), payment_id=payment.id)

    assert payment.status is S.CANCELLED
    assert remainder_of(session, payment).amount == Decimal("1500.00")


def test_what_is_on_the_wire_is_not_cancelled(session: Session) -> None:
    payment = making.executing(session)

    with pytest.raises(errors.Conflict) as refusal:
        payments.cancel(Uow.of(session, acting(session, "treasury")), payment_id=payment.id)
    assert refusal.value.code == "payment.illegal_state"


def test_a_custodian_does_not_cancel_what_a_rail_pays(session: Session) -> None:
    payment = making.pending(session)

    with pytest.raises(releases.NotSeparate):
        payments.cancel(Uow.of(session, acting(session, "custodian")), payment_id=payment.id)


def test_who_made_it_stays_its_maker_though_another_changed_it(session: Session) -> None:
    """A colleague names another amount; whoever made the payment would have released it then."""
    payment = making.pending(session)

    change(session, payment, by="treasury_2", amount=Decimal("1400.00"))

    for officer in ("treasury", "treasury_2"):
        with pytest.raises(releases.NotSeparate, match="made or changed"):
            making.code_for(session, payment, by=officer)
    assert making.code_for(session, payment, by="treasury_3")
