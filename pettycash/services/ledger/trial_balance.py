"""The trial balance: every account on the side of its balance; the sides are equal."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from pettycash.models.ledger import AccountKind, JournalEntry, LedgerAccount, Posting, Side

NOTHING = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class AccountBalance:
    """One account. Either `debit` or `credit` is nought."""

    account_id: UUID
    code: str
    name: str
    kind: AccountKind
    currency: str
    debit: Decimal
    credit: Decimal


@dataclass(frozen=True, kw_only=True)
class TrialBalance:
    """The accounts of one currency, and their sums."""

    currency: str
    accounts: tuple[AccountBalance, ...]

    @property
    def debit(self) -> Decimal:
        """The sum of the debit balances."""
        return sum((each.debit for each in self.accounts), NOTHING)

    @property
    def credit(self) -> Decimal:
        """The sum of the credit balances."""
        return sum((each.credit for each in self.accounts), NOTHING)

    @property
    def is_balanced(self) -> bool:
        """Whether the sums are equal; if they are not, the books are wrong."""
        return self.debit == self.credit


def trial_balance(
    session: Session, *, as_of: date | None = None, currency: str | None = None
) -> list[TrialBalance]:
    """Balances by accounting date up to a day (inclusive; None: all), one for each currency.

    Added up from postings, not read from the accounts, so that it proves them.
    """
    signed = func.sum(case((Posting.side == Side.DEBIT, Posting.amount), else_=-Posting.amount))
    query = (
        select(
            LedgerAccount.id,
            LedgerAccount.code,
            LedgerAccount.name,
            LedgerAccount.kind,
            LedgerAccount.currency,
            signed.label("balance"),
        )
        .join(Posting, Posting.account_id == LedgerAccount.id)
        .group_by(LedgerAccount.id)
        .order_by(LedgerAccount.currency, LedgerAccount.code)
    )
    if as_of is not None:
        query = query.join(JournalEntry, JournalEntry.id == Posting.entry_id).where(
            JournalEntry.accounting_date <= as_of
        )
    if currency is not None:
        query = query.where(LedgerAccount.currency == currency)
    by_currency: dict[str, list[AccountBalance]] = {}
    for row in session.execute(query):
        by_currency.setdefault(row.currency, []).append(
            AccountBalance(
                account_id=row.id,
                code=row.code,
                name=row.name,
                kind=row.kind,
                currency=row.currency,
                debit=max(row.balance, NOTHING),
                credit=max(-row.balance, NOTHING),
            )
        )
    return [
        TrialBalance(currency=code, accounts=tuple(found)) for code, found in by_currency.items()
    ]
