"""Parameters that several reports have, and what they mean in a query."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Select, cast, func

from pettycash.models.access import Branch
from pettycash.runtime.money import Currency
from pettycash.services.foundation import company_settings, visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports.declared import Param, Row, Values

FROM = Param(
    name="from",
    title="From",
    kind=date,
    description="First day; default: from the beginning.",
    default="the beginning",
)
TO = Param(
    name="to",
    title="To",
    kind=date,
    description="Last day; default: until now.",
    default="now",
    not_before="from",
)
PERIOD = (FROM, TO)
AS_OF = Param(
    name="as_of",
    title="As of",
    kind=date,
    description="Accounting dates up to this day, inclusive; default: all.",
    default="all postings",
)
CURRENCY = Param(
    name="currency",
    title="Currency",
    kind=Currency,
    description="One currency; default: each in a part of its own.",
    default="all",
)


def _fund(uow: Uow, fund_id: UUID) -> str:
    return visibility.fund(uow, fund_id=fund_id).code


def _branch(uow: Uow, branch_id: UUID) -> str:
    found = uow.session.get(Branch, branch_id)
    return str(branch_id) if found is None else found.code


FUND = Param(
    name="fund_id",
    title="Fund",
    kind=UUID,
    description="One fund; default: all in your scope.",
    default="all",
    words=_fund,
)
BRANCH = Param(
    name="branch_id",
    title="Branch",
    kind=UUID,
    description="One branch; default: all in your scope.",
    default="all",
    words=_branch,
)


def within(
    query: Select[*tuple[Any, ...]], column: Any, values: Values
) -> Select[*tuple[Any, ...]]:
    """Narrow a query to the days of the period; the column is a date."""
    if values["from"] is not None:
        query = query.where(column >= values["from"])
    if values["to"] is not None:
        query = query.where(column <= values["to"])
    return query


def narrowed(
    query: Select[*tuple[Any, ...]], columns: dict[str, Any], values: Values
) -> Select[*tuple[Any, ...]]:
    """Narrow a query to the values that are given, by parameter and column."""
    for name, column in columns.items():
        if values[name] is not None:
            query = query.where(column == values[name])
    return query


def day(uow: Uow, instant: Any) -> Any:
    """The company's day of an instant."""
    zone = company_settings.current(uow.session).timezone
    return cast(func.timezone(zone, instant), Date)


def day_before(_row: Row, values: Values) -> date | None:
    """The day before the period."""
    first: date | None = values["from"]
    return None if first is None else first - timedelta(days=1)


def always(value: Any) -> Any:
    """What a link gives whatever the row is."""
    return lambda _row, _values: value


def same(params: Sequence[Param]) -> dict[str, str]:
    """A link under the same parameters."""
    return {each.name: each.name for each in params}
