"""Posting and holding. The rules live in the database (migrations/sql/functions), called here.

Amounts are positive, the side carries the sign; balances are debits minus credits. Which event
makes which entry is decided in `posting_rules`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.ledger import JournalSource, Side
from pettycash.models.operations import CaseKind, Severity
from pettycash.runtime import db, errors
from pettycash.services.operations import cases

DIMENSIONS = (
    "fund_id",
    "branch_id",
    "department_id",
    "cost_center_id",
    "category",
    "budget_line_id",
    "party_id",
    "tax_code",
    "memo",
)


class Unbalanced(errors.RuleViolation):
    """Debits and credits of an entry differ, or it has fewer than two postings."""

    code = "ledger.unbalanced"


class PeriodClosed(errors.RuleViolation):
    """The period of this date is closed for decisions; use a date in an open period."""

    code = "ledger.period_closed"


class AlreadyPosted(errors.Conflict):
    """An entry for this source is in the books already."""

    code = "ledger.already_posted"


class InsufficientFunds(errors.RuleViolation):
    """The store's available money, less this hold, would fall below its floor."""

    code = "ledger.insufficient_funds"


class HoldNotOpen(errors.Conflict):
    """The hold was posted or voided already, or never placed."""

    code = "ledger.hold_not_open"


class WrongAccount(errors.RuleViolation):
    """The account is closed, of another currency, or not of this company."""

    code = "ledger.wrong_account"


@dataclass(frozen=True, kw_only=True)
class PostingLine:
    """One posting to be made."""

    account_id: UUID
    side: Side
    amount: Decimal
    dimensions: Mapping[str, Any] = field(default_factory=dict)


def debit(account_id: UUID, amount: Decimal, **dimensions: Any) -> PostingLine:
    """A debit; dimensions are those of DIMENSIONS."""
    return PostingLine(account_id=account_id, side=Side.DEBIT, amount=amount, dimensions=dimensions)


def credit(account_id: UUID, amount: Decimal, **dimensions: Any) -> PostingLine:
    """A credit; dimensions are those of DIMENSIONS."""
    return PostingLine(
        account_id=account_id, side=Side.CREDIT, amount=amount, dimensions=dimensions
    )


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One balanced event. `source` is unique in the company: a replay can't post twice."""

    source: str
    rule: str
    description: str
    occurred_at: datetime
    currency: str
    postings: Sequence[PostingLine]
    created_by: UUID | None = None
    payment_id: UUID | None = None
    execution_id: UUID | None = None
    reverses_entry_id: UUID | None = None
    decision: bool = False
    """True: a person wants it, so a closed period refuses it. False: a fact rolls forward."""


@dataclass(frozen=True, kw_only=True)
class Fulfilled:
    """Outbox messages of one topic that the entries complete."""

    topic: str
    keys: Sequence[UUID]


def post(
    session: Session,
    entries: Sequence[Entry],
    *,
    close_holds: Sequence[str] = (),
    fulfils: Fulfilled | None = None,
) -> list[UUID]:
    """Write entries, locking their accounts in id order; returns the entry ids.

    Takes one statement for one entry as for a hundred: the rules are `ledger_post`'s.
    Holds named in `close_holds` are closed as posted in the same call, under the same locks, and
    the outbox messages of `fulfils` are completed. A refusal by the database ends the transaction.

    Raises:
        Unbalanced: an entry's sides differ or it has fewer than two postings.
        AlreadyPosted: the source of an entry stands in the books already.
        PeriodClosed: a decision is dated in a closed period.
        WrongAccount: an account is of another company or currency.
        HoldNotOpen: a hold to close is not open.
    """
    for entry in entries:
        _check_balance(entry)
    payload = [_wire(entry) for entry in entries]
    session.flush()
    try:
        # Not through the ORM, which would take longer over it than PostgreSQL does.
        rows = session.connection().exec_driver_sql(
            POST,
            {
                "entries": json.dumps(payload),
                "holds": list(close_holds),
                "topic": fulfils.topic if fulfils else None,
                "fulfilled": db.array(fulfils.keys if fulfils else ()),
            },
            execution_options=db.PREPARED,
        )
    except DBAPIError as error:
        raise _refusal(error) from error
    written = rows.all()
    for row, entry in zip(written, entries, strict=True):
        if row.rolled_to is not None:
            _open_late_case(session, entry, entry_id=row.posted, accounting_date=row.rolled_to)
    return [row.posted for row in written]


POST = "SELECT posted, rolled_to FROM ledger_post(%(entries)s, %(holds)s, %(topic)s, %(fulfilled)s)"
"""One round trip. The function makes the keys of the entries, by the database's clock."""


def hold(
    session: Session,
    *,
    account_id: UUID,
    source: str,
    currency: str,
    amount: Decimal,
    expected_fee: Decimal = Decimal(0),
) -> None:
    """Reserve money on an account. Only here is the floor checked, never on a posting.

    The account is locked from here on. A refusal by the database ends the transaction.

    Raises:
        InsufficientFunds: available less amount and fee would fall below the floor.
        WrongAccount: the account is closed, of another currency or company.
        AlreadyPosted: the source has a hold already.
    """
    try:
        session.execute(
            HOLD,
            {
                "id": new_id(),
                "account": account_id,
                "source": source,
                "currency": currency,
                "amount": amount,
                "fee": expected_fee,
            },
            execution_options=db.PREPARED,
        )
    except DBAPIError as error:
        raise _refusal(error) from error


HOLD = text("SELECT hold_place(:id, :account, :source, :currency, :amount, :fee)")


def void_hold(session: Session, *, source: str) -> None:
    """Give held money back: nothing moved.

    Raises:
        HoldNotOpen: it was closed already.
    """
    try:
        with session.begin_nested():
            session.execute(text("SELECT hold_close(:source, 'voided')"), {"source": source})
    except DBAPIError as error:
        raise _refusal(error) from error


def is_posted(session: Session, *, source: str) -> bool:
    """Whether an entry of this source stands in the books."""
    found = session.execute(select(JournalSource.entry_id).where(JournalSource.source == source))
    return found.first() is not None


def hold_period_gate(session: Session) -> None:
    """Wait until no posting of the company is under way and keep new ones waiting (to commit).

    A period is closed behind this gate: no entry dated by the old state arrives after it.
    """
    session.execute(text(CLOSE_GATE))


CLOSE_GATE = """
    SELECT pg_advisory_xact_lock(hashtextextended(current_setting('app.company', true), 0))
"""


def _open_late_case(
    session: Session, entry: Entry, *, entry_id: UUID, accounting_date: date
) -> None:
    """Open a case for a fact whose own month was closed for good, so that it counts later."""
    cases.open_case(
        session,
        kind=CaseKind.LATE_FACT,
        object_type="journal_entry",
        object_id=entry_id,
        summary=f"{entry.source} happened in a closed month and counts in a later one.",
        evidence={
            "occurred_at": entry.occurred_at.isoformat(),
            "accounting_date": accounting_date.isoformat(),
        },
        severity=Severity.WARNING,
    )


def _check_balance(entry: Entry) -> None:
    difference = sum(
        (each.amount if each.side is Side.DEBIT else -each.amount for each in entry.postings),
        Decimal(0),
    )
    if len(entry.postings) < 2 or difference != 0:
        raise Unbalanced(f"Entry {entry.source} has a difference of {difference}.")


def _wire(entry: Entry) -> dict[str, Any]:
    posting_ids = sorted(new_id() for _ in entry.postings)
    return {
        "source": entry.source,
        "rule": entry.rule,
        "description": entry.description,
        "occurred_at": entry.occurred_at.isoformat(),
        "currency": entry.currency,
        "created_by": _text(entry.created_by),
        "payment_id": _text(entry.payment_id),
        "execution_id": _text(entry.execution_id),
        "reverses_entry_id": _text(entry.reverses_entry_id),
        "decision": entry.decision,
        "postings": [
            {
                "id": str(posting_id),
                "account_id": str(each.account_id),
                "side": each.side.value,
                "amount": str(each.amount),
                **{name: _text(each.dimensions[name]) for name in each.dimensions},
            }
            for posting_id, each in zip(posting_ids, entry.postings, strict=True)
        ],
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


REFUSALS: Mapping[str, type[errors.PettycashError]] = {
    "PC001": InsufficientFunds,
    "PC003": Unbalanced,
    "PC008": WrongAccount,
    "PC010": PeriodClosed,
    "PC011": HoldNotOpen,
    "23505": AlreadyPosted,
}
"""SQLSTATEs of the database functions and what they mean to a caller."""


def _refusal(error: DBAPIError) -> Exception:
    refusal = REFUSALS.get(db.sqlstate(error) or "")
    if refusal is None:
        return error
    return refusal(str(error.orig).splitlines()[0].capitalize() + ".")
