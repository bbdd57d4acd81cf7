"""Reading the journal: entries with their postings."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, select, true
from sqlalchemy.orm import Session

from pettycash import errors
from pettycash.models.ledger import JournalEntry, LedgerAccount, Posting, Side


class EntryNotFound(errors.NotFound):
    """There is no such journal entry in this company."""

    code = "journal.entry_not_found"


def entries(
    *, since: date | None = None, until: date | None = None, account_id: UUID | None = None
) -> Select[JournalEntry]:
    """Entries by accounting date (both days inclusive) and account."""
    conditions: list[ColumnElement[bool]] = []
    if since is not None:
        conditions.append(JournalEntry.accounting_date >= since)
    if until is not None:
        conditions.append(JournalEntry.accounting_date <= until)
    if account_id is not None:
        touching = select(Posting.entry_id).where(Posting.account_id == account_id)
        conditions.append(JournalEntry.id.in_(touching))
    return select(JournalEntry).where(and_(true(), *conditions))


def to_response(session: Session, found: Sequence[JournalEntry]) -> list[dict[str, Any]]:
    """Entries with their postings, in the order in which they were posted."""
    rows = session.execute(
        select(Posting, LedgerAccount.code, LedgerAccount.name)
        .join(LedgerAccount, LedgerAccount.id == Posting.account_id)
        .where(Posting.entry_id.in_([each.id for each in found]))
        .order_by(Posting.entry_id, Posting.id)
    )
    postings: dict[UUID, list[dict[str, Any]]] = {each.id: [] for each in found}
    for posting, code, name in rows:
        shown = _columns(posting)
        postings[posting.entry_id].append(shown | {"account_code": code, "account_name": name})
    return [
        _columns(each)
        | {
            "postings": postings[each.id],
            "amount": sum(
                (line["amount"] for line in postings[each.id] if line["side"] is Side.DEBIT),
                Decimal(0),
            ),
        }
        for each in found
    ]


def one(session: Session, *, entry_id: UUID) -> dict[str, Any]:
    """One entry.

    Raises:
        EntryNotFound: none such.
    """
    found = session.execute(
        select(JournalEntry).where(JournalEntry.id == entry_id)
    ).scalar_one_or_none()
    if found is None:
        raise EntryNotFound
    return to_response(session, [found])[0]


def _columns(row: JournalEntry | Posting) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in type(row).__mapper__.column_attrs}
