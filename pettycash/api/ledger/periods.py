"""Periods of the ledger: months that close softly, then for good."""

import re
from datetime import date
from typing import Any

from flask.views import MethodView

from pettycash.api.admission import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.idempotency import idempotent
from pettycash.api.pages import example_page, page_of, query_of
from pettycash.api.refusals import refuses
from pettycash.api.schemas.ledger import (
    LedgerPeriodSchema,
)
from pettycash.api.schemas.ledger_examples import (
    EXAMPLE_HARD,
    EXAMPLE_PERIOD,
    EXAMPLE_SOFT,
)
from pettycash.models.ledger import LedgerPeriod
from pettycash.runtime import errors
from pettycash.runtime.db import transaction
from pettycash.services.foundation.decisions import (
    AlreadyDecided,
    NotADecider,
    NotAProposer,
    OwnProposal,
)
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import periods
from pettycash.services.ledger.periods import (
    PERIODS,
    IllegalPeriodState,
    NotInOrder,
    PeriodNotOver,
)

blp = Blueprint(
    "periods",
    __name__,
    url_prefix="/api/periods",
    description="Months of the books: open, softly closed for people, closed for good.",
)

MONTH = re.compile(r"(20|21)[0-9]{2}-(0[1-9]|1[0-2])", re.ASCII)


class PeriodNotFound(errors.NotFound):
    """There is no such period; a period is a month such as 2026-10."""

    code = "period.not_found"


def _first_day(month: str) -> date:
    if MONTH.fullmatch(month) is None:
        raise PeriodNotFound
    return date.fromisoformat(f"{month}-01")


@blp.route("/")
class Periods(MethodView):
    @operation("periods.list")
    @blp.arguments(query_of(PERIODS), location="query")
    @blp.response(200, page_of(LedgerPeriodSchema), example=example_page(EXAMPLE_PERIOD))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List the months from the first entry until now, the newest first."""
        with transaction() as session:
            return page(Uow.of(session, current_actor()), PERIODS, arguments)


@blp.route("/<month>/soft_close/")
class SoftClosing(MethodView):
    @operation("periods.soft_close")
    @idempotent()
    @blp.response(200, LedgerPeriodSchema, example=EXAMPLE_SOFT)
    @refuses(IllegalPeriodState, NotAProposer, NotInOrder, PeriodNotFound, PeriodNotOver)
    def post(self, month: str) -> LedgerPeriod:
        """Close a month that is over for people's decisions; facts are still dated in it."""
        with transaction() as session:
            return periods.soft_close(Uow.of(session, current_actor()), month=_first_day(month))


@blp.route("/<month>/hard_close/")
class HardClosing(MethodView):
    @operation("periods.hard_close")
    @idempotent()
    @blp.response(200, LedgerPeriodSchema, example=EXAMPLE_HARD)
    @refuses(
        AlreadyDecided, IllegalPeriodState, NotADecider, NotInOrder, OwnProposal, PeriodNotFound
    )
    def post(self, month: str) -> LedgerPeriod:
        """Close a softly closed month for good, as another person than who closed it softly."""
        with transaction() as session:
            return periods.hard_close(Uow.of(session, current_actor()), month=_first_day(month))


@blp.route("/<month>/reopen/")
class Reopening(MethodView):
    @operation("periods.reopen")
    @idempotent()
    @blp.response(200, LedgerPeriodSchema, example=EXAMPLE_PERIOD)
    @refuses(IllegalPeriodState, NotInOrder, PeriodNotFound)
    def post(self, month: str) -> LedgerPeriod:
        """Reopen the newest softly closed month."""
        with transaction() as session:
            return periods.reopen(Uow.of(session, current_actor()), month=_first_day(month))
