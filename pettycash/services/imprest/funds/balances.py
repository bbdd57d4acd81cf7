"""The balances of a fund and its stores, read from the ledger accounts as they are now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from pettycash.models.imprest import Fund, Store, StoreKind
from pettycash.models.ledger import LedgerAccount
from pettycash.models.operations import CaseKind, Severity
from pettycash.runtime import db
from pettycash.services.operations import cases


@dataclass(frozen=True, kw_only=True)
class StoreBalance:
    """One store. `available = balance - held`; no hold may take it below the floor."""

    store_id: UUID
    account_id: UUID
    code: str
    name: str
    kind: StoreKind
    currency: str
    is_active: bool
    balance: Decimal
    held: Decimal
    floor: Decimal

    @property
    def available(self) -> Decimal:
        """The money that further holds may take, down to the floor."""
        return self.balance - self.held


@dataclass(frozen=True, kw_only=True)
class FundBalance:
    """The sum of a fund's stores."""

    fund_id: UUID
    currency: str
    target_balance: Decimal
    reorder_level: Decimal
    stores: tuple[StoreBalance, ...]

    @property
    def balance(self) -> Decimal:
        """The money in the stores."""
        return sum((each.balance for each in self.stores), Decimal(0))

    @property
    def held(self) -> Decimal:
        """The money reserved for payments on their way."""
        return sum((each.held for each in self.stores), Decimal(0))

    @property
    def available(self) -> Decimal:
        """Balance less what is held."""
        return self.balance - self.held

    @property
    def floor(self) -> Decimal:
        """The money that has to stay in the stores."""
        return sum((each.floor for each in self.stores), Decimal(0))


BALANCE = (
    select(
        Fund.currency.label("fund_currency"),
        Fund.target_balance,
        Fund.reorder_level,
        Store.id,
        Store.account_id,
        Store.code,
        Store.name,
        Store.kind,
        Store.currency,
        Store.is_active,
        LedgerAccount.balance,
        LedgerAccount.held,
        LedgerAccount.floor,
    )
    .outerjoin(Store, Store.fund_id == Fund.id)
    .outerjoin(LedgerAccount, LedgerAccount.id == Store.account_id)
    .where(Fund.id == bindparam("fund_id"))
    .order_by(Store.code)
    .execution_options(**db.PREPARED)
)


def balance(session: Session, fund_id: UUID) -> FundBalance:
    """The fund's stores and their sums. Reads columns, so that no row loaded earlier is believed.

    Raises:
        sqlalchemy.exc.NoResultFound: no such fund in this company.
    """
    rows = session.execute(BALANCE, {"fund_id": fund_id}).all()
    if not rows:
        raise NoResultFound(f"no fund {fund_id}")
    fund = rows[0]
    return FundBalance(
        fund_id=fund_id,
        currency=fund.fund_currency,
        target_balance=fund.target_balance,
        reorder_level=fund.reorder_level,
        stores=tuple(
            StoreBalance(
                store_id=row.id,
                account_id=row.account_id,
                code=row.code,
                name=row.name,
                kind=row.kind,
                currency=row.currency,
                is_active=row.is_active,
                balance=row.balance,
                held=row.held,
                floor=row.floor,
            )
            for row in rows
            if row.id is not None
        ),
    )


def available(session: Session, fund_id: UUID) -> Decimal:
    """The fund's balance less what is held."""
    return balance(session, fund_id).available


def sums(session: Session, fund_ids: Sequence[UUID]) -> dict[UUID, tuple[Decimal, Decimal]]:
    """Balance and held of many funds, in one statement; a fund without stores is not named."""
    rows = session.execute(
        select(Store.fund_id, func.sum(LedgerAccount.balance), func.sum(LedgerAccount.held))
        .join(LedgerAccount, LedgerAccount.id == Store.account_id)
        .where(Store.fund_id.in_(fund_ids))
        .group_by(Store.fund_id)
    )
    return {fund_id: (balance, held) for fund_id, balance, held in rows}


def store_account(session: Session, store_id: UUID) -> LedgerAccount:
    """The ledger account of a store."""
    return session.execute(
        select(LedgerAccount)
        .join(Store, Store.account_id == LedgerAccount.id)
        .where(Store.id == store_id)
    ).scalar_one()


def watch_floors(session: Session, found: FundBalance) -> None:
    """Open a case for every store below its floor: only a fact, or a raised floor, gets it there.

    Decisions are refused there (`ledger.insufficient_funds`), facts never.
    """
    for each in found.stores:
        if each.available >= each.floor:
            continue
        cases.open_case(
            session,
            kind=CaseKind.BELOW_FLOOR,
            object_type="store",
            object_id=each.store_id,
            summary=f"{each.code} is below its floor.",
            evidence={
                "balance": f"{each.balance:.2f}",
                "held": f"{each.held:.2f}",
                "floor": f"{each.floor:.2f}",
                "currency": each.currency,
            },
            severity=Severity.SEVERE if each.balance < 0 else Severity.WARNING,
        )


def settle_floors(session: Session, found: FundBalance, *, now: datetime) -> None:
    """End the cases of stores that lie at or above their floor again."""
    for each in found.stores:
        if each.available >= each.floor:
            cases.close(
                session,
                kind=CaseKind.BELOW_FLOOR,
                object_type="store",
                object_id=each.store_id,
                resolved_by=None,
                note="The store lies above its floor again.",
                now=now,
            )
