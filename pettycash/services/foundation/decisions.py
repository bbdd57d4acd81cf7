"""Decisions: one person proposes, another one decides, and both have seen what (control.md §1).

There are two ways to decide. A ladder of rounds decides about requisitions (`services/approvals`);
everything below that two people decide goes this way. A kind is declared once, beside its facts,
which stay with the entity whose status changes (`models.base.Decidable`). The service locks the
row, asks here, then does what was decided:

    VARIANCE = decisions.declare(DecisionKind(name="variances", …))

    decisions.accept(uow, VARIANCE, found, reason=comment)      # locked; refuses, else writes who
    found.status = VarianceStatus.APPROVED                      # what follows is the service's
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, and_, select, true

from pettycash.models.base import Decidable
from pettycash.runtime import errors
from pettycash.services.foundation import permissions
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.uow import Uow

REASON_LENGTH_MAX = 1000


class OwnProposal(errors.KeptApart):
    """You proposed this: another person must decide it."""

    code = "decision.own"


class AboutYourself(errors.KeptApart):
    """You can't decide what is about yourself, nor propose what gives you a duty."""

    code = "decision.about_yourself"


class NotAProposer(errors.NotAllowed):
    """Your roles do not let you propose this; ask a person who holds such a role."""

    code = "decision.not_a_proposer"


class NotADecider(errors.NotAllowed):
    """Your roles do not let you decide this, or another person is asked."""

    code = "decision.not_a_decider"


class NotTheProposer(errors.NotAllowed):
    """Only the person who proposed this can withdraw it; others can reject it."""

    code = "decision.not_the_proposer"


class NothingProposed(errors.Conflict):
    """No proposal stands here: propose first, or read again what voided an earlier one."""

    code = "decision.nothing_proposed"


class ProposalStands(errors.Conflict):
    """A proposal stands here already: decide it first."""

    code = "decision.already_proposed"


class AlreadyDecided(errors.Conflict):
    """Nothing waits for a decision here any more: read what became of it."""

    code = "decision.already_decided"


class StaleDecision(errors.Conflict):
    """This was altered since you read it: read it again, then decide."""

    code = "decision.stale"


class DigestMissing(errors.RuleViolation):
    """A decision on this needs the digest of what you read."""

    code = "decision.digest_required"


class ReasonMissing(errors.RuleViolation):
    """A reason is needed here, of 1 to 1000 characters."""

    code = "decision.reason_required"


R = TypeVar("R", bound=Decidable)
Condition = ColumnElement[bool]


@dataclass(frozen=True, kw_only=True)
class DecisionKind(Generic[R]):
    """One kind of decision: what waits for it, who takes part, and how it is told."""

    name: str
    """Of this kind of work (`/api/work/`)."""
    model: type[R]
    waits: Mapping[str, Any]
    """The values of a row that waits: its status, or what is not there yet."""
    accepting: str
    """The operation that accepts. Its roles, and those of the next two, stand in `permissions`."""
    refusing: str | None = None
    """The operation that refuses; None: nothing is refused, or both are one operation."""
    proposing: str | None = None
    """The operation that proposes; None: the service says who may."""
    check: Callable[[Uow, R], object] | None = None
    """Refuses who may not decide this row, whatever they say, or what can't be decided now."""
    check_accepting: Callable[[Uow, R], object] | None = None
    """Refuses who may not accept it, where they may refuse it."""
    seen: Callable[[R], str | None] = lambda _row: None
    """The part of the row that a decider sends back as read; None: nothing."""
    asked: Callable[[Actor], Condition] = lambda _actor: true()
    """The rows that a person sees, of those that are theirs to decide."""
    link: str
    """Where a row is read: a path with its `{id}`."""
    what: Callable[[R], str]
    amount: Callable[[R], Decimal] | None = None

    @property
    def is_waiting(self) -> Condition:
        """Rows that wait for a decision."""
        values = (getattr(self.model, name) == value for name, value in self.waits.items())
        return and_(self.model.proposed_at.is_not(None), *values)

    def is_open(self, row: R) -> bool:
        """Whether a row that was proposed waits for a decision."""
        return all(getattr(row, name) == value for name, value in self.waits.items())


_KINDS: dict[str, DecisionKind[Any]] = {}


def declare(kind: DecisionKind[R]) -> DecisionKind[R]:
    """Make a kind known: where its module is imported, once."""
    if kind.name in _KINDS:
        raise RuntimeError(f"the decision {kind.name} is declared twice")
    _KINDS[kind.name] = kind
    return kind


def kinds() -> Sequence[DecisionKind[Any]]:
    """Every declared kind, by name."""
    return [_KINDS[name] for name in sorted(_KINDS)]


def propose(uow: Uow, kind: DecisionKind[R], row: R) -> None:
    """Put the actor's name to what a row proposes.

    Raises:
        NotAProposer: their roles do not propose it.
        ProposalStands, AlreadyDecided: it is proposed, or over.
    """
    check_proposing(uow, kind, row)
    row.proposed_by = uow.actor.user_id
    row.proposed_at = uow.now


def check_proposing(uow: Uow, kind: DecisionKind[R], row: R) -> None:
    """Refuse who may not propose anything about a row as it stands.

    Raises:
        as `propose`.
    """
    if row.decided_at is not None:
        raise AlreadyDecided
    if kind.proposing is not None and not permissions.reaches(uow.actor, kind.proposing):
        raise NotAProposer
    if row.proposed_at is not None:
        raise ProposalStands


def accept(
    uow: Uow, kind: DecisionKind[R], row: R, *, seen: str | None = None, reason: str | None = None
) -> None:
    """Decide, as the second person, that it shall be so; the caller has locked the row.

    Raises:
        NothingProposed, AlreadyDecided: nothing waits here for a decision.
        OwnProposal: the actor proposed it.
        NotADecider: their roles do not decide it.
        DigestMissing, StaleDecision: they saw something else, or do not say what.
        Whatever the kind refuses.
    """
    check(uow, kind, row)
    check_seen(kind, row, seen)
    write(uow, row, reason)


def refuse(
    uow: Uow, kind: DecisionKind[R], row: R, *, seen: str | None = None, reason: str
) -> None:
    """Decide, as the second person, that it shall not be so, and why.

    Raises:
        as `accept`, but what speaks against accepting alone.
        ReasonMissing: no reason.
    """
    check(uow, kind, row, accepts=False)
    check_seen(kind, row, seen)
    write(uow, row, required(reason))


def check(uow: Uow, kind: DecisionKind[R], row: R, *, accepts: bool = True) -> None:
    """Refuse who may not decide a row as it stands.

    Raises:
        NothingProposed, AlreadyDecided, OwnProposal, NotADecider: see `accept`.
    """
    check_waiting(kind, row)
    if row.proposed_by == uow.actor.user_id:
        raise OwnProposal
    operation = kind.accepting if accepts else kind.refusing or kind.accepting
    if not permissions.reaches(uow.actor, operation):
        raise NotADecider
    if kind.check is not None:
        kind.check(uow, row)
    if accepts and kind.check_accepting is not None:
        kind.check_accepting(uow, row)


def check_withdrawing(uow: Uow, kind: DecisionKind[R], row: R) -> None:
    """Refuse who may not take back what a row proposes.

    Raises:
        NothingProposed, AlreadyDecided: nothing waits here for a decision.
        NotTheProposer: it is somebody else's.
    """
    check_waiting(kind, row)
    if row.proposed_by != uow.actor.user_id:
        raise NotTheProposer


def check_waiting(kind: DecisionKind[R], row: R) -> None:
    """Refuse what comes before a proposal, or after its end.

    Raises:
        NothingProposed, AlreadyDecided: nothing waits here for a decision.
    """
    if row.proposed_at is None and row.decided_at is None:
        raise NothingProposed
    if not kind.is_open(row):
        raise AlreadyDecided


def check_seen(kind: DecisionKind[R], row: R, sent: str | None) -> None:
    """Refuse a decision on something else than what stands.

    Raises:
        DigestMissing: nothing was sent back.
        StaleDecision: something else was.
    """
    stands = kind.seen(row)
    if stands is None:
        return
    if sent is None:
        raise DigestMissing(errors={"decision_digest": ["Send back what you read."]})
    if not hmac.compare_digest(stands.encode(), sent.strip().lower().encode("ascii", "replace")):
        raise StaleDecision


def write(uow: Uow, row: Decidable, reason: str | None) -> None:
    """Write whose decision it is, once it is checked."""
    row.decided_by = uow.actor.user_id
    row.decided_at = uow.now
    row.decision_reason = (reason or "").strip() or None


def required(reason: str) -> str:
    """A reason, trimmed.

    Raises:
        ReasonMissing: it is blank or too long.
    """
    trimmed = reason.strip()
    if not trimmed or len(trimmed) > REASON_LENGTH_MAX:
        raise ReasonMissing
    return trimmed


def waiting(uow: Uow, kind: DecisionKind[R]) -> Select[R]:
    """Select the rows of a kind that may be the actor's to decide, the oldest first.

    Which of them are is what `check` says.
    """
    me = uow.actor.user_id
    return (
        select(kind.model)
        .where(kind.is_waiting, kind.model.proposed_by.is_distinct_from(me), kind.asked(uow.actor))
        .order_by(kind.model.id)
    )
