"""Commands that look at every company: each in its own scope, as the application role."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Company
from pettycash.runtime import db


@dataclass(frozen=True)
class CompanyRow:
    """One company."""

    id: UUID
    code: str


def active() -> list[CompanyRow]:
    """Every active company, by code."""
    with db.system_transaction() as session:
        rows = session.execute(
            select(Company.id, Company.code).where(Company.is_active).order_by(Company.code)
        ).all()
    return [CompanyRow(row.id, row.code) for row in rows]


def chosen(code: str | None) -> CompanyRow:
    """The company of that code, or the only one.

    Raises:
        ClickException: no such company, or there are several and none is named.
    """
    found = [place for place in active() if code is None or place.code == code]
    if len(found) == 1:
        return found[0]
    if code is not None:
        raise click.ClickException(f"there is no active company {code}")
    codes = ", ".join(place.code for place in found)
    raise click.ClickException(
        f"name one with --company: {codes}" if found else "there is no company yet"
    )


@contextmanager
def within(place: CompanyRow, *, source: str) -> Iterator[Session]:
    """One unit of work in a company."""
    with db.scope(company_id=place.id, source=source), db.transaction() as session:
        yield session
