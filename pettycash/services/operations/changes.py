"""Two-person changes: proposed by one, made effective by a second holder of the same right.

One mechanism for everything that no one may change alone (domain.md §3). The module of a domain
registers its kinds when it is imported; a proposal keeps the checked payload, and confirming it
calls the kind's `apply` in the same transaction.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true
from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.base import new_id
from pettycash.models.operations import Change, ChangeStatus
from pettycash.models.payments import Payment
from pettycash.models.requisitions import Requisition
from pettycash.runtime import db, errors
from pettycash.runtime.sanitising import sanitise
from pettycash.services.foundation import decisions, security_log
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.decisions import DecisionKind
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import security_alerts

Apply = Callable[[Uow, Change], None]
Subject = Callable[[Change], UUID | None]
Lock = Callable[[Session, Change], None]
Before = Callable[[Session, Change], Mapping[str, Any]]

ROWS = "rows"
"""The part of a payload that is read with the one change alone, by those who decide it: lists and
logs leave it out."""

READERS = frozenset(
    {
        Role.ADMIN,
        Role.CFO,
        Role.TREASURY,
        Role.GROUP_FINANCE_MANAGER,
        Role.OPERATOR,
        Role.AUDITOR,
    }
)
"""Readers of the proposals of others, and of their ends."""


class ChangeNotFound(errors.NotFound):
    """There is no such proposed change in this company."""

    code = "change.not_found"


class UnknownChange(errors.RuleViolation):
    """This kind of change does not exist, or is proposed at an endpoint of its own."""

    code = "change.unknown_kind"


@dataclass(frozen=True, kw_only=True)
class ChangeProposal:
    """A change that is to be proposed, as it came over the wire."""

    object_id: UUID | None
    payload: Mapping[str, Any]


Read = Callable[[Session, ChangeProposal, datetime], ChangeProposal]


@dataclass(frozen=True, kw_only=True)
class ChangeKind:
    """One kind of change and who may take part in it."""

    proposers: frozenset[Role]
    confirmers: frozenset[Role]
    apply: Apply
    read: Read | None
    """Checks a proposal that comes through the general endpoint; None: it has its own endpoint."""
    about: Subject | None
    """The person whom the change is about, if any: they can't confirm it."""
    check_decider: Apply | None
    """Refuses who may not decide this very proposal; None: confirmers and the cfo may."""
    ended: Apply | None
    """Called where it is rejected or withdrawn."""
    lock: Lock | None
    """Locks what the proposal is about, which everybody locks before the proposal."""
    before: Before | None
    """The values that hold now where the payload has others; JSON."""
    names_payees: bool
    """Whether a proposal shows where money goes, which those who only run the system don't see."""
    alerts: bool = False
    """Whether the cfo and the auditors are told once it holds."""
    benefits: bool = False
    """Whether the person it is about gains by it, and so can't propose it either."""


_KINDS: dict[str, ChangeKind] = {}


def register(
    kind: str,
    *,
    proposers: frozenset[Role],
    confirmers: frozenset[Role],
    apply: Apply,
    read: Read | None = None,
    about: Subject | None = None,
    check_decider: Apply | None = None,
    ended: Apply | None = None,
    lock: Lock | None = None,
    before: Before | None = None,
    names_payees: bool = False,
    alerts: bool = False,
    benefits: bool = False,
) -> None:
    """Make a kind of change known. Called once, when the domain's module is imported."""
    if kind in _KINDS:
        raise RuntimeError(f"the change {kind} is registered twice")
    _KINDS[kind] = ChangeKind(
        proposers=proposers,
        confirmers=confirmers,
        apply=apply,
        read=read,
        about=about,
        check_decider=check_decider,
        ended=ended,
        lock=lock,
        before=before,
        names_payees=names_payees,
        alerts=alerts,
        benefits=benefits,
    )


def kinds() -> Mapping[str, ChangeKind]:
    """Every registered kind by name."""
    return _KINDS


def propose(
    uow: Uow,
    *,
    kind: str,
    object_id: UUID | None,
    payload: Mapping[str, Any],
    reason: str,
    digest: bytes | None = None,
    decider_id: UUID | None = None,
) -> Change:
    """Keep a proposal whose payload the caller has checked; JSON values only.

    With a digest, who decides sends it back; with a decider, it is in their inbox.

    Raises:
        UnknownChange: nobody registered the kind.
        NotAProposer: the actor lacks the role.
        AboutYourself: the actor would gain by it.
        ReasonMissing: the reason is blank or too long.
    """
    actor = uow.actor
    known = _known(kind)
    if not actor.has(*known.proposers):
        raise decisions.NotAProposer
    change = Change(
        id=new_id(),
        company_id=actor.company_id,
        kind=kind,
        object_id=object_id,
        payload=dict(payload),
        reason=decisions.required(reason),
        digest=digest,
        decider_id=decider_id,
        status=ChangeStatus.PROPOSED,
    )
    if known.benefits and known.about is not None and known.about(change) == actor.user_id:
        raise decisions.AboutYourself
    decisions.propose(uow, CHANGE, change)
    uow.session.add(change)
    uow.session.flush()  # its time is the database's, and the answer shows it
    _log_event(uow, change, "proposed")
    return change


def propose_any(
    uow: Uow, *, kind: str, object_id: UUID | None, payload: Mapping[str, Any], reason: str
) -> Change:
    """Propose a change of a kind that reads its own payload.

    Raises:
        UnknownChange: no such kind, or it is proposed at its own endpoint.
        NotAProposer, ReasonMissing: see `propose`; and what the kind itself refuses.
    """
    known = _known(kind)
    if known.read is None:
        raise UnknownChange(f"A change of kind {kind} is proposed at its own endpoint.")
    if not uow.actor.has(*known.proposers):
        raise decisions.NotAProposer
    checked = known.read(uow.session, ChangeProposal(object_id=object_id, payload=payload), uow.now)
    return propose(
        uow, kind=kind, object_id=checked.object_id, payload=checked.payload, reason=reason
    )


def without_rows(change: Change) -> dict[str, Any]:
    """The payload as lists and logs have it."""
    return {name: value for name, value in change.payload.items() if name != ROWS}


def before(session: Session, change: Change) -> Mapping[str, Any] | None:
    """The values that hold now instead of those of a proposal that waits; None: there are none."""
    kind = _KINDS.get(change.kind)
    if kind is None or kind.before is None or change.status is not ChangeStatus.PROPOSED:
        return None
    return kind.before(session, change)


def is_read_whole(change: Change, actor: Actor) -> bool:
    """Whether the payload is shown with its rows, which may hold contacts: to the person who
    proposed them, and to people who may decide on them."""
    kind = _KINDS.get(change.kind)
    may_decide = kind is not None and actor.has(*kind.confirmers, Role.CFO)
    is_theirs = may_decide or change.proposed_by == actor.user_id
    return ROWS not in change.payload or (is_theirs and actor.client_id is None)


def visible(actor: Actor) -> ColumnElement[bool]:
    """Own proposals, those that the actor decides, for readers all; payees for who sees them."""
    named = [name for name, kind in _KINDS.items() if kind.names_payees]
    others: ColumnElement[bool] = true() if actor.has(*READERS) else false()
    if not actor.has(*READERS - {Role.ADMIN, Role.OPERATOR}):
        others = others & Change.kind.not_in(named)
    return or_(Change.proposed_by == actor.user_id, Change.decider_id == actor.user_id, others)


def get(uow: Uow, *, change_id: UUID) -> Change:
    """One change that the actor may read or decide, whatever became of it.

    Raises:
        ChangeNotFound: none such.
    """
    found = uow.session.execute(
        select(Change, visible(uow.actor)).where(Change.id == change_id)
    ).one_or_none()
    if found is None:
        raise ChangeNotFound
    change, is_visible = found
    if not is_visible:
        kind = _KINDS.get(change.kind)
        check_decider = kind.check_decider if kind is not None else None
        if check_decider is None or change.status is not ChangeStatus.PROPOSED:
            raise ChangeNotFound
        try:
            check_decider(uow, change)
        except errors.PettycashError as refusal:
            raise ChangeNotFound from refusal
    return change


def confirm(
    uow: Uow, *, change_id: UUID, digest: str | None = None, comment: str | None = None
) -> Change:
    """Make a proposal effective, as the second person.

    Raises:
        ChangeNotFound, AlreadyDecided: there is nothing to decide.
        OwnProposal: the proposer confirms.
        NotADecider: neither a holder of the kind's right nor the cfo, or not who is asked.
        AboutYourself: the change is about the confirmer.
        DigestMissing, StaleDecision: the proposal has a digest, and another one was sent, or none.
        Whatever the kind refuses when it is applied.
    """
    change = _locked(uow.session, change_id)
    decisions.accept(uow, CHANGE, change, seen=digest, reason=comment)
    change.status = ChangeStatus.EFFECTIVE
    kind = _known(change.kind)
    kind.apply(uow, change)
    event_id = _log_event(uow, change, "confirmed")
    if kind.alerts:
        security_alerts.enqueue(uow.session, event_id=event_id)
    return change


def reject(uow: Uow, *, change_id: UUID, digest: str | None = None, comment: str) -> Change:
    """Refuse a proposal, with a reason, as the second person.

    Raises:
        ChangeNotFound, AlreadyDecided, OwnProposal, NotADecider, DigestMissing, StaleDecision: see
            `confirm`.
        ReasonMissing: no comment.
    """
    change = _locked(uow.session, change_id)
    decisions.refuse(uow, CHANGE, change, seen=digest, reason=comment)
    _end(uow, change, ChangeStatus.REJECTED)
    return change


def withdraw(uow: Uow, *, change_id: UUID) -> Change:
    """Take one's own proposal back.

    Raises:
        ChangeNotFound, AlreadyDecided: there is nothing to withdraw.
        NotTheProposer: it is somebody else's.
    """
    change = _locked(uow.session, change_id)
    decisions.check_withdrawing(uow, CHANGE, change)
    decisions.write(uow, change, None)
    _end(uow, change, ChangeStatus.WITHDRAWN)
    return change


def drop_redirect(uow: Uow, of: Payment | Requisition, *, comment: str) -> None:
    """End the open redirect of what has ended, if there is one; the caller has locked it."""
    if of.open_redirect_id is None:
        return
    change = db.lock(uow.session, Change, of.open_redirect_id)
    assert change is not None, "an open proposal is never deleted"
    decisions.write(uow, change, comment)
    change.status = ChangeStatus.WITHDRAWN
    _log_event(uow, change, "withdrawn")
    of.open_redirect_id = None


def _known(kind: str) -> ChangeKind:
    known = _KINDS.get(kind)
    if known is None:
        raise UnknownChange(f"There is no change of kind {kind}.")
    return known


def _locked(session: Session, change_id: UUID) -> Change:
    change = session.get(Change, change_id)
    if change is None:
        raise ChangeNotFound
    lock = _known(change.kind).lock
    if lock is not None:
        lock(session, change)
    change = db.lock(session, Change, change_id)
    if change is None:
        raise ChangeNotFound
    return change


def _end(uow: Uow, change: Change, status: ChangeStatus) -> None:
    change.status = status
    ended = _known(change.kind).ended
    if ended is not None:
        ended(uow, change)
    _log_event(uow, change, status.value)


def _check_decider(uow: Uow, change: Change) -> None:
    kind = _known(change.kind)
    if kind.check_decider is not None:
        kind.check_decider(uow, change)
    elif not uow.actor.has(*kind.confirmers, Role.CFO):
        raise decisions.NotADecider


def _check_benefit(uow: Uow, change: Change) -> None:
    about = _known(change.kind).about
    if about is not None and about(change) == uow.actor.user_id:
        raise decisions.AboutYourself


def _asked(actor: Actor) -> ColumnElement[bool]:
    """Changes that a person sees and decides, or that they alone are asked for.

    A redirect waits in the inbox, beside the requisition that it is about.
    """
    me = actor.user_id
    return and_(
        visible(actor), Change.kind != "redirect", func.coalesce(Change.decider_id, me) == me
    )


def _log_event(uow: Uow, change: Change, outcome: str) -> UUID:
    return security_log.record(
        uow.session,
        event=f"change.{outcome}",
        outcome="ok",
        detail={
            "change_id": str(change.id),
            "kind": change.kind,
            "object_id": str(change.object_id) if change.object_id else None,
            "payload": sanitise(without_rows(change)),
        },
        actor=uow.actor,
    )


CHANGE = decisions.declare(
    DecisionKind(
        name="changes",
        model=Change,
        waits={"status": ChangeStatus.PROPOSED},
        accepting="changes.confirm",
        refusing="changes.reject",
        check=_check_decider,
        check_accepting=_check_benefit,
        seen=lambda change: None if change.digest is None else change.digest.hex(),
        asked=_asked,
        link="/api/changes/{id}/",
        what=lambda change: change.kind,
    )
)
"""A change of whatever kind: who decides it is the kind's."""
