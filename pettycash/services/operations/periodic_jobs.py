"""Periodic jobs: counted before they run, so that one that kills its process stops in the end.

Each of these jobs does all that is due, so one that is left out for a while loses nothing.
"""

from collections.abc import Sequence

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash.models.operations import PeriodicJob
from pettycash.runtime import db

FAILURES_MAX = 3
"""How often in a row a job may begin without coming to its end; then it is tried once an hour."""


def begin(autocommit: Session, *, name: str) -> bool:
    """A job starts (`db.system_autocommit`); False where it has failed too often to be tried."""
    values = {"name": name, "bound": FAILURES_MAX, **db.shift()}
    return autocommit.execute(BEGIN, values).one_or_none() is not None


BEGIN = text(
    """
    INSERT INTO periodic_jobs AS j (name, begun_at, failures)
    VALUES (:name, now() + :clock_shift, 1)
    ON CONFLICT (name) DO UPDATE SET begun_at = excluded.begun_at, failures = j.failures + 1
        WHERE j.failures < :bound OR j.begun_at < excluded.begun_at - interval '1 hour'
    RETURNING failures
    """
)


def failed(autocommit: Session, *, name: str, error: str) -> None:
    """Record that a job ended in an error (`db.system_autocommit`); `begin` has counted it."""
    autocommit.execute(
        text("UPDATE periodic_jobs SET last_error = :error WHERE name = :name"),
        {"name": name, "error": error[:500]},
    )


def ended(autocommit: Session, *, name: str) -> None:
    """Record that a job came to its end (`db.system_autocommit`), and reset its count."""
    autocommit.execute(
        text("UPDATE periodic_jobs SET failures = 0, last_error = NULL WHERE name = :name"),
        {"name": name},
    )


def begun(session: Session) -> Sequence[PeriodicJob]:
    """Each job that was ever begun."""
    return session.execute(select(PeriodicJob).order_by(PeriodicJob.name)).scalars().all()


def failures(session: Session) -> list[tuple[str, int]]:
    """Each job that was ever begun, and how often in a row it has not ended (system role)."""
    rows = session.execute(select(PeriodicJob.name, PeriodicJob.failures).order_by("name"))
    return [(row.name, row.failures) for row in rows]
