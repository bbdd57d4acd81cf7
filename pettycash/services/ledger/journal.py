"""Reading the journal: entries with their postings."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.ledger import JournalEntry, LedgerAccount, Posting, Side
from pettycash.runtime import errors
from pettycash.runtime.money import Currency
from pettycash.services.foundation.listings import Filter, Find, Listing, days, exact, many
from pettycash.services.foundation.uow import Uow


class EntryNotFound(errors.NotFound):
    """There is no such journal entry in this company."""

    code = "journal.entry_not_found"


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


def _columns(row: JournalEntry | Posting) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in type(row).__mapper__.column_attrs}


def _told(uow: Uow, rows: Sequence[JournalEntry]) -> list[dict[str, Any]]:
    return to_response(uow.session, rows)


JOURNAL = Listing(
    name="journal.list",
    query=select(JournalEntry),
    filters={
        "rule": many(JournalEntry.rule),
        "account_id": Filter(
            kind=UUID,
            where=lambda value, _uow: JournalEntry.id.in_(
                select(Posting.entry_id).where(Posting.account_id == value)
            ),
        ),
        "payment_id": exact(JournalEntry.payment_id),
        "currency": many(JournalEntry.currency, Currency),
        **days(JournalEntry.accounting_date),
    },
    find=Find(
        words=(JournalEntry.description, JournalEntry.source),
        text="Words of description and source, in any case.",
    ),
    orders={"newest": (JournalEntry.id.desc(),), "oldest": (JournalEntry.id,)},
    show=_told,
    columns=(
        "accounting_date",
        "occurred_at",
        "rule",
        "source",
        "description",
        "amount",
        "currency",
        "payment_id",
        "created_by",
    ),
    people=("created_by",),
)
"""Entries with their postings; days are accounting dates."""
