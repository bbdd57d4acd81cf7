"""Commands that look at every company: each in its own scope, as the application role."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash import db
from pettycash.models.organisation import Company


@dataclass(frozen=True)
class Place:
    """One company."""

    id: UUID
    code: str


def active() -> list[Place]:
    """Every active company, by code."""
    with db.system_transaction() as session:
        rows = session.execute(
            select(Company.id, Company.code).where(Company.is_active).order_by(Company.code)
        ).all()
    return [Place(row.id, row.code) for row in rows]


@contextmanager
def within(place: Place, *, source: str) -> Iterator[Session]:
    """One unit of work in a company."""
    with db.scope(company_id=place.id, source=source), db.transaction() as session:
        yield session
