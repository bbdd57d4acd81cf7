"""Routes of the books."""

from pettycash.api.blueprints import Blueprint
from pettycash.api.routes import serve
from pettycash.web.operations.ledger import books, periods

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
