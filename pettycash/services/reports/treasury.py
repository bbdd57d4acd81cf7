"""How the day goes: what was released today and became what, and what is in doubt since when."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import case, func, literal, select

from pettycash.models.base import first_id
from pettycash.models.payments import AttemptState, Payment, PaymentAttempt, PaymentStatus
from pettycash.models.releases import PaymentExecution
from pettycash.runtime import clock
from pettycash.services.foundation import company_settings, visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments.lists import of_payments

SKEW = timedelta(hours=1)
"""By so much a host that makes keys may be behind PostgreSQL's clock."""


class Age(StrEnum):
    """How long something is in doubt."""

    HOUR = "under_an_hour"
    DAY = "under_a_day"
    LONGER = "longer"


@dataclass(frozen=True, kw_only=True)
class Count:
    """Payments that are alike."""

    currency: str
    count: int
    amount: Decimal


@dataclass(frozen=True, kw_only=True)
class Released(Count):
    """Releases of the day in one state."""

    state: AttemptState


@dataclass(frozen=True, kw_only=True)
class Doubtful(Count):
    """Payments in doubt of one age."""

    age: Age


@dataclass(frozen=True, kw_only=True)
class Today:
    """The day so far, in the company's time zone."""

    day: date
    executions: tuple[Released, ...]
    in_doubt: tuple[Doubtful, ...]


def today(uow: Uow) -> Today:
    """Count what was released today, and what is in doubt, by currency."""
    zone = company_settings.current(uow.session).timezone
    day = clock.business_date(uow.now, zone)
    return Today(day=day, executions=_executions(uow, day, zone), in_doubt=_in_doubt(uow))


def _executions(uow: Uow, day: date, zone: str) -> tuple[Released, ...]:
    begins, _ = clock.day_bounds(day, zone)
    released = PaymentExecution
    rows = uow.session.execute(
        select(PaymentAttempt.state, released.currency, func.count(), func.sum(released.amount))
        .join(PaymentAttempt, PaymentAttempt.execution_id == released.id)
        .where(
            released.id >= first_id(begins - SKEW),
            released.created_at >= begins,
            of_payments(uow.actor, released.payment_id),
        )
        .group_by(PaymentAttempt.state, released.currency)
        .order_by(released.currency, PaymentAttempt.state)
    )
    return tuple(
        Released(state=state, currency=currency, count=count, amount=amount)
        for state, currency, count, amount in rows
    )


def _in_doubt(uow: Uow) -> tuple[Doubtful, ...]:
    since = Payment.status_changed_at
    age = case(
        (since > uow.now - timedelta(hours=1), literal(Age.HOUR.value)),
        (since > uow.now - timedelta(days=1), literal(Age.DAY.value)),
        else_=literal(Age.LONGER.value),
    ).label("age")
    rows = uow.session.execute(
        select(age, Payment.currency, func.count(), func.sum(Payment.amount))
        .where(Payment.status == PaymentStatus.IN_DOUBT, visibility.payments(uow.actor))
        .group_by(age, Payment.currency)
    )
    found = [
        Doubtful(age=Age(name), currency=currency, count=count, amount=amount)
        for name, currency, count, amount in rows
    ]
    return tuple(sorted(found, key=lambda each: (each.currency, list(Age).index(each.age))))
