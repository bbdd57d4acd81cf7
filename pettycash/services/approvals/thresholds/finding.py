"""Finding the published tier of an amount (domain.md §4, "Resolution" point 1)."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from pettycash.models.approvals import ApprovalThreshold, Origin, ThresholdOrigin
from pettycash.runtime import errors, money


class ThresholdNotFound(errors.NotFound):
    """There is no such threshold in this company."""

    code = "threshold.not_found"


class NoThreshold(errors.RuleViolation):
    """No published threshold serves this amount, currency and origin."""

    code = "workflow.no_threshold"


def live(at: datetime) -> ColumnElement[bool]:
    """Tiers in force at an instant."""
    return and_(
        ApprovalThreshold.valid_from <= at,
        or_(ApprovalThreshold.valid_until.is_(None), ApprovalThreshold.valid_until > at),
    )


def serving(origin: Origin) -> ColumnElement[bool]:
    """Tiers that an origin may fall under: its own and `any`."""
    return ApprovalThreshold.origin.in_([ThresholdOrigin(origin.value), ThresholdOrigin.ANY])


def find(
    session: Session, *, currency: str, origin: Origin, amount: Decimal, at: datetime
) -> ApprovalThreshold | None:
    """The tier that serves an amount: an exact origin beats `any`, then the lower priority."""
    return session.execute(
        select(ApprovalThreshold)
        .where(
            ApprovalThreshold.currency == currency,
            serving(origin),
            ApprovalThreshold.min_amount < amount,
            or_(ApprovalThreshold.max_amount.is_(None), ApprovalThreshold.max_amount >= amount),
            live(at),
        )
        .order_by(
            case((ApprovalThreshold.origin == ThresholdOrigin.ANY, 1), else_=0),
            ApprovalThreshold.priority,
            ApprovalThreshold.id,
        )
        .limit(1)
    ).scalar_one_or_none()


def require(
    session: Session, *, currency: str, origin: Origin, amount: Decimal, at: datetime
) -> ApprovalThreshold:
    """The tier that serves an amount.

    Raises:
        NoThreshold: none does.
    """
    found = find(session, currency=currency, origin=origin, amount=amount, at=at)
    if found is None:
        raise NoThreshold(
            f"No threshold serves {currency} {money.text(amount, currency)} of origin {origin}.",
            errors={"amount": ["No approval tier is published for it."]},
        )
    return found


def top_tier(session: Session, *, currency: str, origin: Origin, at: datetime) -> int:
    """The highest live tier number of a currency and origin; 0 where there is none."""
    return session.execute(
        select(func.coalesce(func.max(ApprovalThreshold.tier), 0)).where(
            ApprovalThreshold.currency == currency, serving(origin), live(at)
        )
    ).scalar_one()


def get(session: Session, *, threshold_id: UUID) -> ApprovalThreshold:
    """One published tier, live or not.

    Raises:
        ThresholdNotFound: none such in the company.
    """
    found = session.get(ApprovalThreshold, threshold_id)
    if found is None:
        raise ThresholdNotFound
    return found
