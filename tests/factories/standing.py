"""Funds with a standing validation, and vouchers that go out under it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.imprest import StandingValidation
from pettycash.models.operations import Change
from pettycash.models.payments import Payment
from pettycash.models.requisitions import Requisition
from pettycash.runtime.rails import Method
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import standing_validations
from pettycash.services.operations import changes
from tests import books
from tests.factories.people import acting
from tests.factories.requisitions import approved

RECIPIENT = "+254722000555"


def proposed(
    session: Session,
    categories: Sequence[str] = ("utilities",),
    *,
    by: str = "treasury",
    fund: str = "WESTLANDS",
    **more: Any,
) -> Change:
    """What one person proposes; without categories it is the end."""
    return changes.propose_any(
        Uow.of(session, acting(session, by)),
        kind=standing_validations.KIND,
        object_id=books.fund(session, fund).id,
        payload={"categories": list(categories), **more},
        reason="Small cash of the branch.",
    )


def granted(
    session: Session, categories: Sequence[str] = ("utilities",), **more: Any
) -> StandingValidation:
    """What two people agree to."""
    change = proposed(session, categories, **more)
    changes.confirm(Uow.of(session, acting(session, "cfo")), change_id=change.id)
    session.flush()
    return session.execute(
        select(StandingValidation).where(StandingValidation.change_id == change.id)
    ).scalar_one()


def ended(session: Session, fund: str = "WESTLANDS") -> None:
    """Let it be over."""
    granted(session, (), fund=fund)


def voucher(session: Session, amount: str = "200.00", **more: Any) -> Requisition:
    """Cash that everybody who is asked has approved."""
    facts = {"method": Method.CASH, "destination": RECIPIENT} | more
    return approved(session, amount, **facts)


def payments_of(session: Session, requisition_id: UUID) -> list[Payment]:
    """The payments of a requisition, in order."""
    session.flush()
    query = select(Payment).where(Payment.requisition_id == requisition_id)
    return list(session.execute(query.order_by(Payment.ordinal)).scalars())


def paying(session: Session, amount: str = "200.00", **more: Any) -> Payment:
    """The payment of a voucher that the standing validation let go to its custodian."""
    (payment,) = payments_of(session, voucher(session, amount, **more).id)
    return payment
