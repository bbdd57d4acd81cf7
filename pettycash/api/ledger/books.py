"""The books: fund statements, the journal, accounts, the trial balance."""

from typing import Any
from uuid import UUID

from flask import Response
from flask.views import MethodView
from sqlalchemy.orm import Session

from pettycash.api.blueprints import Blueprint
from pettycash.api.report_files import FILES, report_file
from pettycash.models.ledger import LedgerAccount
from pettycash.runtime.db import snapshot, transaction
from pettycash.services import reports
from pettycash.services.foundation import visibility
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.visibility import FundNotFound
from pettycash.services.ledger import accounts, fund_statements, journal
from pettycash.services.ledger.accounts import (
    ACCOUNTS,
    CATEGORIES,
    AccountExists,
    AccountNeedsOwner,
    AccountNotFound,
)
from pettycash.services.ledger.fund_statements import LEDGER, LineNotFound
from pettycash.services.ledger.journal import JOURNAL, EntryNotFound
from pettycash.services.reports import TRIAL_BALANCE, ReportTooLong
from pettycash.web.admission import current_actor, operation
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas.ledger import (
    CategorySchema,
    JournalEntrySchema,
    LedgerAccountSchema,
    LedgerLineSchema,
    NewLedgerAccountSchema,
    TrialBalanceQuery,
    TrialBalanceSchema,
)
from pettycash.web.schemas.ledger_examples import (
    EXAMPLE_ACCOUNT,
    EXAMPLE_CATEGORY,
    EXAMPLE_ENTRY,
    EXAMPLE_LINE,
    EXAMPLE_NEW_ACCOUNT,
    EXAMPLE_TRIAL_BALANCE,
)

blp = Blueprint(
    "ledger",
    __name__,
    url_prefix="/api",
    description="Double entry (docs/ledger.md): statements of funds, journal, accounts.",
)


@blp.route("/ledger/")
class Ledger(MethodView):
    @operation("ledger.list")
    @blp.arguments(query_of(LEDGER), location="query")
    @blp.response(200, page_of(LedgerLineSchema), example=example_page(EXAMPLE_LINE))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List what came into and left the stores in your scope, the newest first."""
        with transaction() as session:
            return page(session, LEDGER, current_actor(), arguments)


@blp.route("/ledger/by_fund/")
class LedgerByFund(MethodView):
    @operation("ledger.by_fund")
    @blp.arguments(query_of(LEDGER, required=("fund_id",)), location="query")
    @blp.response(200, page_of(LedgerLineSchema), example=example_page(EXAMPLE_LINE))
    @refuses(FundNotFound)
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List the lines of one fund, the newest first; 404 where the fund is not in scope."""
        with transaction() as session:
            visibility.fund(session, actor=current_actor(), fund_id=arguments["fund_id"][0])
            return page(session, LEDGER, current_actor(), arguments)


@blp.route("/ledger/<uuid:line_id>/")
class OneLine(MethodView):
    @operation("ledger.get")
    @blp.response(200, LedgerLineSchema, example=EXAMPLE_LINE)
    @refuses(LineNotFound)
    def get(self, line_id: UUID) -> dict[str, Any]:
        """Read a line."""
        with transaction() as session:
            return fund_statements.one(session, actor=current_actor(), posting_id=line_id)


@blp.route("/journal/")
class Journal(MethodView):
    @operation("journal.list")
    @blp.arguments(query_of(JOURNAL), location="query")
    @blp.response(200, page_of(JournalEntrySchema), example=example_page(EXAMPLE_ENTRY))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List journal entries with their postings, the newest first."""
        with transaction() as session:
            return page(session, JOURNAL, current_actor(), arguments)


@blp.route("/journal/<uuid:entry_id>/")
class OneEntry(MethodView):
    @operation("journal.get")
    @blp.response(200, JournalEntrySchema, example=EXAMPLE_ENTRY)
    @refuses(EntryNotFound)
    def get(self, entry_id: UUID) -> dict[str, Any]:
        """Read an entry with its postings."""
        with transaction() as session:
            return journal.one(session, entry_id=entry_id)


@blp.route("/accounts/")
class Accounts(MethodView):
    @operation("accounts.list")
    @blp.arguments(query_of(ACCOUNTS), location="query")
    @blp.response(200, page_of(LedgerAccountSchema), example=example_page(EXAMPLE_ACCOUNT))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List the ledger accounts by code."""
        with transaction() as session:
            return page(session, ACCOUNTS, current_actor(), arguments)

    @operation("accounts.create")
    @idempotent()
    @blp.arguments(NewLedgerAccountSchema, example=EXAMPLE_NEW_ACCOUNT)
    @blp.response(201, LedgerAccountSchema, example=EXAMPLE_ACCOUNT)
    @refuses(AccountExists, AccountNeedsOwner)
    @sends("Location")
    def post(self, body: dict[str, Any]) -> tuple[LedgerAccount, dict[str, str]]:
        """Open a further bank account, or an expense category that lines may name."""
        with transaction() as session:
            account = accounts.create(session, **body)
            session.refresh(account)
            return account, {"Location": f"/api/accounts/{account.id}/"}


@blp.route("/accounts/<uuid:account_id>/")
class OneAccount(MethodView):
    @operation("accounts.get")
    @blp.response(200, LedgerAccountSchema, example=EXAMPLE_ACCOUNT)
    @refuses(AccountNotFound)
    def get(self, account_id: UUID) -> LedgerAccount:
        """Read an account with its balance."""
        with transaction() as session:
            return accounts.get(session, account_id=account_id)


@blp.route("/categories/")
class Categories(MethodView):
    @operation("categories.list")
    @blp.arguments(query_of(CATEGORIES), location="query")
    @blp.response(200, page_of(CategorySchema), example=example_page(EXAMPLE_CATEGORY))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List the company's categories of expense; cfo and group finance manager open more."""
        with transaction() as session:
            return page(session, CATEGORIES, current_actor(), arguments)


@blp.route("/trial-balance/")
class TrialBalances(MethodView):
    @operation(TRIAL_BALANCE.permission)
    @blp.arguments(TrialBalanceQuery, location="query")
    @blp.response(200, TrialBalanceSchema, example=EXAMPLE_TRIAL_BALANCE)
    @refuses(ReportTooLong)
    @blp.doc(**FILES)
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
