"""A manager adopts what somebody who left had raised, and is its requester too from then on."""

from uuid import UUID

from pettycash.models.approvals import RoundStatus, StepStatus, TrailAction
from pettycash.models.requisitions import IllegalRequisitionState, Requisition
from pettycash.runtime import errors
from pettycash.services.approvals import rounds, trail
from pettycash.services.foundation import (
    duties,
    requesters,
    security_log,
    text_validation,
    visibility,
)
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import conflicts, redirects
from pettycash.services.requisitions import left_behind


class RequesterAnswers(errors.Conflict):
    """The requester, or the person who adopted the requisition, can still answer for it."""

    code = "requisition.requester_answers"


class NotManager(errors.NotAllowed):
    """Only the manager of a person who left may adopt that person's requisitions."""

    code = "requisition.not_manager"


def adopt(uow: Uow, *, requisition_id: UUID, comment: str) -> Requisition:
    """Take a requisition over from somebody who left, as their manager; no fact of it changes.

    An approval of the actor's own is void, and a step or redirect that waits for them goes to
    somebody else, as at submit. The other approvals stand.

    Raises:
        RequisitionNotFound: none such within scope.
        IllegalRequisitionState: it is in payment, or has ended.
        RequesterAnswers: its requester has not left, or the actor adopted it already.
        NotManager: somebody else approves first for the requester's unit.
        NotSeparate: the actor has a duty that excludes its requester.
        MissingScope, NoApprover: nobody else may take the actor's step; cancel it.
    """
    requisition = visibility.requisition(uow, requisition_id=requisition_id, lock=True)
    reason = text_validation.required(comment, field="comment")
    role = check_adopting(uow, requisition)
    row = trail.write(
        uow.session,
        requisition,
        TrailAction.CHANGED,
        actor=uow.actor,
        role=role,
        comment=reason,
        override=requesters.ADOPTED,
    )
    row.on_behalf_of = requisition.requester_id
    requisition.version += 1
    security_log.record(
        uow.session,
        event="requisition.adopted",
        outcome="ok",
        detail={
            "requisition_id": str(requisition.id),
            "requester_id": str(requisition.requester_id),
        },
        actor=uow.actor,
    )
    _ask_others(uow, requisition)
    return requisition


def check_adopting(uow: Uow, requisition: Requisition) -> str:
    """Refuse who may not take a requisition over as it stands; the role in which the actor may.

    Raises:
        IllegalRequisitionState, RequesterAnswers, NotManager, NotSeparate: see `adopt`.
    """
    session = uow.session
    if requisition.status not in requesters.ANSWERED:
        raise IllegalRequisitionState(
            f"A requisition that is {requisition.status} can't be adopted."
        )
    if not requesters.has_left(session, requisition.requester_id):
        raise RequesterAnswers
    if requesters.adopter(session, requisition) == uow.actor.user_id:
        raise RequesterAnswers("You have adopted this requisition already.")
    role = left_behind.role_as_manager(session, requisition, user_id=uow.actor.user_id, now=uow.now)
    if role is None:
        raise NotManager
    known = duties.holders(session, requisition_id=requisition.id)
    # An approval is no bar: it becomes void.
    for other in Duty:
        if other in duties.apart_from(Duty.REQUESTER) - {Duty.APPROVER} and (
            uow.actor.user_id in known[other]
        ):
            raise duties.refusal(other, Duty.REQUESTER)
    return role


def _ask_others(uow: Uow, requisition: Requisition) -> None:
    """Let nothing about it rest on the adopter's own decision."""
    session = uow.session
    known = duties.holders(session, requisition_id=requisition.id)
    if duties.conflicted(session, known, subject_id=requisition.id):
        conflicts.settle(uow, requisition_id=requisition.id)
        return
    if requisition.open_redirect_id is not None:
        redirects.ask_anew(session, change_id=requisition.open_redirect_id, now=uow.now)
    current = rounds.latest(session, requisition.id)
    if current is None or current.status is not RoundStatus.OPEN:
        return
    assigned = rounds.assignees_of(session, current.id)
    if any(
        step.status in (StepStatus.OPEN, StepStatus.WAITING)
        and uow.actor.user_id in assigned.get(step.id, ())
        for step in rounds.steps_of(session, current.id)
    ):
        rounds.resolve_anew(session, subject=requisition, void=frozenset(), now=uow.now)
