"""Scope: which rows of their own company a person may see. Beyond it nothing exists (404)."""

from uuid import UUID

from sqlalchemy import ColumnElement, false, func, or_, select, true

from pettycash.models.access import Branch, Membership, Role, ScopeKind, SecurityEvent
from pettycash.models.approvals import ApprovalStep, StepAssignee
from pettycash.models.imprest import Fund, Store
from pettycash.models.operations import Case
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.releases import CashAcknowledgement
from pettycash.models.requisitions import Requisition
from pettycash.runtime import errors
from pettycash.runtime.rails import Method
from pettycash.services.foundation import requesters
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.uow import Uow


class RequisitionNotFound(errors.NotFound):
    """There is no such requisition within your scope."""

    code = "requisition.not_found"


class PaymentNotFound(errors.NotFound):
    """There is no such payment within your scope."""

    code = "payment.not_found"


class FundNotFound(errors.NotFound):
    """There is no such fund within your scope."""

    code = "fund.not_found"


UNMASKED = frozenset(Role) - {Role.OPERATOR, Role.ADMIN}


def sees_payees(actor: Actor) -> bool:
    """Whether the payees of what is in scope are shown; operators see masked data."""
    return actor.has(*UNMASKED) or actor.is_escalation_approver


def sees_company(actor: Actor) -> bool:
    """Whether any role of the actor reaches the whole company (an admin's does not reach money)."""
    if actor.raises_for_others:
        return False
    return any(
        held.scope_kind is ScopeKind.COMPANY and held.role is not Role.ADMIN for held in actor.roles
    )


OF_ACCESS = ("access", "api_key", "auth", "change", "company", "mfa", "settings", "user")
"""Domains of the security events that an administrator reads; none is about money."""


def security_events(actor: Actor) -> ColumnElement[bool]:
    """The security log of the company; for administrators what is about access."""
    if sees_company(actor):
        return true()
    return func.split_part(SecurityEvent.event, ".", 1).in_(OF_ACCESS)


def requisitions(actor: Actor) -> ColumnElement[bool]:
    """Own ones, those of the actor's units, those that the actor decides or decided, those whose
    recipient signed before the actor, what people who left those units had raised, and those whose
    cash goes out of a fund that the actor keeps.

    A machine client has those that its key raised, for whomever.
    """
    found = _concerned(actor)
    kept = actor.scope_ids(Role.CUSTODIAN)
    if not kept or actor.raises_for_others or sees_company(actor):
        return found
    vouchers = (
        select(Payment.requisition_id)
        .join(Store, Store.id == Payment.store_id)
        .where(
            Store.fund_id.in_(kept),
            Payment.method == Method.CASH,
            Payment.status != PaymentStatus.CANCELLED,
        )
    )
    return or_(found, Requisition.id.in_(vouchers))


def _concerned(actor: Actor) -> ColumnElement[bool]:
    """All of them but those that the actor merely pays: with these come all of their payments."""
    if actor.raises_for_others:
        return Requisition.client_id == actor.client_id
    if sees_company(actor):
        return true()
    regions = actor.scope_ids(Role.REGIONAL_MANAGER)
    branches, departments = (
        actor.scope_ids(role) for role in (Role.BRANCH_MANAGER, Role.DEPARTMENT_HEAD)
    )
    in_regions = select(Branch.id).where(Branch.region_id.in_(regions))
    left = select(Membership.user_id).where(
        or_(
            Membership.branch_id.in_(branches),
            Membership.department_id.in_(departments),
            Membership.region_id.in_(regions),
            Membership.branch_id.in_(in_regions),
        ),
        Membership.user_id.not_in(requesters.answering()),
    )
    decides = select(ApprovalStep.subject_id).join(
        StepAssignee, StepAssignee.step_id == ApprovalStep.id
    )
    return or_(
        Requisition.requester_id == actor.user_id,
        Requisition.branch_id.in_(branches),
        Requisition.department_id.in_(departments),
        Requisition.region_id.in_(regions),
        Requisition.branch_id.in_(in_regions),
        Requisition.requester_id.in_(left),
        requesters.adopted_by(actor.user_id),
        Requisition.id.in_(decides.where(StepAssignee.user_id == actor.user_id)),
        Requisition.id.in_(
            select(Payment.requisition_id)
            .join(CashAcknowledgement, CashAcknowledgement.payment_id == Payment.id)
            .where(CashAcknowledgement.witness_id == actor.user_id)
        ),
    )


def funds(actor: Actor) -> ColumnElement[bool]:
    """Funds that the actor keeps, and those of the actor's units; a machine client has none."""
    if actor.raises_for_others:
        return false()
    if sees_company(actor) or actor.has(Role.ADMIN):
        return true()
    regions = actor.scope_ids(Role.REGIONAL_MANAGER)
    return or_(
        Fund.id.in_(actor.scope_ids(Role.CUSTODIAN)),
        Fund.branch_id.in_(actor.scope_ids(Role.BRANCH_MANAGER)),
        Fund.department_id.in_(actor.scope_ids(Role.DEPARTMENT_HEAD)),
        Fund.region_id.in_(regions),
        Fund.branch_id.in_(select(Branch.id).where(Branch.region_id.in_(regions))),
    )


def payments(actor: Actor) -> ColumnElement[bool]:
    """Payments of visible requisitions, to the actor, out of funds that the actor keeps, and those
    that a case is about which was escalated to the actor."""
    if sees_company(actor):
        return true()
    if actor.raises_for_others:
        return Payment.requisition_id.in_(select(Requisition.id).where(_concerned(actor)))
    kept = select(Store.id).where(Store.fund_id.in_(actor.scope_ids(Role.CUSTODIAN)))
    found = [
        Payment.store_id.in_(kept),
        Payment.payee_user_id == actor.user_id,
        Payment.requisition_id.in_(select(Requisition.id).where(_concerned(actor))),
    ]
    if actor.is_escalation_approver:
        judged = select(Case.object_id).where(
            Case.owner_id == actor.user_id, Case.object_type == "payment"
        )
        found.append(Payment.id.in_(judged))
    return or_(*found)


def requisition(uow: Uow, *, requisition_id: UUID, lock: bool = False) -> Requisition:
    """Load a requisition within the actor's scope, locked where it will be changed.

    Raises:
        RequisitionNotFound: none such within scope.
    """
    query = select(Requisition).where(Requisition.id == requisition_id, requisitions(uow.actor))
    if lock:
        query = query.with_for_update(of=Requisition, key_share=True)
    found = uow.session.execute(
        query.execution_options(populate_existing=lock)
    ).scalar_one_or_none()
    if found is None:
        raise RequisitionNotFound
    return found


def payment(uow: Uow, *, payment_id: UUID) -> Payment:
    """Load a payment within the actor's scope, unlocked: lock requisition, then payment.

    Raises:
        PaymentNotFound: none such within scope.
    """
    found = uow.session.execute(
        select(Payment).where(Payment.id == payment_id, payments(uow.actor))
    ).scalar_one_or_none()
    if found is None:
        raise PaymentNotFound
    return found


def fund(uow: Uow, *, fund_id: UUID) -> Fund:
    """Load a fund within the actor's scope.

    Raises:
        FundNotFound: none such within scope.
    """
    found = uow.session.execute(
        select(Fund).where(Fund.id == fund_id, funds(uow.actor))
    ).scalar_one_or_none()
    if found is None:
        raise FundNotFound
    return found
