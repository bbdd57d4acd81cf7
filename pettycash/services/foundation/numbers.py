"""Short numbers that people see: REQ-2026-000123. Unique per company, not gapless."""

import math
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from pettycash.models.access import Counter
from pettycash.models.base import Numbered, new_id
from pettycash.services.foundation.company_settings import TIMEZONE_DEFAULT

NIL = UUID(int=0)

JUMP_MIN, JUMP_ROUND = 1_000, 100
JUMP_MARGIN = 10
"""How many times what the busiest hour used."""
BUSIEST_OF = timedelta(days=28)
DAY = timedelta(days=1)


def next_number(session: Session, kind: type[Numbered], *, now: datetime) -> str:
    """Take the next number of a kind of rows and a year. Locks the counter until commit: call late.

    The year is the company's: its first of January begins before or after that of Greenwich.
    """
    taken = session.execute(
        NEXT, {"id": new_id(), "kind": kind.prefix, "now": now, "default": TIMEZONE_DEFAULT}
    ).one()
    return f"{kind.prefix}-{taken.year}-{taken.last:06d}"


def id_of(session: Session, kind: type[Numbered], key: UUID | str) -> UUID:
    """The id of what bears a number; an id is given back as it is.

    A number that nobody has leads to an id that nobody has: who looks for it finds nothing.
    """
    if isinstance(key, UUID):
        return key
    found = session.execute(select(kind.id).where(kind.number == key)).scalar_one_or_none()
    return found or NIL


NEXT = text(
    """
    INSERT INTO counters (id, company_id, kind, year, last)
    SELECT :id, current_company(), :kind,
        extract(year FROM CAST(:now AS timestamptz) AT TIME ZONE coalesce((
            SELECT data ->> 'timezone' FROM company_settings
            WHERE company_id = current_company() ORDER BY version DESC LIMIT 1), :default)), 1
    ON CONFLICT (company_id, kind, year) DO UPDATE SET last = counters.last + 1
    RETURNING year, last
    """
)


def jump(
    session: Session, *, company_id: UUID, since: datetime, now: datetime
) -> dict[str, tuple[int, int]]:
    """Skip every number that can have been given out since an instant (owner).

    People may have seen them, on paper and on a rail, although nothing here knows of them any more.
    Ten times what the busiest hour of the four weeks before used, for each hour, a thousand at
    least; also of a counter that the time itself may have begun, with its first number or the year.

    Returns:
        The first and the last number that is skipped, by prefix and year: `PAY-2026`.
    """
    since, now = since.astimezone(UTC), now.astimezone(UTC)
    hours = max((now - since).total_seconds() / 3600, 1.0)
    skipped: dict[str, tuple[int, int]] = {}
    for model in Numbered.__subclasses__():
        per_hour = _busiest_hour(session, model, company_id=company_id, since=since)
        needed = max(JUMP_MIN, math.ceil(per_hour * hours * JUMP_MARGIN))
        # A company's year begins up to a day before or after that of Greenwich.
        for year in range((since - DAY).year, (now + DAY).year + 1):
            counter = {"company_id": company_id, "kind": model.prefix, "year": year}
            session.execute(insert(Counter).values(last=0, **counter).on_conflict_do_nothing())
            found = session.execute(
                select(Counter).filter_by(**counter).with_for_update(key_share=True)
            ).scalar_one()
            first = found.last + 1
            found.last = math.ceil((found.last + needed) / JUMP_ROUND) * JUMP_ROUND
            skipped[f"{model.prefix}-{year}"] = (first, found.last)
    return skipped


def _busiest_hour(
    session: Session, model: type[Numbered], *, company_id: UUID, since: datetime
) -> int:
    each = (
        select(func.count().label("given"))
        .where(model.company_id == company_id, model.created_at > since - BUSIEST_OF)
        .group_by(func.date_trunc("hour", model.created_at))
        .subquery()
    )
    most: int = session.execute(select(func.coalesce(func.max(each.c.given), 0))).scalar_one()
    return most
