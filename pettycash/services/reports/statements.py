"""Statements by accounting date: opening, lines with the balance after each, closing.

Lines run by accounting date and then as they were posted, so that a late entry stands where it
counts. Opening and closing are added up apart from the lines; what adds up between them foots.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Date, Numeric, Select, case, cast, func, literal, null, select, union_all

from pettycash.models.ledger import JournalEntry, Posting, Side
from pettycash.services.foundation import company_settings
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports.declared import Totals, Values

SIGNED = case((Posting.side == Side.DEBIT, Posting.amount), else_=-Posting.amount)
"""What a posting adds to its account: debits are positive."""
OPENING, LINE, CLOSING = "opening", "", "closing"


def line_columns(uow: Uow) -> tuple[Any, ...]:
    """The columns that every statement begins with."""
    zone = company_settings.current(uow.session).timezone
    occurred = cast(func.timezone(zone, JournalEntry.occurred_at), Date)
    return (
        Posting.currency,
        JournalEntry.accounting_date.label("date"),
        Posting.entry_id,
        Posting.id.label("posting_id"),
        case((occurred != JournalEntry.accounting_date, "late"), else_="").label("late"),
        SIGNED.label("signed"),
    )


def statement(
    lines: Select[*tuple[Any, ...]],
    values: Values,
    *,
    by: tuple[str, ...],
    sides: tuple[str, str] = ("debit", "credit"),
) -> Select[*tuple[Any, ...]]:
    """A statement for each key `by`: of `from` to `to`; `lines` are all there are.

    It adds `row`, the two sides, `balance`, and `opening` and `closing` in rows of their own.
    """
    if values["to"] is not None:
        lines = lines.where(JournalEntry.accounting_date <= values["to"])
    ordered = func.sum(SIGNED).over(
        partition_by=[each for each in lines.selected_columns if each.name in (*by, "currency")],
        order_by=(JournalEntry.accounting_date, Posting.entry_id, Posting.id),
    )
    every = lines.add_columns(ordered.label("balance")).cte("lines")
    key = [every.c[name] for name in ("currency", *by)]
    begins = literal(False) if values["from"] is None else every.c.date < values["from"]
    before = func.coalesce(func.sum(every.c.signed).filter(begins), 0)
    nothing = cast(null(), Numeric)
    others = [
        each for each in every.c if each.name not in ("currency", *by, "signed", "balance", "date")
    ]
    blanks = [cast(null(), each.type).label(each.name) for each in others]

    def edge(kind: str, place: int, sum_of: Any) -> Select[*tuple[Any, ...]]:
        return select(
            *key, literal(kind).label("row"), literal(place).label("place"),
            cast(literal(values["from"] if place == 0 else values["to"]), Date).label("date"),
            *blanks, nothing.label(sides[0]), nothing.label(sides[1]), sum_of.label("balance"),
            (sum_of if place == 0 else nothing).label("opening"),
            (sum_of if place == 2 else nothing).label("closing"),
        ).group_by(*key)  # fmt: skip

    shown = select(
        *key, literal(LINE).label("row"), literal(1).label("place"), every.c.date, *others,
        func.greatest(every.c.signed, 0).label(sides[0]),
        func.greatest(-every.c.signed, 0).label(sides[1]),
        every.c.balance, nothing.label("opening"), nothing.label("closing"),
    )  # fmt: skip
    if values["from"] is not None:
        shown = shown.where(every.c.date >= values["from"])
    whole = union_all(
        edge(OPENING, 0, before), shown, edge(CLOSING, 2, func.sum(every.c.signed))
    ).subquery("statement")
    columns = [each for each in whole.c if each.name != "place"]
    order = ("currency", *by, "place", "date", "entry_id", "posting_id")
    return select(*columns).order_by(*(whole.c[name] for name in order))


def foots(debit: str = "debit", credit: str = "credit") -> Callable[[Totals], bool]:
    """Whether the lines lead from the opening balance to the closing one."""
    return lambda totals: totals["opening"] + totals[debit] - totals[credit] == totals["closing"]
