"""Short numbers that people see: REQ-2026-000123. Unique per company, not gapless."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.services.company_settings import TIMEZONE_DEFAULT


def next_number(session: Session, *, prefix: str, now: datetime) -> str:
    """Take the next number of a prefix and year. Locks the counter until commit: call late.

    The year is the company's: its first of January begins before or after that of Greenwich.
    """
    taken = session.execute(
        NEXT, {"id": new_id(), "kind": prefix, "now": now, "default": TIMEZONE_DEFAULT}
    ).one()
    return f"{prefix}-{taken.year}-{taken.last:06d}"


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
