"""Routes of the books."""

from typing import Any

from flask import Response
from flask.views import MethodView
from sqlalchemy.orm import Session

from pettycash.api.blueprints import Blueprint
from pettycash.api.report_files import FILES, report_file
from pettycash.api.routes import serve
from pettycash.runtime.db import snapshot
from pettycash.services import reports
from pettycash.services.reports import TRIAL_BALANCE, ReportTooLong
from pettycash.web.admission import operation
from pettycash.web.operations.ledger import books, periods
from pettycash.web.refusals import refuses
from pettycash.web.schemas.ledger import TrialBalanceQuery, TrialBalanceSchema
from pettycash.web.schemas.ledger_examples import EXAMPLE_TRIAL_BALANCE

LEDGER = Blueprint(
    "ledger",
    __name__,
    url_prefix="/api",
    description="Double entry (docs/ledger.md): statements of funds, journal, accounts.",
)
serve(LEDGER, "/ledger/", get=books.list_lines)
serve(LEDGER, "/ledger/by_fund/", get=books.list_lines_of_fund)
serve(LEDGER, "/ledger/<uuid:line_id>/", get=books.get_line)
serve(LEDGER, "/journal/", get=books.list_entries)
serve(LEDGER, "/journal/<uuid:entry_id>/", get=books.get_entry)
serve(
    LEDGER,
    "/accounts/",
    get=books.list_accounts,
    post=books.create_account,
    location="/api/accounts/{id}/",
)
serve(LEDGER, "/accounts/<uuid:account_id>/", get=books.get_account)
serve(LEDGER, "/categories/", get=books.list_categories)

PERIODS = Blueprint(
    "periods",
    __name__,
    url_prefix="/api/periods",
    description="Months of the books: open, softly closed for people, closed for good.",
)
serve(PERIODS, "/", get=periods.list_all)
serve(PERIODS, "/<month>/", get=periods.get)
serve(PERIODS, "/<month>/soft_close/", post=periods.soft_close)
serve(PERIODS, "/<month>/hard_close/", post=periods.hard_close)
serve(PERIODS, "/<month>/reopen/", post=periods.reopen)


@LEDGER.route("/trial-balance/")
class TrialBalances(MethodView):
    @operation(TRIAL_BALANCE.permission)
    @LEDGER.arguments(TrialBalanceQuery, location="query")
    @LEDGER.response(200, TrialBalanceSchema, example=EXAMPLE_TRIAL_BALANCE)
    @refuses(ReportTooLong)
    @LEDGER.doc(**FILES)
    def get(self, arguments: dict[str, Any]) -> dict[str, Any] | Response:
        """Add up all postings, account by account; the two sides of each currency are equal.

        With `format` it comes as a file, with its head and totals.
        """
        file_format = arguments.pop("format")
        if file_format is not None:
            return report_file(TRIAL_BALANCE, arguments, file_format)
        with snapshot() as session:
            return {"as_of": arguments["as_of"], "currencies": _balances(session, arguments)}


def _balances(session: Session, values: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for part in reports.parts(session, TRIAL_BALANCE, values):
        rows = [{**row, "links": reports.drill(TRIAL_BALANCE, row, values)} for row in part]
        balance = {"currency": part.currency, "accounts": rows, "is_balanced": part.foots}
        found.append(balance | part.totals)
    return found
