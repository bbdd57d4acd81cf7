"""Amounts that no published tier serves: gaps per currency and origin (defect D27)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.approvals import ApprovalThreshold, Origin, ThresholdOrigin
from pettycash.models.imprest import Fund
from pettycash.runtime.money import Currency
from pettycash.services.approvals.thresholds.finding import live
from pettycash.services.foundation import company_settings


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Amounts above `min_amount`, up to `max_amount` (null: without limit), that nobody serves."""

    min_amount: Decimal
    max_amount: Decimal | None


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The amounts that the tiers of one currency and origin leave open."""

    currency: Currency
    origin: Origin
    gaps: Sequence[Gap]

    @property
    def is_complete(self) -> bool:
        """Whether every amount finds a tier."""
        return not self.gaps


def gaps(ranges: Iterable[tuple[Decimal, Decimal | None]]) -> list[Gap]:
    """The gaps above nought that half-open ranges `(min, max]` leave, rising."""
    found = []
    covered: Decimal | None = Decimal(0)
    for low, high in sorted(ranges, key=lambda pair: pair[0]):
        if covered is None:
            break
        if low > covered:
            found.append(Gap(min_amount=covered, max_amount=low))
        covered = None if high is None else max(covered, high)
    if covered is not None:
        found.append(Gap(min_amount=covered, max_amount=None))
    return found


def coverage(session: Session, *, at: datetime) -> list[Coverage]:
    """Every origin of every currency that the company uses: its own, its funds', its tiers'."""
    tiers = list(session.execute(select(ApprovalThreshold).where(live(at))).scalars())
    used = {company_settings.current(session).currency, *(tier.currency for tier in tiers)}
    used.update(session.execute(select(Fund.currency).where(Fund.is_active).distinct()).scalars())
    return [
        Coverage(
            currency=currency,
            origin=origin,
            gaps=gaps(
                (tier.min_amount, tier.max_amount)
                for tier in tiers
                if tier.currency == currency.value
                and tier.origin in (ThresholdOrigin.ANY, ThresholdOrigin(origin.value))
            ),
        )
        for currency in Currency
        if currency.value in used
        for origin in Origin
    ]
