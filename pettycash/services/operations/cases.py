"""Cases: what the system can't decide alone. Two people end one, or the fact that settles it.

`open_case` is safe to call as often as the trouble is met: while a case of the same kind and object
is open it only gathers evidence. What a resolution does to money is decided elsewhere, in the same
transaction as `confirm`.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, text, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from pettycash.models.access import Membership, Role, RoleAssignment, User
from pettycash.models.base import new_id
from pettycash.models.operations import Case, CaseKind, CaseStatus, Severity
from pettycash.runtime import db, errors
from pettycash.services.foundation import (
    company_settings,
    decisions,
    outbox,
    permissions,
    security_log,
)
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.decisions import DecisionKind
from pettycash.services.foundation.log_events import log_event
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import case_notices

ALERT_TOPIC = "notifications.alert"
RESOLVERS = tuple(sorted(permissions.JUDGES))
"""Each may end a case; about a payment, two people who fit do (`case_resolutions.judging`)."""
OWNERS = (*RESOLVERS, Role.OPERATOR)

RANK = {Severity.NOTICE: 0, Severity.WARNING: 1, Severity.SEVERE: 2}

EARLIER = "earlier"
"""Key of `evidence` under which values stand that newer ones have replaced."""
EARLIER_MAX = 50


class CaseNotFound(errors.NotFound):
    """There is no such case in this company."""

    code = "case.not_found"


class CaseResolved(errors.Conflict):
    """The case has been resolved already."""

    code = "case.already_resolved"


class NotAnOwner(errors.RuleViolation):
    """A case can be assigned only to an active holder of a role that looks after cases."""

    code = "case.not_an_owner"


def open_case(
    session: Session,
    *,
    kind: CaseKind,
    object_type: str,
    object_id: UUID,
    summary: str,
    evidence: Mapping[str, Any],
    severity: Severity,
    due_at: datetime | None = None,
) -> Case:
    """Open a case, or add to the open one of this kind and object. Evidence is JSON values.

    A severe one alerts people, once for each time it becomes severe. New evidence voids a proposal,
    since that was made without it.
    """
    now = session.info["now"]
    if due_at is None and severity is Severity.SEVERE:
        due_at = now + timedelta(hours=company_settings.current(session).case_due_hours)
    made = session.execute(
        insert(Case)
        .values(
            id=new_id(),
            company_id=session.info["scope"].company_id,
            kind=kind,
            severity=severity,
            status=CaseStatus.OPEN,
            object_type=object_type,
            object_id=object_id,
            summary=summary,
            evidence=dict(evidence),
            due_at=due_at,
            version=1,
        )
        .on_conflict_do_nothing(
            index_elements=["company_id", "kind", "object_type", "object_id"],
            index_where=text("status <> 'resolved'"),
        )
        .returning(Case)
    ).scalar_one_or_none()
    if made is not None:
        log_event(
            session,
            "case.opened",
            level=logging.ERROR if severity is Severity.SEVERE else logging.WARNING,
            case_id=made.id,
            kind=kind.value,
            severity=severity.value,
            object_type=object_type,
            object_id=object_id,
        )
        if severity is Severity.SEVERE:
            outbox.enqueue(session, topic=ALERT_TOPIC, key=made.id)
        else:
            case_notices.opened(session, made)
        return made
    found = _locked_open(session, kind=kind, object_type=object_type, object_id=object_id)
    if found is None:  # resolved between the two statements: this is a new one
        return open_case(
            session,
            kind=kind,
            object_type=object_type,
            object_id=object_id,
            summary=summary,
            evidence=evidence,
            severity=severity,
            due_at=due_at,
        )
    _add_evidence(found, evidence)
    if RANK[severity] > RANK[found.severity]:
        found.severity, found.summary, found.due_at = severity, summary, due_at
        found.version += 1
        if severity is Severity.SEVERE:
            found.alerted_at = None
            outbox.enqueue(session, topic=ALERT_TOPIC, key=found.id)
    return found


def close(
    session: Session,
    *,
    kind: CaseKind,
    object_type: str,
    object_id: UUID,
    resolved_by: UUID | None,
    note: str,
    now: datetime,
) -> Case | None:
    """A fact has settled what the case was about. None where no such case is open.

    `resolved_by` is None where the system found the fact; somebody who proposed an end is not
    named as the second person of it.
    """
    found = _locked_open(session, kind=kind, object_type=object_type, object_id=object_id)
    if found is None:
        return None
    found.status = CaseStatus.RESOLVED
    found.decided_at = now
    found.decided_by = resolved_by if resolved_by != found.proposed_by else None
    found.evidence = {**found.evidence, "closed": note}
    found.version += 1
    return found


def visible(actor: Actor) -> ColumnElement[bool]:
    """All of them for who holds a role that reads cases; else those escalated to the actor."""
    if actor.has(*permissions.PERMISSIONS["cases.list"]):
        return true()
    return Case.owner_id == actor.user_id


def get(session: Session, *, case_id: UUID, actor: Actor | None = None) -> Case:
    """One case within the actor's scope (without one: in the company).

    Raises:
        CaseNotFound: none such.
    """
    found = session.execute(
        select(Case).where(Case.id == case_id, true() if actor is None else visible(actor))
    ).scalar_one_or_none()
    if found is None:
        raise CaseNotFound
    return found


def assign(uow: Uow, *, case_id: UUID, owner_id: UUID | None) -> Case:
    """Say who looks after a case; None takes it from everybody.

    Raises:
        CaseNotFound, CaseResolved: there is nothing to assign.
        NotAnOwner: the person holds no role of OWNERS, or is not active; the company's escalation
            approver needs no role.
    """
    case = _locked(uow.session, case_id)
    check_open(case)
    if owner_id is not None and not may_own(uow.session, owner_id, uow.now):
        raise NotAnOwner(errors={"owner_id": ["No active person who looks after cases."]})
    case.owner_id = owner_id
    case.version += 1
    if owner_id not in (None, uow.actor.user_id):
        case_notices.assigned(uow.session, case, owner_id=owner_id)
    _log_event(uow, case, "assigned", {"owner_id": str(owner_id) if owner_id else None})
    return case


def propose(uow: Uow, *, case_id: UUID, proposal: Mapping[str, Any]) -> Case:
    """Say how a case should end, with evidence; a second person confirms. JSON values.

    Raises:
        CaseNotFound, AlreadyDecided, ProposalStands: there is nothing to propose.
        NotAProposer: the actor holds no role of RESOLVERS.
    """
    case = _locked(uow.session, case_id)
    _check_proposing(uow, case)
    decisions.propose(uow, ENDING, case)
    case.status = CaseStatus.PROPOSED
    case.proposal = dict(proposal)
    case.version += 1
    _log_event(uow, case, "proposed", {"proposal": case.proposal})
    return case


def to_confirm(uow: Uow, *, case_id: UUID, version: int) -> Case:
    """The case, locked, with the proposal that the actor has seen and may confirm.

    Raises:
        as `confirm`.
    """
    case = _locked(uow.session, case_id)
    decisions.check(Uow.of(uow.session, uow.actor), ENDING, case)
    decisions.check_seen(ENDING, case, str(version))
    return case


def confirm(uow: Uow, *, case_id: UUID, version: int) -> Case:
    """Agree to what the version that was seen proposes; the caller then does what it says.

    Raises:
        CaseNotFound, AlreadyDecided, NothingProposed: there is nothing to confirm.
        OwnProposal: the proposer confirms.
        NotADecider: the actor holds no role of RESOLVERS.
        StaleDecision: `version` is not that of the case any more.
    """
    case = _locked(uow.session, case_id)
    decisions.accept(uow, ENDING, case, seen=str(version))
    case.status = CaseStatus.RESOLVED
    case.version += 1
    _log_event(uow, case, "resolved", {"proposal": case.proposal})
    return case


def decline(uow: Uow, *, case_id: UUID, version: int, reason: str) -> Case:
    """Disagree with what was proposed: the case is open again, the proposal stays as evidence.

    Whoever proposed it may take it back so.

    Raises:
        CaseNotFound, AlreadyDecided, NothingProposed, NotADecider, StaleDecision: as `confirm`.
    """
    uow = Uow.of(uow.session, uow.actor)
    case = _locked(uow.session, case_id)
    if case.proposed_by == uow.actor.user_id:
        decisions.check_withdrawing(uow, ENDING, case)
    else:
        decisions.check(uow, ENDING, case)
    decisions.check_seen(ENDING, case, str(version))
    declined = {"declined_by": str(uow.actor.user_id), "reason": reason}
    _void_proposal(case, **declined)
    case.version += 1
    _log_event(uow, case, "declined", declined)
    return case


def _add_evidence(case: Case, evidence: Mapping[str, Any]) -> None:
    """Merge; a value that a newer one replaces is kept, since evidence is never lost."""
    changed = {name: value for name, value in evidence.items() if case.evidence.get(name) != value}
    if not changed:
        return
    replaced = {name: case.evidence[name] for name in changed if name in case.evidence}
    earlier = list(case.evidence.get(EARLIER, []))
    if replaced:
        earlier = [*earlier, replaced][-EARLIER_MAX:]
    case.evidence = {**case.evidence, **changed, **({EARLIER: earlier} if earlier else {})}
    if case.status is CaseStatus.PROPOSED:
        _void_proposal(case, voided_by="new evidence")
    case.version += 1


def _void_proposal(case: Case, **why: str) -> None:
    past = {"proposal": case.proposal, "proposed_by": str(case.proposed_by), **why}
    earlier = [*case.evidence.get(EARLIER, []), past][-EARLIER_MAX:]
    case.evidence = {**case.evidence, EARLIER: earlier}
    case.status = CaseStatus.OPEN
    case.proposal = case.proposed_by = case.proposed_at = None


def _locked_open(
    session: Session, *, kind: CaseKind, object_type: str, object_id: UUID
) -> Case | None:
    return session.execute(
        select(Case)
        .where(
            Case.kind == kind,
            Case.object_type == object_type,
            Case.object_id == object_id,
            Case.status != CaseStatus.RESOLVED,
        )
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True, **db.PREPARED)
    ).scalar_one_or_none()


def _locked(session: Session, case_id: UUID) -> Case:
    case = db.lock(session, Case, case_id)
    if case is None:
        raise CaseNotFound
    return case


def check_open(case: Case) -> None:
    """Refuse what comes after the end of a case.

    Raises:
        CaseResolved: it has ended.
    """
    if case.status is CaseStatus.RESOLVED:
        raise CaseResolved


def check_resolving(uow: Uow, case: Case) -> None:
    """Refuse who may neither propose how a case ends nor confirm what is proposed.

    Raises:
        AlreadyDecided, NotAProposer, NotADecider, OwnProposal: see `propose` and `confirm`.
    """
    if case.status is CaseStatus.PROPOSED:
        decisions.check(uow, ENDING, case)
    else:
        _check_proposing(uow, case)


def _check_proposing(uow: Uow, case: Case) -> None:
    decisions.check_proposing(uow, ENDING, case)
    if not _resolves(case, uow.actor):
        raise decisions.NotAProposer


def _check_decider(uow: Uow, case: Case) -> None:
    if not _resolves(case, uow.actor):
        raise decisions.NotADecider


def _resolves(case: Case, actor: Actor) -> bool:
    """The escalation approver ends what is theirs to look after."""
    return actor.has(*RESOLVERS) or case.owner_id == actor.user_id


def may_own(session: Session, user_id: UUID, now: datetime) -> bool:
    """Whether a person looks after cases: by a role, or as the active escalation approver."""
    if user_id == company_settings.current(session).escalation_approver_id:
        member = select(Membership.id).join(User, User.id == Membership.user_id)
        active = member.where(Membership.user_id == user_id, Membership.is_active, User.is_active)
        return session.execute(active).first() is not None
    found = session.execute(
        select(RoleAssignment.id)
        .join(Membership, Membership.user_id == RoleAssignment.user_id)
        .join(User, User.id == RoleAssignment.user_id)
        .where(
            RoleAssignment.user_id == user_id,
            RoleAssignment.role.in_(OWNERS),
            RoleAssignment.valid_from <= now,
            (RoleAssignment.valid_until.is_(None)) | (RoleAssignment.valid_until > now),
            Membership.is_active,
            User.is_active,
        )
    )
    return found.first() is not None


def _log_event(uow: Uow, case: Case, outcome: str, detail: Mapping[str, Any]) -> None:
    security_log.record(
        uow.session,
        event=f"case.{outcome}",
        outcome="ok",
        detail={"case_id": str(case.id), "kind": case.kind.value, **detail},
        actor=uow.actor,
    )


ENDING = decisions.declare(
    DecisionKind(
        name="cases",
        model=Case,
        waits={"status": CaseStatus.PROPOSED},
        proposing="cases.resolve",
        accepting="cases.resolve",
        check=_check_decider,
        seen=lambda case: str(case.version),
        asked=visible,
        link="/api/cases/{id}/",
        what=lambda case: case.kind,
    )
)
"""How a case ends. Of one about money, `case_resolutions` asks for more."""
