"""Subjects of a release, the kinds that there are of them, and the people who may release them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from pettycash.models.access import Membership, Role, RoleAssignment, User
from pettycash.models.releases import Releasable, ReleaseChallenge
from pettycash.runtime import errors
from pettycash.services.foundation import digests, duties
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.uow import Uow


class TreasuryFirst(errors.KeptApart):
    """A treasury officer can release this; the cfo steps in only where none can."""

    code = "release.treasury_first"


class NotTheExecutor(errors.KeptApart):
    """Another person was named to release this, with a code of their own."""

    code = "release.not_executor"


class ReleaseLocked(errors.Conflict):
    """Too many codes failed; treasury or the cfo, not the executor, must unlock the release."""

    code = "release.locked"


class SubjectGone(errors.NotFound):
    """There is nothing here to release."""

    code = "release.subject_not_found"


@dataclass(frozen=True, kw_only=True)
class ReleaseSubject:
    """The subject of a code: the facts that its message shows, and the people ruled out.

    `digest` covers everything that may not change between code and release. `excluded` are people
    whom segregation of duties keeps from releasing it, and what they are told; `only`, where given,
    names the only ones who may (the custodian and the alternate of a cash voucher), instead of
    treasury and cfo. `conflicted` are approvers who have another duty: nothing is released before
    somebody else has approved it.
    """

    kind: str
    id: UUID
    digest: bytes
    amount: Decimal
    currency: str
    payee_text: str
    excluded: Mapping[UUID, NotSeparate] = field(default_factory=dict)
    conflicted: frozenset[UUID] = frozenset()
    only: frozenset[UUID] | None = None


@dataclass(frozen=True, kw_only=True)
class ReleaseKind:
    """A kind of subject, declared in the domain of its rows; `composition` registers it."""

    name: str
    lock: Callable[[Session, UUID], Releasable | None]
    """The row, locked: codes, releases and changes of one subject take turns."""
    lines: Callable[[Session, UUID], tuple[str, ...]]
    """Amount, payee and destination, in a code's message: nobody releases what they do not see."""


_KINDS: dict[str, ReleaseKind] = {}


def register(*kinds: ReleaseKind) -> None:
    """Say all that is released by a code, in the order of their locks (`db.lock`)."""
    _KINDS.clear()
    _KINDS.update({each.name: each for each in kinds})


def kind_of(name: str) -> ReleaseKind:
    """A kind that is released by a code."""
    return _KINDS[name]


def lock_order(challenge: ReleaseChallenge) -> tuple[int, UUID]:
    """Where the subject of a challenge comes among those that are locked together."""
    return list(_KINDS).index(challenge.subject_kind), challenge.subject_id


def bound_digest(subject: ReleaseSubject, executor_id: UUID) -> bytes:
    """The digest that binds a challenge: the facts, as the message shows them, and the executor."""
    return digests.digest(
        {
            "kind": subject.kind,
            "id": subject.id,
            "subject": subject.digest.hex(),
            "amount": subject.amount,
            "currency": subject.currency,
            "payee": subject.payee_text,
            "executor": executor_id,
        }
    )


def locked_row(session: Session, subject: ReleaseSubject) -> Releasable:
    """The subject's row, locked: codes, releases and changes of one subject take turns.

    Raises:
        SubjectGone: no such row in this company.
    """
    row = kind_of(subject.kind).lock(session, subject.id)
    if row is None:
        raise SubjectGone
    return row


def about(subject: ReleaseSubject) -> ColumnElement[bool]:
    """Challenges of this subject."""
    return ReleaseChallenge.subject_id == subject.id


def check_releaser(uow: Uow, *, subject: ReleaseSubject) -> None:
    """Refuse who may not release this.

    Raises:
        ApprovalVoid: somebody who approved it has another duty.
        NotSeparate: they requested, approved, made or receive it, or cash is not theirs to pay; the
            detail names it.
        TreasuryFirst: the cfo, while a treasury officer qualifies.
    """
    actor = uow.actor
    if subject.conflicted:
        raise duties.ApprovalVoid
    if actor.user_id in subject.excluded:
        raise subject.excluded[actor.user_id]
    pair = duties.incompatible(actor.role_set)
    if pair is not None:
        raise NotSeparate(f"You hold {pair[0]} and {pair[1]}, which no releaser may hold together.")
    if subject.only is not None:
        if actor.user_id not in subject.only:
            raise NotSeparate("Only the custodian of its fund may pay cash.")
        return
    if actor.has(Role.TREASURY):
        return
    if not actor.has(Role.CFO):
        raise NotSeparate("Only treasury may release payments.")
    if _treasury_qualifies(uow.session, excluded=subject.excluded, now=uow.now):
        raise TreasuryFirst


def may_release(session: Session, *, subject: ReleaseSubject, user_id: UUID, now: datetime) -> bool:
    """Whether a person other than the caller could release it: for assigning an executor."""
    if user_id in subject.excluded:
        return False
    if subject.only is not None:
        return user_id in subject.only
    if user_id in _holders(session, Role.TREASURY, now=now):
        return True
    return user_id in _holders(session, Role.CFO, now=now) and not _treasury_qualifies(
        session, excluded=subject.excluded, now=now
    )


def _treasury_qualifies(
    session: Session, *, excluded: Mapping[UUID, NotSeparate], now: datetime
) -> bool:
    return bool(_holders(session, Role.TREASURY, now=now) - set(excluded))


def _holders(session: Session, role: Role, *, now: datetime) -> frozenset[UUID]:
    """Active people with a live assignment of a role in this company."""
    found = session.execute(
        select(RoleAssignment.user_id)
        .join(Membership, Membership.user_id == RoleAssignment.user_id)
        .join(User, User.id == RoleAssignment.user_id)
        .where(
            RoleAssignment.role == role,
            RoleAssignment.valid_from <= now,
            or_(RoleAssignment.valid_until.is_(None), RoleAssignment.valid_until > now),
            Membership.is_active,
            User.is_active,
        )
    ).scalars()
    return frozenset(found)
