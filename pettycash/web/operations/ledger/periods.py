"""Periods of the ledger: months that close softly, then for good."""

import re
from datetime import date
from typing import Any

from pettycash.models.ledger import LedgerPeriod
from pettycash.runtime import errors
from pettycash.services.foundation import decisions, listings
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import periods
from pettycash.services.ledger.periods import PERIODS
from pettycash.web.operations import list_of, operation
from pettycash.web.pages import detail_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas import ledger_examples as shapes
from pettycash.web.schemas.ledger import LedgerPeriodSchema

MONTH = re.compile(r"(20|21)[0-9]{2}-(0[1-9]|1[0-2])", re.ASCII)


class PeriodNotFound(errors.NotFound):
    """There is no such period; a period is a month such as 2026-10."""

    code = "period.not_found"


def _first_day(month: str) -> date:
    if MONTH.fullmatch(month) is None:
        raise PeriodNotFound
    return date.fromisoformat(f"{month}-01")


list_all = list_of(
    "periods.list",
    PERIODS,
    "List the months from the first entry until now, the newest first.",
    answers=LedgerPeriodSchema,
    example=shapes.EXAMPLE_PERIOD,
)


@operation(
    "periods.get",
    answers=detail_of(LedgerPeriodSchema),
    example={**shapes.EXAMPLE_PERIOD, "people": {}},
)
@refuses(PeriodNotFound)
def get(uow: Uow, *, month: str) -> dict[str, Any]:
    """Read a month."""
    found = periods.get(uow, month=_first_day(month))
    if found is None:
        raise PeriodNotFound
    return {**found._mapping, "people": listings.names(uow, PERIODS, [found])}


@operation("periods.soft_close", answers=LedgerPeriodSchema, example=shapes.EXAMPLE_SOFT)
@refuses(
    decisions.NotAProposer,
    periods.IllegalPeriodState,
    periods.NotInOrder,
    PeriodNotFound,
    periods.PeriodNotOver,
)
def soft_close(uow: Uow, *, month: str) -> LedgerPeriod:
    """Close a month that is over for people's decisions; facts are still dated in it."""
    return periods.soft_close(uow, month=_first_day(month))


@operation("periods.hard_close", answers=LedgerPeriodSchema, example=shapes.EXAMPLE_HARD)
@refuses(
    decisions.AlreadyDecided,
    decisions.NotADecider,
    decisions.OwnProposal,
    periods.IllegalPeriodState,
    periods.NotInOrder,
    PeriodNotFound,
)
def hard_close(uow: Uow, *, month: str) -> LedgerPeriod:
    """Close a softly closed month for good, as another person than who closed it softly."""
    return periods.hard_close(uow, month=_first_day(month))


@operation("periods.reopen", answers=LedgerPeriodSchema, example=shapes.EXAMPLE_PERIOD)
@refuses(periods.IllegalPeriodState, periods.NotInOrder, PeriodNotFound)
def reopen(uow: Uow, *, month: str) -> LedgerPeriod:
    """Reopen the newest softly closed month."""
    return periods.reopen(uow, month=_first_day(month))
