"""The books on the wire: statement lines, entries, accounts, trial balance, periods."""

import marshmallow as ma

from pettycash.models.ledger import AccountKind, PeriodState, Side
from pettycash.models.payments import EvidenceSource
from pettycash.runtime.money import Currency
from pettycash.services.ledger.accounts import FREE_KINDS
from pettycash.services.ledger.fund_statements import Direction, LineType
from pettycash.web.schemas.fields import (
    Amount,
    Choice,
    Day,
    Name,
    Schema,
    Text,
    UtcDateTime,
)

ACCOUNT_CODE = ma.validate.Regexp(
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*\Z",
    error="Letters, digits, dots, hyphens and underscores, beginning with a letter or digit.",
)
CATEGORY = ma.validate.Regexp(
    r"^[a-z0-9][a-z0-9_]*\Z", error="Small letters, digits and underscores."
)


class LedgerLineSchema(Schema):
    """One line of a fund's statement: a posting of one of its stores."""

    id = ma.fields.UUID(dump_only=True)
    entry_id = ma.fields.UUID(dump_only=True)
    fund_id = ma.fields.UUID(dump_only=True)
    store_id = ma.fields.UUID(dump_only=True)
    account_id = ma.fields.UUID(dump_only=True)
    type = Choice(
        LineType,
        dump_only=True,
        metadata={
            "description": "`debit` is money out and `credit` money in, as treasurers say;"
            " `adjustment` a cut-over entry or a variance."
        },
    )
    direction = Choice(Direction, dump_only=True)
    side = Choice(
        Side,
        dump_only=True,
        metadata={"description": "The accounting side: a store that pays is credited."},
    )
    amount = Amount(dump_only=True)
    currency = Choice(Currency, dump_only=True)
    balance = Amount(
        dump_only=True,
        metadata={"description": "Of the fund after this line, over all of its stores."},
    )
    store_balance = Amount(dump_only=True)
    category = ma.fields.String(dump_only=True, allow_none=True)
    rule = ma.fields.String(dump_only=True)
    source = ma.fields.String(dump_only=True)
    description = ma.fields.String(dump_only=True)
    occurred_at = UtcDateTime(dump_only=True)
    recorded_at = UtcDateTime(dump_only=True)
    accounting_date = Day(dump_only=True)
    payment_id = ma.fields.UUID(dump_only=True, allow_none=True)
    payment_execution_id = ma.fields.UUID(attribute="execution_id", dump_only=True, allow_none=True)
    replenishment_id = ma.fields.UUID(dump_only=True, allow_none=True)
    variance_id = ma.fields.UUID(dump_only=True, allow_none=True)
    created_by_id = ma.fields.UUID(
        attribute="created_by",
        dump_only=True,
        allow_none=True,
        metadata={"description": "Null: the system."},
    )
    reconciled = ma.fields.Boolean(dump_only=True)
    reconciled_at = UtcDateTime(dump_only=True, allow_none=True)
    reconciled_by_id = ma.fields.UUID(attribute="reconciled_by", dump_only=True, allow_none=True)
    reconciled_with = Choice(EvidenceSource, dump_only=True, allow_none=True)


class PostingSchema(Schema):
    """One side of an entry, with its dimensions."""

    id = ma.fields.UUID(dump_only=True)
    account_id = ma.fields.UUID(dump_only=True)
    account_code = ma.fields.String(dump_only=True)
    account_name = ma.fields.String(dump_only=True)
    side = Choice(Side, dump_only=True)
    amount = Amount(dump_only=True)
    currency = Choice(Currency, dump_only=True)
    sequence = ma.fields.Integer(dump_only=True)
    balance_after = Amount(dump_only=True)
    fund_id = ma.fields.UUID(dump_only=True, allow_none=True)
    branch_id = ma.fields.UUID(dump_only=True, allow_none=True)
    department_id = ma.fields.UUID(dump_only=True, allow_none=True)
    cost_center_id = ma.fields.UUID(dump_only=True, allow_none=True)
    category = ma.fields.String(dump_only=True, allow_none=True)
    party_id = ma.fields.UUID(dump_only=True, allow_none=True)


class JournalEntrySchema(Schema):
    """One balanced event."""

    id = ma.fields.UUID(dump_only=True)
    source = ma.fields.String(dump_only=True)
    rule = ma.fields.String(dump_only=True)
    description = ma.fields.String(dump_only=True)
    currency = Choice(Currency, dump_only=True)
    amount = Amount(dump_only=True, metadata={"description": "The sum of each side."})
    occurred_at = UtcDateTime(dump_only=True)
    recorded_at = UtcDateTime(dump_only=True)
    accounting_date = Day(dump_only=True)
    payment_id = ma.fields.UUID(dump_only=True, allow_none=True)
    payment_execution_id = ma.fields.UUID(attribute="execution_id", dump_only=True, allow_none=True)
    reverses_entry_id = ma.fields.UUID(dump_only=True, allow_none=True)
    created_by_id = ma.fields.UUID(attribute="created_by", dump_only=True, allow_none=True)
    request_id = ma.fields.String(dump_only=True, allow_none=True)
    postings = ma.fields.List(ma.fields.Nested(PostingSchema), dump_only=True)


class NewLedgerAccountSchema(Schema):
    """A further bank account, or an expense category."""

    kind = Choice(
        AccountKind,
        required=True,
        metadata={"description": "One of " + ", ".join(sorted(FREE_KINDS)) + "."},
    )
    code = Text(shortest=1, longest=64, required=True, validate=ACCOUNT_CODE)
    name = Name(shortest=1, longest=200, required=True)
    category = Text(
        shortest=1,
        longest=64,
        required=True,
        validate=CATEGORY,
        metadata={"description": "What tells it apart; of an expense, what lines name."},
    )
    currency = Choice(Currency, required=True)


class LedgerAccountSchema(Schema):
    """A ledger account. Balances are debits less credits."""

    id = ma.fields.UUID(dump_only=True)
    code = ma.fields.String(dump_only=True)
    name = ma.fields.String(dump_only=True)
    kind = Choice(AccountKind, dump_only=True)
    currency = Choice(Currency, dump_only=True)
    fund_id = ma.fields.UUID(dump_only=True, allow_none=True)
    provider_account_id = ma.fields.UUID(dump_only=True, allow_none=True)
    party_id = ma.fields.UUID(dump_only=True, allow_none=True)
    category = ma.fields.String(dump_only=True, allow_none=True)
    balance = Amount(dump_only=True)
    held = Amount(dump_only=True)
    floor = Amount(dump_only=True)
    sequence = ma.fields.Integer(
        dump_only=True, metadata={"description": "How many postings it has."}
    )
    is_active = ma.fields.Boolean(dump_only=True)
    created_at = UtcDateTime(dump_only=True)


class CategorySchema(Schema):
    """A kind of expense."""

    category = ma.fields.String(metadata={"description": "The name that lines use."})
    name = ma.fields.String()


class LedgerPeriodSchema(Schema):
    """A month of the books."""

    month = ma.fields.Date(
        format="%Y-%m", dump_only=True, metadata={"format": "month", "pattern": r"^\d{4}-\d{2}$"}
    )
    state = Choice(PeriodState, dump_only=True)
    soft_closed_by_id = ma.fields.UUID(attribute="proposed_by", dump_only=True, allow_none=True)
    soft_closed_at = UtcDateTime(attribute="proposed_at", dump_only=True, allow_none=True)
    hard_closed_by_id = ma.fields.UUID(attribute="decided_by", dump_only=True, allow_none=True)
    hard_closed_at = UtcDateTime(attribute="decided_at", dump_only=True, allow_none=True)
