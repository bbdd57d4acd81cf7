"""Small cash without head office: a fund's standing validation lets a voucher go to its custodian.

The last approval makes the payment, in nobody's name, where the fund's drawer pays it, the standing
validation is in force and covers every line, and the fund hands the payee no more that day than its
limit for cash (books.md §5). Anything else waits for treasury, as it does without one. What is
released later is asked again, here and by the database; what is not covered then, treasury takes
over by changing the payment.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.models.approvals import TrailAction
from pettycash.models.imprest import Fund, StandingValidation, Store
from pettycash.models.payments import Payment
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime import db, errors, money
from pettycash.runtime.rails import Method
from pettycash.services.approvals import trail
from pettycash.services.foundation import rail_limits
from pettycash.services.payments import creation, rules
from pettycash.services.payments.creation import PaymentPart
from pettycash.services.payments.treasury_validation import NobodyLeft, leave_to_releasers


class NotCovered(errors.Conflict):
    """No standing validation of the fund covers this voucher any more; treasury takes it over."""

    code = "payment.standing_validation_over"


def validate(session: Session, requisition: Requisition, now: datetime) -> None:
    """Make the payment of what was just approved, where a standing validation covers it.

    Numbers of payments are given one at a time, so that of two at once neither misses the other.
    """
    if requisition.method is not Method.CASH:
        return
    units = rail_limits.SpendingUnits(
        department_id=requisition.department_id,
        branch_id=requisition.branch_id,
        region_id=requisition.region_id,
    )
    store = rail_limits.store_of_units(
        session, units, currency=requisition.currency, method=Method.CASH
    )
    if store is None:
        return
    validation_id = in_force(session, requisition_id=requisition.id, store_id=store.id, now=now)
    if validation_id is None:
        return
    try:
        with session.begin_nested():
            requisition.move_to(RequisitionStatus.IN_PAYMENT, at=now)
            requisition.validated_at = now
            payment = creation.make(
                session,
                requisition=requisition,
                part=PaymentPart(amount=requisition.amount, store_id=store.id),
                maker_id=None,
                standing_validation_id=validation_id,
                now=now,
            )
            _check_payee(session, payment, now=now, with_pending=True)
            leave_to_releasers(session, requisition=requisition, payment=payment, now=now)
    except (*rules.UNFIT, NobodyLeft):
        return  # undone: it waits for treasury, who sees why
    validation = session.get_one(StandingValidation, validation_id)
    fund = session.get_one(Fund, validation.fund_id)
    trail.write(
        session,
        requisition,
        TrailAction.VALIDATED,
        actor=None,
        comment=f"Validated by the system: standing validation of {fund.code},"
        f" version {validation.version}.",
        digest=requisition.approved_digest,
    )


def in_force(
    session: Session, *, requisition_id: UUID, store_id: UUID, now: datetime
) -> UUID | None:
    """The standing validation that covers a requisition's cash out of a drawer now."""
    session.flush()  # the database reads the lines in their table
    asked = {"requisition": requisition_id, "store": store_id, "now": now}
    found: UUID | None = session.execute(IN_FORCE, asked).scalar_one()
    return found


def check(session: Session, payment: Payment, *, now: datetime) -> UUID | None:
    """Refuse a payment that goes out under a standing validation and may not as things stand.

    Returns the one that covers it; None where people validated it.

    Raises:
        NotCovered: it has ended, or leaves this out.
        AboveCashLimit: the fund would hand the payee more today than it may.
    """
    if payment.standing_validation_id is None:
        return None
    found = in_force(
        session, requisition_id=payment.requisition_id, store_id=payment.store_id, now=now
    )
    if found is None:
        raise NotCovered
    _check_payee(session, payment, now=now, with_pending=False)
    return found


def _check_payee(session: Session, payment: Payment, *, now: datetime, with_pending: bool) -> None:
    session.flush()
    store = session.get_one(Store, payment.store_id)
    limit = session.get_one(Fund, store.fund_id).cash_limit
    asked = {
        "payment": payment.id,
        "fund": store.fund_id,
        "now": now,
        "with_pending": with_pending,
    }
    others = session.execute(CASH_OF_DAY, asked).scalar_one()
    if limit is not None and others + payment.amount > limit:
        raise rail_limits.AboveCashLimit(
            f"All cash to one payee in a day is at most {money.text(limit, payment.currency)}"
            " without treasury's validation.",
            errors={"amount": [f"{money.text(others, payment.currency)} went to them today."]},
        )


IN_FORCE = text("SELECT standing_validation(:requisition, :store, :now)").execution_options(
    **db.PREPARED
)
CASH_OF_DAY = text(
    "SELECT cash_of_day(p, :fund, :now, :with_pending) FROM payments p WHERE p.id = :payment"
).execution_options(**db.PREPARED)
"""The triggers ask the same two functions."""
