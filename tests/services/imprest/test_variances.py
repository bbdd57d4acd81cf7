"""Variances: recorded by one, decided by the cfo, posted with the right sign."""

from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.imprest import VarianceAdjustment, VarianceKind, VarianceStatus
from pettycash.models.ledger import AccountKind, JournalEntry
from pettycash.runtime import db
from pettycash.services.foundation import decisions, duties, visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import float_identity, variances
from pettycash.services.ledger import posting
from pettycash.services.payments.results import Source
from tests import books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.evidence import proven
from tests.factories.people import acting, company_id, user_id
from tests.races import together
from tests.servers import Database
from tests.services.foundation.test_duties import phone_of

KES = Decimal
K = VarianceKind


def record(session: Session, name: str = "treasury", **facts: Any) -> VarianceAdjustment:
    values = {
        "kind": K.OVERPAID,
        "adjusted_amount": KES("5050.00"),
        "reason": "The statement says so",
        "actor": acting(session, name),
        "now": session.info["now"],
        **facts,
    }
    if "payment_id" not in values:
        values["payment_id"] = books.pay(session, "5000.00").id
    return variances.record(Uow(session, values.pop("actor"), values.pop("now")), **values)


def approve(session: Session, found: VarianceAdjustment) -> VarianceAdjustment:
    return variances.approve(Uow.of(session, acting(session, "cfo")), variance_id=found.id)


def test_recording_posts_nothing(session: Session) -> None:
    payment = books.pay(session, "5000.00")
    before = books.balance(session, books.store(session).account_id)

    found = record(session, payment_id=payment.id)

    assert found.status is VarianceStatus.PENDING
    assert (found.original_amount, found.variance_amount) == (KES("5000.00"), KES("50.00"))
    assert found.proposed_by == user_id(session, "treasury")
    assert found.number.startswith("VAR-")
    assert books.balance(session, books.store(session).account_id) == before


def test_a_fee_is_money_that_left_besides(session: Session) -> None:
    """D41: the source had 5000 → 4950 for a fee of 50, as if it had saved money."""
    payment = books.pay(session, "5000.00")
    store = books.store(session)
    charges = books.account(
        session, AccountKind.PROVIDER_CHARGES, provider_account_id=store.provider_account_id
    )
    before = books.balance(session, charges.id)[0]

    with pytest.raises(variances.WrongDirection):
        record(session, payment_id=payment.id, kind=K.FEE, adjusted_amount=KES("4950.00"))
    found = approve(session, record(session, payment_id=payment.id, kind=K.FEE))

    assert found.variance_amount == KES("50.00")
    assert books.balance(session, charges.id)[0] == before - KES("50.00")
    fees = books.account(session, AccountKind.FEES)
    assert books.balance(session, fees.id)[0] == KES("50.00")
    assert float_identity.identity(session, store.fund_id).difference == 0


def test_the_same_difference_is_not_posted_twice(session: Session) -> None:
    payment = books.pay(session, "5000.00")
    approve(session, record(session, payment_id=payment.id))

    with pytest.raises(variances.InvalidVariance):
        record(session, payment_id=payment.id)
    further = record(session, payment_id=payment.id, adjusted_amount=KES("5080.00"))
    fee = record(session, payment_id=payment.id, kind=K.FEE)

    assert (further.original_amount, further.variance_amount) == (KES("5050.00"), KES("30.00"))
    assert (fee.original_amount, fee.variance_amount) == (KES("5000.00"), KES("50.00"))


@pytest.mark.parametrize(
    ("kind", "adjusted", "store_change"),
    [(K.OVERPAID, "5050.00", "-50.00"), (K.UNDERPAID, "4950.00", "50.00")],
)
def test_approval_moves_the_store_and_keeps_the_identity(
    session: Session, kind: VarianceKind, adjusted: str, store_change: str
) -> None:
    payment = books.pay(session, "5000.00")
    store = books.store(session)
    before = books.balance(session, store.account_id)[0]

    found = approve(
        session,
        record(session, payment_id=payment.id, kind=kind, adjusted_amount=KES(adjusted)),
    )

    assert found.status is VarianceStatus.APPROVED
    assert found.decided_by == user_id(session, "cfo")
    assert books.balance(session, store.account_id)[0] == before + KES(store_change)
    entry = session.execute(
        select(JournalEntry).where(JournalEntry.id == found.entry_id)
    ).scalar_one()
    assert entry.payment_id == payment.id
    assert entry.source == f"variance:{found.id}"
    assert float_identity.identity(session, store.fund_id).difference == 0


def test_a_count_is_of_a_drawer(session: Session) -> None:
    drawer = books.pay(session, "500.00", store_code="WESTLANDS-DRAWER")
    share = books.pay(session, "5000.00")

    with pytest.raises(variances.InvalidVariance):
        record(session, payment_id=share.id, kind=K.COUNT)
    found = approve(
        session,
        record(
            session,
            "custodian",
            payment_id=drawer.id,
            kind=K.COUNT,
            adjusted_amount=KES("520.00"),
        ),
    )

    pending = books.account(session, AccountKind.DIFFERENCES_PENDING)
    assert books.balance(session, pending.id)[0] == found.variance_amount == KES("20.00")


def test_any_other_variance_names_its_account(session: Session) -> None:
    suspense = books.account(session, AccountKind.SUSPENSE)
    payment = books.pay(session, "5000.00")

    with pytest.raises(variances.InvalidVariance):
        record(session, payment_id=payment.id, kind=K.OTHER)
    with pytest.raises(variances.InvalidVariance):
        record(
            session,
            payment_id=payment.id,
            kind=K.OTHER,
            counter_account_id=books.account(session, AccountKind.EQUITY).id,
        )
    approve(
        session,
        record(session, payment_id=payment.id, kind=K.OTHER, counter_account_id=suspense.id),
    )

    assert books.balance(session, suspense.id)[0] == KES("50.00")


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"adjusted_amount": KES("5000.00")}, variances.InvalidVariance),
        ({"adjusted_amount": KES("5000.001")}, variances.InvalidVariance),
        ({"original_amount": KES("4999.00")}, variances.InvalidVariance),
        ({"kind": K.OVERPAID, "adjusted_amount": KES("4999.00")}, variances.WrongDirection),
        ({"kind": K.UNDERPAID, "adjusted_amount": KES("5001.00")}, variances.WrongDirection),
        ({"reason": "  "}, decisions.ReasonMissing),
        ({"case_id": company_id}, variances.InvalidVariance),
        ({"counter_account_id": company_id}, variances.InvalidVariance),
    ],
)
def test_what_cant_be_so_is_refused(
    session: Session, facts: dict[str, Any], refusal: type[Exception]
) -> None:
    facts = {name: value("DEMO") if value is company_id else value for name, value in facts.items()}

    with pytest.raises(refusal):
        record(session, **facts)

    assert session.execute(select(VarianceAdjustment.id)).all() == []


def test_what_was_never_paid_has_no_variance(session: Session) -> None:
    payment = books.payment(session, books.requisition(session))

    with pytest.raises(variances.NotPaid):
        record(session, payment_id=payment.id)


def test_one_of_a_kind_waits_at_a_time(session: Session) -> None:
    found = record(session)
    assert found.payment_id is not None

    with pytest.raises(variances.AlreadyPending):
        record(session, payment_id=found.payment_id)
    record(session, payment_id=found.payment_id, kind=K.FEE)
    approve(session, found)
    record(session, payment_id=found.payment_id, adjusted_amount=KES("5080.00"))


def test_a_payment_beyond_ones_scope_does_not_exist(session: Session) -> None:
    payment = books.pay(session, "5000.00")

    with pytest.raises(visibility.PaymentNotFound):
        record(session, "custodian_mombasa", payment_id=payment.id)


def test_nobody_decides_on_their_own(session: Session) -> None:
    both = acting(session, "cfo", Role.TREASURY)
    found = record(session, actor=both)

    with pytest.raises(decisions.OwnProposal):
        approve(session, found)
    with pytest.raises(decisions.OwnProposal):
        variances.reject(Uow.of(session, both), variance_id=found.id, reason="x")
    assert found.status is VarianceStatus.PENDING
    with pytest.raises(DBAPIError), session.begin_nested():
        session.execute(text("UPDATE variance_adjustments SET decided_by = proposed_by"))


def test_a_rejected_one_posts_nothing(session: Session) -> None:
    found = record(session)
    assert found.payment_id is not None
    before = books.balance(session, books.store(session).account_id)

    with pytest.raises(decisions.ReasonMissing):
        variances.reject(Uow.of(session, acting(session, "cfo")), variance_id=found.id, reason=" ")
    variances.reject(
        Uow.of(session, acting(session, "cfo")),
        variance_id=found.id,
        reason="The statement was of another day",
    )

    assert (found.status, found.entry_id) == (VarianceStatus.REJECTED, None)
    assert books.balance(session, books.store(session).account_id) == before
    with pytest.raises(decisions.AlreadyDecided):
        approve(session, found)


def test_a_closed_month_refuses_the_decision(session: Session) -> None:
    found = record(session)
    session.execute(
        text(
            "INSERT INTO ledger_periods (id, company_id, month, state, version) VALUES"
            " (gen_random_uuid(), :company, date_trunc('month', now() + interval '3 hours'),"
            " 'soft_closed', 1)"
        ),
        {"company": found.company_id},
    )

    with pytest.raises(posting.PeriodClosed), session.begin_nested():
        approve(session, found)
    session.expire_all()
    assert found.status is VarianceStatus.PENDING


def test_a_store_taken_below_its_level_asks_for_money(session: Session) -> None:
    payment = books.pay(session, "9990.00")

    approve(session, record(session, payment_id=payment.id, adjusted_amount=KES("10001.00")))

    assert session.execute(text("SELECT requested_amount FROM replenishments")).scalar_one() == KES(
        "10001.00"
    )


def test_ten_approvals_at_once_post_once(live: Database) -> None:
    with db.scope(company_id=company_id("DEMO")):
        with db.transaction() as session:
            found = record(session)
            actor = acting(session, "cfo")

        def work(session: Session) -> None:
            variances.approve(Uow.of(session, actor), variance_id=found.id)

        results = together([partial(db.in_transaction, work)] * 10)

        assert results.count(None) == 1
        assert {type(each) for each in results} == {type(None), decisions.AlreadyDecided}
        with db.transaction() as session:
            rows = session.execute(
                select(JournalEntry.id).where(JournalEntry.source == f"variance:{found.id}")
            )
            assert len(rows.all()) == 1


@pytest.mark.usefixtures("rail")
@pytest.mark.parametrize("part", ["requester", "recipient"])
def test_whom_it_benefits_neither_records_nor_decides_it(session: Session, part: str) -> None:
    """A cfo's own money, fifty less than it should have been, they say."""
    facts = {"by": "cfo"} if part == "requester" else {"destination": phone_of(session, "cfo")}
    payment = making.executing(session, **facts)
    making.answered(session, payment, rails.ACCEPTED)
    making.said(session, payment, proven(session, payment), Source.QUERY)
    less = {"kind": K.UNDERPAID, "payment_id": payment.id, "adjusted_amount": KES("1450.00")}

    with pytest.raises(duties.NotSeparate):
        record(session, "cfo", **less)
    found = record(session, "treasury_3", **less)
    for decide in (variances.approve, partial(variances.reject, reason="x")):
        with pytest.raises(duties.NotSeparate):
            decide(Uow.of(session, acting(session, "cfo")), variance_id=found.id)
    assert found.status is VarianceStatus.PENDING


@pytest.mark.usefixtures("rail")
def test_where_no_cfo_may_the_group_finance_manager_decides_it(session: Session) -> None:
    """Whatever it comes to: nobody else is left, and the refill is the cfo's then."""
    payment = making.executing(session, by="cfo")
    making.answered(session, payment, rails.ACCEPTED)
    making.said(session, payment, proven(session, payment), Source.QUERY)
    found = record(session, payment_id=payment.id, adjusted_amount=KES("900000.00"))

    variances.approve(
        Uow.of(session, acting(session, "group_finance_manager")), variance_id=found.id
    )

    assert found.status is VarianceStatus.APPROVED
