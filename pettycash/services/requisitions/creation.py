"""Raising a requisition and changing it: before submit freely, afterwards by materiality."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.approvals import ApprovalRound, RoundStatus, TrailAction
from pettycash.models.requisitions import (
    IN_APPROVAL,
    IllegalRequisitionState,
    Requisition,
    RequisitionLine,
    RequisitionStatus,
)
from pettycash.runtime import db, errors
from pettycash.services.approvals import rounds, trail
from pettycash.services.foundation import numbers, requesters, visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.requisitions import approved_facts, validation
from pettycash.services.requisitions.approved_facts import Materiality
from pettycash.services.requisitions.validation import RequisitionDraft

R = RequisitionStatus
EXTERNAL_REFERENCE_UNIQUE = "uq_requisitions_external_reference"
BEFORE_SUBMIT = frozenset({R.DRAFT, R.CHANGES_REQUESTED})

CHANGEABLE = frozenset(
    {
        "kind",
        "origin",
        "origin_reason",
        "amount",
        "purpose",
        "payee_name",
        "payee_user_id",
        "method",
        "destination",
        "lines",
        "region_id",
        "branch_id",
        "department_id",
        "cost_center_id",
        "is_urgent",
        "urgency_reason",
        "external_reference",
        "metadata",
    }
)
"""Fields of `RequisitionDraft` that a change may name; the currency stays what it was."""


class NotRequester(errors.NotAllowed):
    """Only the person who raised or adopted the requisition may do this."""

    code = "requisition.not_requester"


class RequisitionReferenceTaken(errors.Conflict):
    """The same person or client has used this external reference for another requisition."""

    code = "requisition.external_reference_taken"


def create(uow: Uow, *, draft: RequisitionDraft) -> Requisition:
    """Raise a draft, as `create_with_lines` does, where nobody asks for its lines."""
    return create_with_lines(uow, draft=draft)[0]


def create_with_lines(
    uow: Uow, *, draft: RequisitionDraft
) -> tuple[Requisition, list[RequisitionLine]]:
    """Raise a draft; the actor is its requester. Returns it with its lines.

    Raises:
        RequisitionReferenceTaken: the person or client used it before.
        InvalidRequisition and the other refusals of `validation.checked`.
    """
    actor = uow.actor
    units = validation.units_of(uow.session, actor.user_id)
    draft = validation.checked(uow, validation.with_own_units(draft, units), units=units)
    requisition = Requisition(
        company_id=actor.company_id,
        requester_id=actor.user_id,
        client_id=actor.client_id,
        currency=draft.currency.value,
        status=R.DRAFT,
        status_changed_at=uow.now,
        number=numbers.next_number(uow.session, Requisition, now=uow.now),
    )
    _write_draft(requisition, draft)
    _write_unique(uow, requisition)
    return requisition, _write_lines(uow.session, requisition, draft)


def update(uow: Uow, *, requisition_id: UUID, changes: Mapping[str, Any]) -> Requisition:
    """Change a requisition.

    After submit a lower amount voids nothing; another destination of the same payee is seen by the
    last approver, and once they have approved it is a redirect; anything else that was approved
    voids the round and resolves again.

    Raises:
        RequisitionNotFound: none such within scope.
        NotRequester: somebody else raised it.
        IllegalRequisitionState: it is in payment, or ended.
        RedirectNeeded: an approved one would go elsewhere.
        RedirectOpen: the last approver has yet to decide where it goes.
        RequisitionReferenceTaken and the refusals of `validation.checked`.
        NoThreshold, MissingScope, NoApprover: it can't be resolved as it would stand.
    """
    session = uow.session
    requisition = visibility.requisition(uow, requisition_id=requisition_id, lock=True)
    check_changing(uow, requisition)

    lines = approved_facts.lines_of(session, requisition.id)
    current = None
    if requisition.status not in BEFORE_SUBMIT:
        current = rounds.latest(session, requisition.id)
        before = approved_facts.facts_of(session, requisition, current)
    draft = validation.draft_of(requisition, lines)
    if "branch_id" in changes and "region_id" not in changes:
        draft = replace(draft, region_id=None)  # it follows the branch
    if changes.get("is_urgent") is False:
        draft = replace(draft, urgency_reason=None)
    units = validation.units_of(session, requisition.requester_id)
    if changes.get("origin") is validation.own_origin(units):
        draft = replace(draft, origin_reason=None)
    draft = validation.checked(uow, replace(draft, **changes), units=units)
    _write_draft(requisition, draft)
    requisition.version += 1
    _write_unique(uow, requisition)
    if "lines" in changes:
        session.execute(
            delete(RequisitionLine).where(RequisitionLine.requisition_id == requisition.id)
        )
        _write_lines(session, requisition, draft)

    if current is not None:
        after = approved_facts.facts_of(session, requisition, current)
        _reconsider(uow, requisition, current, before=before, after=after)
    return requisition


def check_changing(uow: Uow, requisition: Requisition) -> None:
    """Refuse who may not change a requisition as it stands.

    Raises:
        NotRequester, IllegalRequisitionState, RedirectOpen: see `update`.
    """
    if not requesters.is_own(uow.session, requisition, user_id=uow.actor.user_id):
        raise NotRequester("Only its requester may change a requisition.")
    if requisition.status not in BEFORE_SUBMIT | IN_APPROVAL | {R.PENDING_TREASURY_VALIDATION}:
        raise IllegalRequisitionState(
            f"A requisition that is {requisition.status} can't be changed."
        )
    if requisition.open_redirect_id is not None:
        raise approved_facts.RedirectOpen


def _write_draft(requisition: Requisition, draft: RequisitionDraft) -> None:
    for name in CHANGEABLE - {"lines", "metadata"}:
        setattr(requisition, name, getattr(draft, name))
    requisition.client_metadata = dict(draft.metadata)


def _write_unique(uow: Uow, requisition: Requisition) -> None:
    session = uow.session
    # Flushed here, as lines need their requisition, and the unique index decides between two.
    if requisition.external_reference is None:
        session.add(requisition)
        session.flush()
        return
    _check_reference(uow, requisition)
    try:
        with session.begin_nested():
            session.add(requisition)
            session.flush()
    except IntegrityError as error:
        if db.constraint(error) != EXTERNAL_REFERENCE_UNIQUE:
            raise
        raise RequisitionReferenceTaken(errors={"external_reference": ["It is taken."]}) from error


def _check_reference(uow: Uow, requisition: Requisition) -> None:
    """Name the requisition that has the reference, to those who may see it."""
    namespace = requisition.client_id or requisition.requester_id
    with uow.session.no_autoflush:
        found = uow.session.execute(
            select(Requisition.number, visibility.requisitions(uow.actor)).where(
                Requisition.external_reference == requisition.external_reference,
                func.coalesce(Requisition.client_id, Requisition.requester_id) == namespace,
                Requisition.status.not_in((R.REJECTED, R.CANCELLED)),
                Requisition.number != requisition.number,
            )
        ).one_or_none()
    if found is None:
        return
    number, is_visible = found
    sentence = f"{number} has it." if is_visible else "It is taken."
    raise RequisitionReferenceTaken(
        f"{number} has this external reference." if is_visible else "",
        errors={"external_reference": [sentence]},
    )


def _write_lines(
    session: Session, requisition: Requisition, draft: RequisitionDraft
) -> list[RequisitionLine]:
    lines = [
        RequisitionLine(
            company_id=requisition.company_id,
            requisition_id=requisition.id,
            position=position,
            description=line.description,
            amount=line.amount,
            category=line.category,
            cost_center_id=line.cost_center_id,
        )
        for position, line in enumerate(draft.lines, start=1)
    ]
    session.add_all(lines)
    session.flush()  # facts are read back from the table
    return lines


def _reconsider(
    uow: Uow,
    requisition: Requisition,
    current: ApprovalRound,
    *,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    materiality = approved_facts.compare(before, after)
    if materiality is Materiality.NONE:
        return
    approved = current.status is RoundStatus.APPROVED
    if approved and materiality is Materiality.REDIRECTED:
        raise approved_facts.RedirectNeeded
    _write_trail(uow, requisition, before=before, after=after, what=materiality)
    if materiality in (Materiality.LOWER, Materiality.REDIRECTED):
        # The last approver has yet to decide and will see it; everybody's digest is stale now.
        rounds.set_facts(current, after)
        if approved:
            requisition.approved_amount = requisition.amount
            requisition.approved_digest = current.digest
        return
    withdraw_approval(requisition)
    _void(uow.session, current, now=uow.now)
    rounds.open_round(uow, subject=requisition)


def _write_trail(
    uow: Uow,
    requisition: Requisition,
    *,
    before: dict[str, Any],
    after: dict[str, Any],
    what: Materiality,
) -> None:
    changed = sorted(key for key in after if after[key] != before[key])
    trail.write(
        uow.session,
        requisition,
        TrailAction.CHANGED,
        actor=uow.actor,
        role=Role.STAFF.value,
        comment=f"{what.value}: {', '.join(changed)}",
        digest=rounds.digest_of(after),
    )


def _void(session: Session, current: ApprovalRound, *, now: datetime) -> None:
    rounds.close_round(session, current, RoundStatus.VOIDED, now=now)


def withdraw_approval(requisition: Requisition) -> None:
    """Withdraw the approval, so that nothing of the requisition can be paid."""
    requisition.approved_amount = None
    requisition.approved_digest = None
    requisition.approved_at = None
