"""The limits of a rail, a provider account and a drawer: said when money is asked for, and again
when a payment is made of it.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from pettycash.gateways import registry
from pettycash.models.access import Branch
from pettycash.models.imprest import Fund, ProviderAccount, Store, StoreKind
from pettycash.runtime import db, errors, money
from pettycash.runtime.rails import Method

PARTS_MAX = 50
"""How many payments treasury makes of one requisition at once."""


class RailRefuses(errors.RuleViolation):
    """The rail would refuse this payment: amount, currency or destination."""

    code = "payment.rail_refuses"


class AboveCashLimit(errors.RuleViolation):
    """More cash than the fund gives out: for one requisition, or unvalidated to a payee a day."""

    code = "payment.above_cash_limit"


@dataclass(frozen=True, kw_only=True)
class SpendingUnits:
    """The units that spend, as far as they are known."""

    department_id: UUID | None
    branch_id: UUID | None
    region_id: UUID | None


def store_of_units(
    session: Session, units: SpendingUnits, *, currency: str, method: Method
) -> Store | None:
    """The store of the nearest fund that pays so: department and branch before region before
    company. None where no fund of the place does."""
    region_id = units.region_id
    if region_id is None and units.branch_id is not None:
        region_id = session.get_one(Branch, units.branch_id).region_id
    fund_units = (
        (Fund.department_id, units.department_id),
        (Fund.branch_id, units.branch_id),
        (Fund.region_id, region_id),
    )
    return session.execute(
        select(Store)
        .join(Fund, Fund.id == Store.fund_id)
        .outerjoin(ProviderAccount, ProviderAccount.id == Store.provider_account_id)
        .where(
            Store.is_active,
            Fund.is_active,
            Store.currency == currency,
            *(or_(column.is_(None), column == value) for column, value in fund_units),
            Store.kind == StoreKind.DRAWER
            if method is Method.CASH
            else ProviderAccount.method == method,
        )
        .order_by(*(column.is_(None) for column, _ in fund_units), Store.code)
        .limit(1)
    ).scalar_one_or_none()


def check(
    session: Session,
    *,
    method: Method,
    amount: Decimal,
    currency: str,
    destination: str,
    store: Store | None,
    payments: int = 1,
) -> None:
    """Refuse what can't leave so, in one payment or in at most so many.

    Without a store, the rail's own rules alone are known.

    Raises:
        RailRefuses, AboveCashLimit: a limit is broken.
    """
    if method is Method.CASH:
        limit = None if store is None else session.get_one(Fund, store.fund_id).cash_limit
        if limit is not None and amount > limit:
            raise AboveCashLimit(
                errors={"amount": [f"At most {money.text(limit, currency)} in cash."]}
            )
        return
    wrong: dict[str, list[str]] = {}
    needed = payments_needed(method, amount, currency, destination, at_most=payments)
    if needed is None:
        for each in registry.for_rail(method).validate(amount, currency, destination):
            wrong.setdefault(each.field, []).append(each.message)
    if store is not None:
        account = db.get_cached(session, ProviderAccount, store.provider_account_id)
        for sentence in _beyond(account, amount, currency):
            wrong.setdefault("amount", []).append(sentence)
    if wrong:
        raise RailRefuses(
            " ".join(f"{name}: {each}." for name, said in wrong.items() for each in said),
            errors=wrong,
        )


def payments_needed(
    method: Method, amount: Decimal, currency: str, destination: str, *, at_most: int = PARTS_MAX
) -> int | None:
    """How many payments the rail needs for an amount that it does not carry at a time; 1 mostly.

    None where no split helps: a fraction, too little, another destination.
    """
    if not method.facts.has_gateway:
        return 1
    takes = registry.for_rail(method).validate
    unit = Decimal(1) if amount == amount.to_integral_value() else Decimal("0.01")
    for parts in range(1, at_most + 1):
        smallest = (amount / parts).quantize(unit, rounding=ROUND_FLOOR)
        largest = (amount / parts).quantize(unit, rounding=ROUND_CEILING)
        if not takes(smallest, currency, destination) and not takes(largest, currency, destination):
            return parts
    return None


def _beyond(account: ProviderAccount, amount: Decimal, currency: str) -> list[str]:
    found = []
    if account.amount_min is not None and amount < account.amount_min:
        found.append(f"The account pays {money.text(account.amount_min, currency)} or more")
    if account.amount_max is not None and amount > account.amount_max:
        found.append(f"The account pays at most {money.text(account.amount_max, currency)}")
    return found
