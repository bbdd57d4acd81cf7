"""The replenishments that a person sees: those of the funds in their scope."""

from uuid import UUID

from sqlalchemy import ColumnElement, or_, select

from pettycash.models.imprest import Fund, Replenishment, ReplenishmentStatus
from pettycash.runtime import errors
from pettycash.services.foundation import visibility
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.uow import Uow


class ReplenishmentNotFound(errors.NotFound):
    """There is no such replenishment within your scope."""

    code = "replenishment.not_found"


def visible(actor: Actor) -> ColumnElement[bool]:
    """Replenishments of visible funds; the escalation approver sees waiting ones and their own."""
    of_funds = Replenishment.fund_id.in_(select(Fund.id).where(visibility.funds(actor)))
    if not actor.is_escalation_approver:
        return of_funds
    return or_(
        of_funds,
        Replenishment.status == ReplenishmentStatus.PENDING,
        Replenishment.decided_by == actor.user_id,
    )


def get(uow: Uow, *, replenishment_id: UUID) -> Replenishment:
    """One replenishment within the actor's scope.

    Raises:
        ReplenishmentNotFound: none such within scope.
    """
    return _find(uow, replenishment_id=replenishment_id, lock=False)


def locked(uow: Uow, *, replenishment_id: UUID) -> Replenishment:
    """The same, locked and as it stands under the lock.

    Raises:
        ReplenishmentNotFound: none such within scope.
    """
    return _find(uow, replenishment_id=replenishment_id, lock=True)


def _find(uow: Uow, *, replenishment_id: UUID, lock: bool) -> Replenishment:
    query = select(Replenishment).where(Replenishment.id == replenishment_id, visible(uow.actor))
    if lock:
        query = query.with_for_update(of=Replenishment, key_share=True)
    found = uow.session.execute(
        query.execution_options(populate_existing=lock)
    ).scalar_one_or_none()
    if found is None:
        raise ReplenishmentNotFound
    return found
