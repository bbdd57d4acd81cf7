"""Rules that a payment satisfies before money is held for it."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import bindparam, func, or_, select, text
from sqlalchemy.orm import Session

from pettycash.gateways import registry
from pettycash.models.imprest import Fund, ProviderAccount, Store, StoreKind
from pettycash.models.payments import UNPAID, Payment, PaymentStatus
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime import db, errors, money
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services.foundation import rail_limits, visibility
from pettycash.services.foundation.actors import Actor
from pettycash.services.requisitions import approved_facts


class MethodReserved(errors.RuleViolation):
    """This method is not available yet."""

    code = "payment.method_reserved"


class StoreUnknown(errors.RuleViolation):
    """There is no such active store in this company, or none that fits."""

    code = "payment.store_not_found"


class MethodDoesNotFit(errors.RuleViolation):
    """This store can't pay by this method."""

    code = "payment.method_does_not_fit"


class WrongCurrency(errors.RuleViolation):
    """Requisition, store and payment must have the same currency."""

    code = "payment.wrong_currency"


class AccountInactive(errors.Conflict):
    """The provider account is switched off."""

    code = "payment.provider_account_inactive"


class ExceedsApproved(errors.RuleViolation):
    """The payments of a requisition may not exceed what was approved."""

    code = "payment.exceeds_approved"


class RequisitionNotPayable(errors.Conflict):
    """Only a requisition that treasury has validated can be paid."""

    code = "payment.requisition_not_payable"


class FailureUnconfirmed(errors.Conflict):
    """Only a callback reports the failure; wait until a query to the rail confirms it."""

    code = "payment.failure_unconfirmed"


class BlockedByCase(errors.Conflict):
    """A case contradicts this payment; two people must resolve it before a release."""

    code = "payment.blocked_by_case"


class RetriesExhausted(errors.Conflict):
    """The payment has failed too often; cancel it and make another one."""

    code = "payment.retries_exhausted"


UNFIT = (
    AccountInactive,
    MethodDoesNotFit,
    MethodReserved,
    StoreUnknown,
    WrongCurrency,
    money.InvalidAmount,
    rail_limits.AboveCashLimit,
    rail_limits.RailRefuses,
    registry.RailNotServed,
)
"""Refusals of an amount, a method and a store, whenever a payment gets them."""


def fitting_store(
    session: Session,
    *,
    store_id: UUID | None,
    requisition: Requisition,
    method: Method,
    actor: Actor | None = None,
) -> Store:
    """The store that is named, or else the one that the requisition's place and method lead to.

    Raises:
        MethodReserved: the method is for later.
        StoreUnknown: none such within scope, not active, or none fits.
        WrongCurrency, MethodDoesNotFit: the named store is of another currency or kind.
    """
    if method.facts.reserved:
        raise MethodReserved(errors={"method": [f"{method.facts.label} is not available yet."]})
    if store_id is None:
        return _store_by_place(session, requisition=requisition, method=method)
    query = (
        select(Store)
        .join(Fund, Fund.id == Store.fund_id)
        .where(Store.id == store_id, Store.is_active, Fund.is_active)
        .execution_options(**db.PREPARED)
    )
    if actor is not None:
        query = query.where(visibility.funds(actor))
    store = session.execute(query).scalar_one_or_none()
    if store is None:
        raise StoreUnknown(errors={"store_id": ["There is no such active store."]})
    if store.currency != requisition.currency:
        raise WrongCurrency(errors={"store_id": [f"This store keeps {store.currency}."]})
    if not _leaves_by(session, store=store, method=method):
        raise MethodDoesNotFit(errors={"method": [f"{store.code} does not pay by it."]})
    return store


def check_destination(
    session: Session,
    *,
    requisition: Requisition,
    method: Method,
    destination: str,
    amount: Decimal,
    payment_id: UUID | None = None,
) -> None:
    """Refuse what nobody approved: a payment goes where the requisition or a redirect says.

    By a redirect no more than its payment was when it was agreed to, all payments there together.

    Raises:
        RedirectNeeded: no approver has seen that so much goes there by this method.
    """
    asked = {
        "requisition": requisition.id,
        "method": method.value,
        "destination": destination,
        "payment": payment_id,
        "amount": amount,
    }
    if not session.execute(APPROVED_DESTINATION, asked).scalar_one():
        raise redirect_needed()


def redirect_needed() -> approved_facts.RedirectNeeded:
    """The refusal of a destination to which nobody has approved that so much goes."""
    told = "This amount was not approved for that destination: propose a redirect."
    return approved_facts.RedirectNeeded(errors={"destination": [told]})


APPROVED_DESTINATION = text(
    "SELECT approved_destination(:requisition, :method, :destination, :payment, :amount)"
).execution_options(**db.PREPARED)


def check_amount(
    session: Session,
    *,
    requisition_id: UUID,
    method: Method,
    store: Store,
    amount: Decimal,
    destination: str,
    payment_id: UUID | None = None,
) -> None:
    """The limits of currency, rail, provider account and drawer; all cash of a requisition counts
    together, however it is split. `payment_id` is the payment that gets the amount, if it is there.

    Raises:
        InvalidAmount: more decimals than the currency has.
        RailRefuses, AboveCashLimit: a limit is broken.
        AccountInactive: the kill switch of the provider account is on.
    """
    money.checked(amount, Currency(store.currency))
    if method is not Method.CASH:
        account = db.get_cached(session, ProviderAccount, store.provider_account_id)
        if not account.is_active:
            raise AccountInactive
    rail_limits.check(
        session,
        method=method,
        amount=amount
        if method is not Method.CASH
        else amount + cash_of(session, requisition_id=requisition_id, but=payment_id),
        currency=store.currency,
        destination=destination,
        store=store,
    )


def check_payable(session: Session, *, requisition: Requisition) -> None:
    """A requisition takes no further payment while it is not validated or a failure is unproven.

    Raises:
        RequisitionNotPayable: its status is another one than in_payment.
        FailureUnconfirmed: a failed payment of it may yet turn out to be paid.
    """
    if requisition.status is not RequisitionStatus.IN_PAYMENT:
        raise RequisitionNotPayable(f"The requisition is {requisition.status}.")
    unproven = session.execute(
        select(Payment.id)
        .where(
            Payment.requisition_id == requisition.id,
            Payment.status.in_(UNPAID),
            ~Payment.failure_confirmed,
        )
        .limit(1)
    ).first()
    if unproven is not None:
        raise FailureUnconfirmed


def remainder(session: Session, *, requisition: Requisition) -> Decimal:
    """The approved amount that no payment has: the failed and cancelled don't count,
    unless the rail may have paid them all the same.

    Negative where more was proven paid than anybody decided.
    """
    committed = session.execute(COMMITTED, {"requisition_id": requisition.id}).scalar_one()
    return (requisition.approved_amount or Decimal(0)) - Decimal(committed)


def cash_of(session: Session, *, requisition_id: UUID, but: UUID | None = None) -> Decimal:
    """All cash of a requisition that is paid or may yet be, whatever drawer it leaves."""
    asked = {"requisition_id": requisition_id, "but": but}
    return Decimal(session.execute(CASH, asked).scalar_one())


CASH = (
    select(func.coalesce(func.sum(Payment.amount), 0))
    .where(
        Payment.requisition_id == bindparam("requisition_id"),
        Payment.id.is_distinct_from(bindparam("but", type_=Payment.id.type)),
        Payment.method == Method.CASH,
        Payment.status != PaymentStatus.REVERSED,
        or_(Payment.status.not_in(UNPAID), ~Payment.failure_confirmed),
    )
    .execution_options(**db.PREPARED)
)

COMMITTED = (
    # greatest() passes over NULL.
    select(func.coalesce(func.sum(func.greatest(Payment.amount, Payment.paid_amount)), 0))
    .where(
        Payment.requisition_id == bindparam("requisition_id"),
        Payment.status != PaymentStatus.REVERSED,
        or_(Payment.status.not_in(UNPAID), ~Payment.failure_confirmed),
    )
    .execution_options(**db.PREPARED)
)


def is_overcommitted(session: Session, requisition: Requisition) -> bool:
    """Whether payments of a requisition, paid or on their way, are more than was approved."""
    return remainder(session, requisition=requisition) < 0


def _leaves_by(session: Session, *, store: Store, method: Method) -> bool:
    if store.kind is StoreKind.DRAWER:
        return method is Method.CASH
    account = db.get_cached(session, ProviderAccount, store.provider_account_id)
    return account.method is method


def _store_by_place(session: Session, *, requisition: Requisition, method: Method) -> Store:
    units = rail_limits.SpendingUnits(
        department_id=requisition.department_id,
        branch_id=requisition.branch_id,
        region_id=requisition.region_id,
    )
    store = rail_limits.store_of_units(session, units, currency=requisition.currency, method=method)
    if store is None:
        raise StoreUnknown(
            f"No fund of this unit pays {requisition.currency} by {method.facts.label}.",
            errors={"store_id": ["Name the store that pays."]},
        )
    return store
