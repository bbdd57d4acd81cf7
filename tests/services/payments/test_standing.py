"""Small cash under a fund's standing validation: what goes without treasury, what never does."""

from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.models.access import SecurityEvent
from pettycash.models.approvals import ApprovalTrail, TrailAction
from pettycash.models.imprest import StandingValidation
from pettycash.models.operations import ChangeStatus
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.releases import PaymentExecution
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime import db, errors
from pettycash.runtime.rails import Method
from pettycash.services import payments
from pettycash.services.foundation import decisions, duties, rail_limits
from pettycash.services.foundation.listings import page
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import standing_validations
from pettycash.services.operations import changes
from pettycash.services.payments import creation, standing
from pettycash.services.payments.creation import PaymentPart
from pettycash.services.payments.lists import PAYMENTS
from pettycash.services.reports import work
from tests import books
from tests.factories import companies, requisitions
from tests.factories import payments as making
from tests.factories.people import acting, company_id, user_id
from tests.factories.standing import (
    RECIPIENT,
    ended,
    granted,
    paying,
    payments_of,
    proposed,
    voucher,
)
from tests.races import together
from tests.servers import Database
from tests.services.payments.test_treasury_validation import parts, validate

R = RequisitionStatus
P = PaymentStatus
D = Decimal
CASH = {"method": Method.CASH, "destination": RECIPIENT}


def release(session: Session, payment: Payment, *, by: str = "custodian") -> Payment:
    """What the custodian does where the company's policy asks for no code."""
    return payments.execute(Uow.of(session, acting(session, by)), payment_id=payment.id)[0]


def no_codes(session: Session) -> None:
    companies.agree(session, otp_floor={"KES": "10000.00"})


def paid(session: Session, payment: Payment) -> None:
    """Handed over: released, and witnessed by the recipient's own word."""
    release(session, payment)
    locked, row = payments.cash.offered(
        Uow.of(session, acting(session, "custodian")), payment_id=payment.id
    )
    payments.cash.pay_out(
        Uow.of(session, acting(session, "custodian")), locked=locked, row=row, proof="code"
    )
    session.flush()


def sqlstate_of(session: Session, payment: Payment, *, by: str = "custodian") -> str | None:
    """What the database says to a release in plain SQL; None: it lets it pass."""
    session.flush()
    release_sql = text(
        "INSERT INTO payment_executions (id, company_id, payment_id, requisition_id,"
        " attempt_number, originator_reference, executor_id, amount, currency, proof)"
        " SELECT gen_random_uuid(), company_id, id, requisition_id, 9, gen_random_uuid(), :by,"
        " amount, currency, 'policy' FROM payments WHERE id = :payment"
    )
    point = session.begin_nested()
    try:
        session.execute(release_sql, {"by": user_id(session, by), "payment": payment.id})
    except DBAPIError as error:
        return db.sqlstate(error)
    finally:
        point.rollback()
    return None


def test_a_small_voucher_goes_from_its_approver_to_its_custodian(session: Session) -> None:
    no_codes(session)
    validation = granted(session)
    found = voucher(session)
    (payment,) = payments_of(session, found.id)

    assert found.status is R.IN_PAYMENT
    assert (found.validated_by, found.validated_at) == (None, session.info["now"])
    assert (payment.maker_id, payment.standing_validation_id) == (None, validation.id)
    assert payment.status is P.PENDING
    told = session.execute(
        select(ApprovalTrail).order_by(ApprovalTrail.id.desc()).limit(1)
    ).scalar_one()
    assert (told.action, told.user_id) == (TrailAction.VALIDATED, None)
    assert told.comment == "Validated by the system: standing validation of WESTLANDS, version 1."

    paid(session, payment)
    assert payment.status is P.SUCCESS
    execution = session.execute(
        select(PaymentExecution).where(PaymentExecution.payment_id == payment.id)
    ).scalar_one()
    session.refresh(execution)
    assert execution.cash_limit == D("5000.00")


@pytest.mark.parametrize(
    "more",
    [
        {"lines": [requisitions.line("200.00", category="travel")]},
        {"method": Method.MPESA, "destination": "0712345678"},
        {"amount": "5000.01"},
        {"by": "staff_mombasa"},
    ],
    ids=["another_category", "another_method", "above_the_limit", "another_fund"],
)
def test_anything_else_waits_for_treasury(session: Session, more: dict[str, Any]) -> None:
    granted(session)
    if "amount" in more:
        books.fund(session).cash_limit = None  # above the limit nothing is even raised
        session.flush()

    found = voucher(session, **more)

    assert found.status is R.PENDING_TREASURY_VALIDATION
    assert payments_of(session, found.id) == []


@pytest.mark.parametrize("how", ["ended", "expired", "never"])
def test_without_one_in_force_treasury_validates(session: Session, how: str) -> None:
    if how == "ended":
        granted(session)
        ended(session)
    elif how == "expired":
        until = session.info["now"] + timedelta(seconds=1)
        granted(session, valid_until=until.isoformat())
        session.info["now"] = until
    found = voucher(session)

    assert found.status is R.PENDING_TREASURY_VALIDATION
    (payment,) = validate(session, found)
    assert payment.standing_validation_id is None


def test_a_voucher_that_no_custodian_may_pay_waits_for_treasury(session: Session) -> None:
    granted(session)
    fund = books.fund(session)
    fund.alternate_custodian_id = None
    session.flush()

    found = voucher(session, payee_user_id=fund.custodian_id)

    assert found.status is R.PENDING_TREASURY_VALIDATION


def test_one_of_the_two_is_the_cfo(session: Session) -> None:
    change = proposed(session)

    for name in ("treasury_2", "group_finance_manager"):
        with pytest.raises(standing_validations.CfoMissing), session.begin_nested():
            changes.confirm(Uow.of(session, acting(session, name)), change_id=change.id)
    with pytest.raises(decisions.NotADecider):
        changes.confirm(Uow.of(session, acting(session, "admin")), change_id=change.id)
    with pytest.raises(decisions.NotAProposer):
        proposed(session, by="branch_manager")
    by_cfo = proposed(session, by="cfo")
    with pytest.raises(decisions.OwnProposal):
        changes.confirm(Uow.of(session, acting(session, "cfo")), change_id=by_cfo.id)
    done = changes.confirm(Uow.of(session, acting(session, "treasury_2")), change_id=by_cfo.id)

    assert done.status is ChangeStatus.EFFECTIVE
    event = session.execute(
        select(SecurityEvent).where(SecurityEvent.event == "fund.standing_validation_changed")
    ).scalar_one()
    assert event.detail["old"] is None
    assert event.detail["new"] == {"categories": ["utilities"], "valid_until": None}


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"categories": ["paint"]}, "categories"),
        ({"categories": "utilities"}, "categories"),
        ({}, "categories"),
        ({"categories": ["utilities"], "valid_until": "2020-01-01T00:00:00+00:00"}, "valid_until"),
        ({"categories": ["utilities"], "valid_until": "2099-01-01T00:00:00"}, "valid_until"),
        ({"categories": ["utilities"], "valid_until": 7}, "valid_until"),
        ({"categories": ["utilities"], "limit": "9.00"}, "limit"),
    ],
)
def test_what_is_proposed_is_checked(session: Session, payload: dict[str, Any], field: str) -> None:
    with pytest.raises(standing_validations.InvalidStandingValidation) as refusal:
        changes.propose_any(
            Uow.of(session, acting(session, "treasury")),
            kind=standing_validations.KIND,
            object_id=books.fund(session).id,
            payload=payload,
            reason="Small cash.",
        )

    assert list(refusal.value.errors) == [field]


def test_a_fund_without_a_limit_for_cash_gets_none(session: Session) -> None:
    change = proposed(session)
    books.fund(session).cash_limit = None
    session.flush()

    with pytest.raises(standing_validations.InvalidStandingValidation):
        changes.confirm(Uow.of(session, acting(session, "cfo")), change_id=change.id)


def test_what_ended_in_mid_flight_pays_nothing_until_treasury_takes_it_over(
    session: Session,
) -> None:
    no_codes(session)
    granted(session)
    payment = paying(session)
    ended(session)

    with pytest.raises(standing.NotCovered), session.begin_nested():
        release(session, payment)
    with pytest.raises(standing.NotCovered), session.begin_nested():
        payments.send_code(Uow.of(session, acting(session, "custodian")), payment_id=payment.id)
    assert sqlstate_of(session, payment) == "PC031"
    kinds = {each.kind for each in work.waiting(Uow.of(session, acting(session, "custodian")))}
    assert "cash_to_pay" not in kinds
    waits = work.waiting(Uow.of(session, acting(session, "treasury")))
    (item,) = next(each.items for each in waits if each.kind == "vouchers_to_take_over")
    assert item.id == payment.id

    requisition = session.get_one(Requisition, payment.requisition_id)
    payments.change(
        Uow.of(session, acting(session, "treasury")),
        requisition=requisition,
        payment=payment,
        changes={"amount": payment.amount},
    )
    assert payment.maker_id == user_id(session, "treasury")
    assert payment.standing_validation_id is None
    assert release(session, payment).status is P.EXECUTING


def test_what_was_renewed_in_mid_flight_is_paid_under_the_new_one(session: Session) -> None:
    no_codes(session)
    granted(session)
    payment = paying(session)
    renewed = granted(session, ("travel", "utilities"))

    release(session, payment)
    session.flush()

    assert payment.standing_validation_id == renewed.id


def test_one_payee_gets_the_limit_in_a_day_however_it_is_split(session: Session) -> None:
    """The attack: one voucher of 6,000 becomes ten of 600, each within the limit of 5,000."""
    granted(session)

    statuses = [voucher(session, "600.00").status for _ in range(10)]

    assert statuses == [R.IN_PAYMENT] * 8 + [R.PENDING_TREASURY_VALIDATION] * 2


def test_all_cash_of_the_fund_to_a_payee_counts_that_day(session: Session) -> None:
    """What went to treasury before may go the same day: the fund's cash counts, not who let it."""
    no_codes(session)
    granted(session)
    first, second = paying(session, "3000.00"), paying(session, "2000.00")
    paid(session, first)
    through_treasury = voucher(session, "4000.00")
    (third,) = validate(session, through_treasury)
    paid(session, third)

    with pytest.raises(rail_limits.AboveCashLimit), session.begin_nested():
        release(session, second)
    assert sqlstate_of(session, second) == "PC030"

    for each in (first, third):
        each.paid_at = session.info["now"] - timedelta(days=1)
    session.flush()
    assert sqlstate_of(session, second) is None
    assert release(session, second).status is P.EXECUTING


def test_the_day_is_that_of_the_company_not_of_greenwich(session: Session) -> None:
    no_codes(session)
    granted(session)
    earlier, payment = paying(session, "3000.00"), paying(session, "200.00")
    paid(session, earlier)

    def at(hour: str, paid_at: str) -> Decimal:
        earlier.paid_at = datetime.fromisoformat(f"2026-03-01T{paid_at}:00+00:00")
        session.flush()
        asked = {"id": payment.id, "fund": books.fund(session).id, "at": f"2026-03-01 {hour}:00Z"}
        return Decimal(
            session.execute(
                text("SELECT cash_of_day(p, :fund, :at, false) FROM payments p WHERE p.id = :id"),
                asked,
            ).scalar_one()
        )

    assert at("20:59", paid_at="20:30") == 3000, "23:59 and 23:30 in Nairobi"
    assert at("21:01", paid_at="20:30") == 0, "00:01 of the next day"
    assert at("21:01", paid_at="21:00") == 3000
    assert at("20:59", paid_at="21:00") == 0, "what is to come counts when it comes"


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({"destination": "0722000777"}, {"destination": "+254722000777"}, True),
        ({"payee_name": "Mama Mboga"}, {"destination": "0722000778"}, False),
        ({"destination": "a@shop.test"}, {"destination": "b@shop.test"}, True),
        (
            {"destination": "a@shop.test", "payee_name": "Mama  Mboga"},
            {"payee_name": "MAMA MBOGA"},
            True,
        ),
        ({"destination": "a@shop.test"}, {"payee_name": "Somebody else"}, False),
        ({"payee": "staff_2"}, {"payee": "staff_2", "destination": "0722000779"}, True),
        ({"destination": "phone of staff_2"}, {"payee": "staff_2"}, True),
    ],
)
def test_one_payee_is_one_member_else_one_phone_else_one_name(
    session: Session, one: dict[str, Any], other: dict[str, Any], is_same: bool
) -> None:
    granted(session)
    phone = session.execute(
        text("SELECT value FROM contacts WHERE user_id = :id AND kind = 'phone'"),
        {"id": user_id(session, "staff_2")},
    ).scalar_one()
    for facts in (one, other):
        if "payee" in facts:
            facts["payee_user_id"] = user_id(session, facts.pop("payee"))
        if facts.get("destination") == "phone of staff_2":
            facts["destination"] = f"+{phone}"
    voucher(session, "3000.00", **one)

    found = voucher(session, "3000.00", **other)

    assert (found.status is R.PENDING_TREASURY_VALIDATION) is is_same


def test_all_cash_of_a_requisition_is_within_the_limit(session: Session) -> None:
    """The attack: of 5,000 that were approved before the limit fell, two parts of 2,500 each."""
    no_codes(session)
    kept, found = (requisitions.approved(session, "5000.00", **CASH) for _ in range(2))
    first, second = validate(session, kept, parts=parts("2500.00", "2500.00"))
    books.fund(session).cash_limit = D("4000.00")
    session.flush()

    with pytest.raises(rail_limits.AboveCashLimit), session.begin_nested():
        validate(session, found, parts=parts("2500.00", "2500.00"))
    with pytest.raises(rail_limits.AboveCashLimit), session.begin_nested():
        release(session, first)
    assert sqlstate_of(session, first) == "PC030"
    assert sqlstate_of(session, second) == "PC030"

    payments.cancel(Uow.of(session, acting(session, "treasury")), payment_id=second.id)
    assert release(session, first).status is P.EXECUTING
    with pytest.raises(rail_limits.AboveCashLimit):
        payments.create(
            Uow.of(session, acting(session, "treasury_2")),
            requisition_id=kept.id,
            amount=D("2500.00"),
        )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("standing_validation_id = NULL", "PC031"),
        ("maker_id = (SELECT id FROM users WHERE username = 'treasury')", "23514"),
        ("standing_validation_id = :foreign", "PC031"),
        ("standing_validation_id = gen_random_uuid()", "PC031"),
    ],
)
def test_plain_sql_does_not_move_a_voucher_from_under_it(
    session: Session, change: str, code: str
) -> None:
    no_codes(session)
    granted(session)
    foreign = granted(session, fund="MOMBASA")
    payment = paying(session)
    point = session.begin_nested()
    try:
        session.execute(
            text(f"UPDATE payments SET {change} WHERE id = :id"),
            {"id": payment.id} | ({"foreign": foreign.id} if ":foreign" in change else {}),
        )
        found = sqlstate_of(session, payment)
    except DBAPIError as error:
        found = db.sqlstate(error)
    finally:
        point.rollback()

    assert found == code


def test_a_payment_that_nobody_validated_is_not_even_made(session: Session) -> None:
    found = voucher(session)
    found.move_to(R.IN_PAYMENT, at=session.info["now"])
    found.validated_at = session.info["now"]

    with pytest.raises(DBAPIError) as refusal:
        creation.make(
            session,
            requisition=found,
            part=PaymentPart(amount=found.amount),
            maker_id=None,
            now=session.info["now"],
        )

    assert db.sqlstate(refusal.value) == "PC031"


@pytest.mark.parametrize(
    "change",
    ["fund_id = fund_id", "categories = '[]'", "valid_until = now()", "change_id = change_id"],
)
def test_what_two_people_agreed_to_is_never_rewritten(session: Session, change: str) -> None:
    granted(session)

    with pytest.raises(DBAPIError):
        session.execute(text(f"UPDATE standing_validations SET {change}"))


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ("no cfo", {}),
        ("cfo", {"categories": ["travel", "utilities"]}),
        ("cfo", {"fund": "MOMBASA"}),
        ("proposed", {}),
    ],
)
def test_plain_sql_grants_nothing(session: Session, change: str, columns: dict[str, Any]) -> None:
    known = proposed(session)
    session.flush()
    decider = "treasury_2" if change == "no cfo" else "cfo"
    if change != "proposed":
        session.execute(
            text(
                "UPDATE changes SET status = 'effective', decided_by = :by, decided_at = now()"
                " WHERE id = :id"
            ),
            {"by": user_id(session, decider), "id": known.id},
        )
    session.add(
        StandingValidation(
            company_id=known.company_id,
            fund_id=books.fund(session, columns.get("fund", "WESTLANDS")).id,
            version=1,
            categories=columns.get("categories", ["utilities"]),
            change_id=known.id,
        )
    )

    with pytest.raises(DBAPIError) as refusal:
        session.flush()

    assert db.sqlstate(refusal.value) == "PC004"


@pytest.mark.parametrize("who", ["approver", "requester", "recipient"])
def test_nobody_moves_it_alone(session: Session, who: str) -> None:
    """The attack: the fund is handed to somebody who has another part in the voucher."""
    no_codes(session)
    granted(session)
    payment = paying(session, payee_user_id=user_id(session, "staff_2"))
    requisition = session.get_one(Requisition, payment.requisition_id)
    known = duties.holders(session, requisition_id=requisition.id)
    people = {
        "approver": min(known[duties.Duty.APPROVER]),
        "requester": requisition.requester_id,
        "recipient": user_id(session, "staff_2"),
    }
    fund = books.fund(session)
    fund.custodian_id = people[who]
    session.flush()
    (name,) = session.execute(
        text("SELECT username FROM users WHERE id = :id"), {"id": people[who]}
    ).one()

    with pytest.raises(duties.NotSeparate), session.begin_nested():
        release(session, payment, by=name)
    assert sqlstate_of(session, payment, by=name) == "PC004"


def test_a_custodian_of_yesterday_pays_nothing(session: Session) -> None:
    no_codes(session)
    granted(session)
    payment = paying(session)
    fund = books.fund(session)
    fund.custodian_id = user_id(session, "custodian_mombasa")
    session.flush()

    with pytest.raises(duties.NotSeparate), session.begin_nested():
        release(session, payment)
    assert sqlstate_of(session, payment) == "PC004"
    assert release(session, payment, by="custodian_2").status is P.EXECUTING


def test_what_was_paid_under_it_is_a_list(session: Session) -> None:
    no_codes(session)
    making.cash(session, destination="+254722000999")
    validation = granted(session)
    mine = paying(session)
    paid(session, mine)
    fund = books.fund(session)
    reader = Uow.of(session, acting(session, "treasury"))
    today = session.info["now"].date()

    def listed(**filters: Any) -> list[Any]:
        return [each["id"] for each in page(reader, PAYMENTS, filters).items]

    assert listed(is_standing=True, fund_id=[fund.id], paid_from=today) == [mine.id]
    assert listed(is_standing=True, paid_to=today - timedelta(days=2)) == []
    assert listed(standing_validation_id=validation.id) == [mine.id]
    (shown,) = page(reader, standing_validations.STANDING_VALIDATIONS, {"is_in_force": True}).items
    assert (shown.fund_code, shown.version, shown.is_in_force) == ("WESTLANDS", 1, True)
    ended(session)
    assert not page(reader, standing_validations.STANDING_VALIDATIONS, {"is_in_force": True}).items


def test_of_two_at_once_to_one_payee_one_is_released(live: Database) -> None:
    """Each of two vouchers is within the limit; both were let go before it fell."""
    with db.scope(company_id=company_id("DEMO")):
        with db.transaction() as session:
            no_codes(session)
            granted(session)
            made = [paying(session, "2500.00").id for _ in range(2)]
            books.fund(session).cash_limit = D("4000.00")

        def released(payment_id: UUID) -> str:
            def work(session: Session) -> str:
                try:
                    release(session, session.get_one(Payment, payment_id))
                except errors.PettycashError as refusal:
                    return refusal.code
                return "released"

            return db.in_transaction(work)

        results = together([partial(released, each) for each in made])

    assert sorted(results) == ["payment.above_cash_limit", "released"]


def test_of_two_that_are_approved_at_once_one_goes_past_treasury(live: Database) -> None:
    with db.scope(company_id=company_id("DEMO")):
        with db.transaction() as session:
            granted(session)
            asked = [requisitions.submitted(session, "3000.00", **CASH) for _ in range(2)]
            ids = [each.id for each in asked]
            (name,) = {requisitions.waiting_for(session, each) for each in asked}

        def approved(requisition_id: UUID) -> R:
            def work(session: Session) -> R:
                found = session.get_one(Requisition, requisition_id)
                return requisitions.approve(session, found, name).status

            return db.in_transaction(work)

        results = together([partial(approved, each) for each in ids])

    assert sorted(results) == [R.IN_PAYMENT, R.PENDING_TREASURY_VALIDATION]
