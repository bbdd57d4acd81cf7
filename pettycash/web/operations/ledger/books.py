"""The books: fund statements, the journal, accounts, the trial balance."""

from typing import Any
from uuid import UUID

from pettycash.models.ledger import LedgerAccount
from pettycash.services.foundation import visibility
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import accounts, fund_statements, journal
from pettycash.services.ledger.accounts import ACCOUNTS, CATEGORIES
from pettycash.services.ledger.fund_statements import LEDGER
from pettycash.services.ledger.journal import JOURNAL
from pettycash.web.operations import list_of, one_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import ledger as shapes
from pettycash.web.schemas.ledger_examples import (
    EXAMPLE_ACCOUNT,
    EXAMPLE_CATEGORY,
    EXAMPLE_ENTRY,
    EXAMPLE_LINE,
    EXAMPLE_NEW_ACCOUNT,
)

list_lines = list_of(
    "ledger.list",
    LEDGER,
    "List what came into and left the stores in your scope, the newest first.",
    answers=shapes.LedgerLineSchema,
    example=EXAMPLE_LINE,
)


@operation(
    "ledger.by_fund",
    listing=LEDGER,
    required=("fund_id",),
    answers=shapes.LedgerLineSchema,
    example=EXAMPLE_LINE,
)
@refuses(visibility.FundNotFound)
def list_lines_of_fund(uow: Uow, /, **arguments: Any) -> ListPage:
    """List the lines of one fund, the newest first; 404 where the fund is not in scope."""
    visibility.fund(uow, fund_id=arguments["fund_id"][0])
    return page(uow, LEDGER, arguments)


@operation("ledger.get", answers=shapes.LedgerLineSchema, example=EXAMPLE_LINE)
@refuses(fund_statements.LineNotFound)
def get_line(uow: Uow, *, line_id: UUID) -> dict[str, Any]:
    """Read a line."""
    return fund_statements.one(uow, posting_id=line_id)


list_entries = list_of(
    "journal.list",
    JOURNAL,
    "List journal entries with their postings, the newest first.",
    answers=shapes.JournalEntrySchema,
    example=EXAMPLE_ENTRY,
)


get_entry = one_of(
    "journal.get",
    JOURNAL,
    journal.EntryNotFound,
    "Read an entry with its postings.",
    answers=shapes.JournalEntrySchema,
    example=EXAMPLE_ENTRY,
)


list_accounts = list_of(
    "accounts.list",
    ACCOUNTS,
    "List the ledger accounts by code.",
    answers=shapes.LedgerAccountSchema,
    example=EXAMPLE_ACCOUNT,
)


@operation(
    "accounts.create",
    takes=shapes.NewLedgerAccountSchema,
    given=EXAMPLE_NEW_ACCOUNT,
    status=201,
    answers=shapes.LedgerAccountSchema,
    example=EXAMPLE_ACCOUNT,
)
@refuses(accounts.AccountExists, accounts.AccountNeedsOwner)
def create_account(uow: Uow, /, **facts: Any) -> LedgerAccount:
    """Open a further bank account, or an expense category that lines may name."""
    account = accounts.create(uow.session, **facts)
    uow.session.refresh(account)
    return account


@operation("accounts.get", answers=shapes.LedgerAccountSchema, example=EXAMPLE_ACCOUNT)
@refuses(accounts.AccountNotFound)
def get_account(uow: Uow, *, account_id: UUID) -> LedgerAccount:
    """Read an account with its balance."""
    return accounts.get(uow.session, account_id=account_id)


list_categories = list_of(
    "categories.list",
    CATEGORIES,
    "List the company's categories of expense; cfo and group finance manager open more.",
    answers=shapes.CategorySchema,
    example=EXAMPLE_CATEGORY,
)
