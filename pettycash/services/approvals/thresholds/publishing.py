"""How tiers come and go: drafted by one person, published by the cfo (domain.md §3, §4).

An exclusion constraint refuses two tiers of one currency, origin and period that share an amount.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.models.approvals import ApprovalThreshold, ThresholdOrigin
from pettycash.models.operations import Change
from pettycash.runtime import db, errors, money
from pettycash.runtime.money import Currency
from pettycash.services.approvals import resolution
from pettycash.services.approvals.thresholds.finding import ThresholdNotFound, get
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import changes

STEPS_MAX = 6
NAME_MAX = 100
PRIORITY_DEFAULT = 100
EXCLUSION_VIOLATION = "23P01"


class RoleCannotApprove(errors.RuleViolation):
    """A role of the sequence can't approve, such as staff, treasury, custodian or auditor."""

    code = "threshold.role_cannot_approve"


class InvalidThreshold(errors.RuleViolation):
    """The range, the sequence or the validity of the threshold can't be used."""

    code = "threshold.invalid"


class ThresholdsOverlap(errors.RuleViolation):
    """Another tier of this currency, origin and period serves some of these amounts."""

    code = "threshold.overlap"


class ThresholdsOverlapNow(errors.Conflict):
    """A tier that was published since this was drafted serves some of these amounts."""

    code = "threshold.overlap_at_publication"


class ThresholdEnded(errors.Conflict):
    """The threshold has ended already, or ends earlier."""

    code = "threshold.ended"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A new tier. `replaces_id`: the tier that it supersedes when published."""

    name: str
    currency: Currency
    origin: ThresholdOrigin
    tier: int
    min_amount: Decimal
    max_amount: Decimal | None
    roles_sequence: Sequence[str]
    allow_urgent_fasttrack: bool = False
    requires_cfo: bool = False
    priority: int = PRIORITY_DEFAULT
    valid_from: datetime | None = None
    """Null, or past when it is published: from publication."""
    valid_until: datetime | None = None
    replaces_id: UUID | None = None


def draft(uow: Uow, *, draft: Draft, reason: str) -> Change:
    """Propose a tier; the cfo, who is not the drafter, publishes it with `changes.confirm`.

    Raises:
        InvalidThreshold, RoleCannotApprove: what it says makes no sense.
        ThresholdNotFound: the tier that it replaces does not exist.
        ThresholdEnded: the tier that it replaces has ended.
        ThresholdsOverlap: a published tier serves some of the amounts in the period.
    """
    now = uow.now
    roles = _checked_roles(draft.roles_sequence)
    _check_shape(draft, now=now)
    replaced = _replaced(uow.session, draft.replaces_id, now=now)
    if replaced is not None and (replaced.currency, replaced.origin) != (
        draft.currency.value,
        draft.origin,
    ):
        raise InvalidThreshold(
            "A tier replaces one of its own currency and origin.",
            errors={"replaces_id": ["It is of another currency or origin."]},
        )
    start = max(draft.valid_from or now, now)
    _refuse_overlap(uow.session, draft, start=start, kind=ThresholdsOverlap)
    return changes.propose(
        uow,
        kind="threshold",
        object_id=draft.replaces_id,
        payload=_payload(draft, roles),
        reason=reason,
    )


def retire(uow: Uow, *, threshold_id: UUID, valid_until: datetime | None, reason: str) -> Change:
    """Propose that a tier ends, at an instant or when this is published. Running rounds keep it.

    Raises:
        ThresholdNotFound: none such in the company.
        ThresholdEnded: it has ended, or ends before that.
    """
    threshold = get(uow.session, threshold_id=threshold_id)
    end = max(valid_until or uow.now, uow.now)
    _check_can_end(threshold, end)
    return changes.propose(
        uow,
        kind="threshold_retirement",
        object_id=threshold_id,
        payload={"valid_until": valid_until.isoformat() if valid_until else None},
        reason=reason,
    )


def _checked_roles(sequence: Sequence[str]) -> list[str]:
    roles = [name.strip().lower() for name in sequence]
    known = {role.value for role in Role}
    ranks = {rank.value for rank in resolution.RANKS}
    aliases = {"fp&a": Role.FPA.value}
    unable = [name for name in roles if aliases.get(name, name) in known - ranks]
    if unable:
        raise RoleCannotApprove(
            f"{', '.join(unable)} can't stand in an approval sequence.",
            errors={"roles_sequence": [f"{name} never approves." for name in unable]},
        )
    problems = [f"There is no role {name}." for name in roles if name not in known]
    if len(set(roles)) != len(roles):
        problems.append("A role stands in it once.")
    if not 1 <= len(roles) <= STEPS_MAX:
        problems.append(f"It has 1 to {STEPS_MAX} roles.")
    if problems:
        raise InvalidThreshold(
            "The sequence of roles can't be used.", errors={"roles_sequence": problems}
        )
    return roles


def _check_shape(draft: Draft, *, now: datetime) -> None:
    wrong: dict[str, list[str]] = {}
    for field in ("min_amount", "max_amount"):
        amount = getattr(draft, field)
        if amount is None:
            continue
        try:
            money.checked(amount, draft.currency)
        except money.InvalidAmount as refusal:
            wrong[field] = [refusal.detail]
    if draft.min_amount < 0:
        wrong["min_amount"] = ["It is not negative."]
    if draft.max_amount is not None and draft.max_amount <= draft.min_amount:
        wrong["max_amount"] = ["It is above min_amount, or null for no limit."]
    if draft.tier < 1:
        wrong["tier"] = ["Tiers count from 1."]
    if draft.priority < 0:
        wrong["priority"] = ["It is not negative; the lower wins."]
    if not 1 <= len(draft.name.strip()) <= NAME_MAX:
        wrong["name"] = [f"It has 1 to {NAME_MAX} characters."]
    if draft.valid_until is not None and draft.valid_until <= max(draft.valid_from or now, now):
        wrong["valid_until"] = ["It is after valid_from and in the future."]
    if wrong:
        raise InvalidThreshold("The threshold can't be used.", errors=wrong)


def _replaced(
    session: Session, threshold_id: UUID | None, *, now: datetime
) -> ApprovalThreshold | None:
    if threshold_id is None:
        return None
    replaced = get(session, threshold_id=threshold_id)
    if replaced.valid_until is not None and replaced.valid_until <= now:
        raise ThresholdEnded("The tier to be replaced has ended; draft without replacing it.")
    return replaced


def _check_can_end(threshold: ApprovalThreshold, end: datetime) -> None:
    if threshold.valid_until is not None and threshold.valid_until <= end:
        raise ThresholdEnded(f"{threshold.name} ends at {threshold.valid_until.isoformat()}.")
    if threshold.valid_from >= end:
        raise ThresholdEnded(f"{threshold.name} begins only at {threshold.valid_from.isoformat()}.")


def _refuse_overlap(
    session: Session, draft: Draft, *, start: datetime, kind: type[errors.PettycashError]
) -> None:
    """Say which tiers stand in the way; the database would only say that some does."""
    open_end = func.coalesce(draft.max_amount, text("'infinity'::numeric"))
    until = ApprovalThreshold.valid_until
    in_the_way = list(
        session.execute(
            select(ApprovalThreshold.name)
            .where(
                ApprovalThreshold.currency == draft.currency.value,
                ApprovalThreshold.origin == draft.origin,
                ApprovalThreshold.id != draft.replaces_id if draft.replaces_id else text("true"),
                ApprovalThreshold.min_amount < open_end,
                or_(
                    ApprovalThreshold.max_amount.is_(None),
                    ApprovalThreshold.max_amount > draft.min_amount,
                ),
                or_(until.is_(None), until > start),
                ApprovalThreshold.valid_from < draft.valid_until
                if draft.valid_until
                else text("true"),
            )
            .order_by(ApprovalThreshold.min_amount)
        ).scalars()
    )
    if in_the_way:
        raise kind(
            f"These amounts are served already by {', '.join(in_the_way)}.",
            errors={"min_amount": ["The range overlaps a published tier."]},
        )


def _payload(draft: Draft, roles: Sequence[str]) -> dict[str, Any]:
    return {
        "name": draft.name.strip(),
        "currency": draft.currency.value,
        "origin": draft.origin.value,
        "tier": draft.tier,
        "min_amount": f"{draft.min_amount:.2f}",
        "max_amount": None if draft.max_amount is None else f"{draft.max_amount:.2f}",
        "roles_sequence": list(roles),
        "allow_urgent_fasttrack": draft.allow_urgent_fasttrack,
        "requires_cfo": draft.requires_cfo,
        "priority": draft.priority,
        "valid_from": draft.valid_from.isoformat() if draft.valid_from else None,
        "valid_until": draft.valid_until.isoformat() if draft.valid_until else None,
        "replaces_id": str(draft.replaces_id) if draft.replaces_id else None,
    }


def _from_payload(payload: Mapping[str, Any]) -> Draft:
    return Draft(
        name=payload["name"],
        currency=Currency(payload["currency"]),
        origin=ThresholdOrigin(payload["origin"]),
        tier=payload["tier"],
        min_amount=Decimal(payload["min_amount"]),
        max_amount=None if payload["max_amount"] is None else Decimal(payload["max_amount"]),
        roles_sequence=payload["roles_sequence"],
        allow_urgent_fasttrack=payload["allow_urgent_fasttrack"],
        requires_cfo=payload["requires_cfo"],
        priority=payload["priority"],
        valid_from=_instant(payload["valid_from"]),
        valid_until=_instant(payload["valid_until"]),
        replaces_id=UUID(payload["replaces_id"]) if payload["replaces_id"] else None,
    )


def _instant(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _one_at_a_time(session: Session) -> None:
    """Serialise publication per company, so that the loser learns which tier was faster."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('thresholds:' || :company, 0))"),
        {"company": str(session.info["scope"].company_id)},
    )


def _publish(uow: Uow, change: Change) -> None:
    """Make a confirmed draft effective.

    Raises:
        ThresholdEnded: the tier that it replaces has ended since.
        InvalidThreshold: it would end before it begins.
        ThresholdsOverlapNow: somebody published an overlapping tier since.
    """
    session = uow.session
    said = _from_payload(change.payload)
    _one_at_a_time(session)
    start = max(said.valid_from or uow.now, uow.now)
    _check_shape(said, now=uow.now)
    version = 1
    if said.replaces_id is not None:
        replaced = db.lock(session, ApprovalThreshold, said.replaces_id)
        if replaced is None:
            raise ThresholdNotFound
        _check_can_end(replaced, start)
        replaced.valid_until = start
        version = replaced.version + 1
        session.flush()  # the exclusion constraint must see the old tier end first
    _refuse_overlap(session, said, start=start, kind=ThresholdsOverlapNow)
    published = ApprovalThreshold(
        company_id=change.company_id,
        currency=said.currency.value,
        origin=said.origin,
        tier=said.tier,
        name=said.name,
        min_amount=said.min_amount,
        max_amount=said.max_amount,
        roles_sequence=list(said.roles_sequence),
        allow_urgent_fasttrack=said.allow_urgent_fasttrack,
        requires_cfo=said.requires_cfo,
        priority=said.priority,
        valid_from=start,
        valid_until=said.valid_until,
        version=version,
        drafted_by=change.proposed_by,
        published_by=uow.actor.user_id,
    )
    try:
        with session.begin_nested():
            session.add(published)
            session.flush()  # here, as the exclusion constraint decides
    except IntegrityError as error:
        if db.sqlstate(error) != EXCLUSION_VIOLATION:
            raise
        raise ThresholdsOverlapNow from error


def _end(uow: Uow, change: Change) -> None:
    """Make a confirmed retirement effective: at its instant, or now if that has passed."""
    _one_at_a_time(uow.session)
    threshold = (
        db.lock(uow.session, ApprovalThreshold, change.object_id) if change.object_id else None
    )
    if threshold is None:
        raise ThresholdNotFound
    end = max(_instant(change.payload["valid_until"]) or uow.now, uow.now)
    _check_can_end(threshold, end)
    threshold.valid_until = end


changes.register(
    "threshold",
    proposers=frozenset({Role.GROUP_FINANCE_MANAGER, Role.CFO}),
    confirmers=frozenset({Role.CFO}),
    apply=_publish,
    alerts=True,
)
changes.register(
    "threshold_retirement",
    proposers=frozenset({Role.GROUP_FINANCE_MANAGER, Role.CFO}),
    confirmers=frozenset({Role.CFO}),
    apply=_end,
    alerts=True,
)
