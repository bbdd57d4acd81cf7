"""Short numbers that people see: REQ-2026-000123. Unique per company, not gapless."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.models.base import new_id


def next_number(session: Session, *, prefix: str, now: datetime) -> str:
    """Take the next number of a prefix and year. Locks the counter until commit: call late."""
    last = session.execute(
        text(
            "INSERT INTO counters (id, company_id, kind, year, last)"
            " VALUES (:id, current_company(), :kind, :year, 1)"
            " ON CONFLICT (company_id, kind, year) DO UPDATE SET last = counters.last + 1"
            " RETURNING last"
        ),
        {"id": new_id(), "kind": prefix, "year": now.year},
    ).scalar_one()
    return f"{prefix}-{now.year}-{last:06d}"
