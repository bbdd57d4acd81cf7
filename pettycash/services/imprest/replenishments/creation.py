"""When a fund asks for money: below its reorder level, one request at a time."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.imprest import Fund, Replenishment, ReplenishmentStatus, Store
from pettycash.models.ledger import JournalSource, Posting
from pettycash.models.payments import Payment
from pettycash.runtime import db, errors, money, settings
from pettycash.runtime.crash_points import crash_point
from pettycash.runtime.money import Currency
from pettycash.services.foundation import numbers, visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import float_identity, funds, notices
from pettycash.services.imprest.funds import FundBalance, StoreBalance

OPEN = (ReplenishmentStatus.PENDING, ReplenishmentStatus.APPROVED, ReplenishmentStatus.FUNDED)

ASKED = "asked_amount"
"""Key in `identity` of an amount that a person asked for instead of the formula's."""


class AlreadyOpen(errors.Conflict):
    """The fund has an open replenishment; finish or cancel it first."""

    code = "replenishment.already_open"


class NothingToReplenish(errors.RuleViolation):
    """Stores, money in transit and outstanding advances add up to the float already."""

    code = "replenishment.nothing_to_replenish"


class InvalidReplenishment(errors.RuleViolation):
    """The fund or store is closed, or the amount is not one of its currency."""

    code = "replenishment.invalid"


def consider(
    session: Session, *, fund_id: UUID, now: datetime, store_id: UUID | None = None
) -> Replenishment | None:
    """Raise a replenishment where the fund has less available than its reorder level.

    Called last in a transaction that decreased the fund (a hold, a posting), and by the sweep;
    `store_id` is the store that was decreased. Safe to call as often as one likes, also at once:
    the fund's row makes callers take turns, so that two decreases that do not see each other can't
    both find enough, and the partial unique index has the last word. Equal to the level is enough.
    A store that the decrease took below its floor gets its case here.

    Returns the fund's open replenishment where there is need, None where there is none: also while
    a rejection cools down.
    """
    fund = _lock_turn(session, fund_id)
    found = funds.balance(session, fund_id)
    funds.watch_floors(session, found)
    if fund is None or not fund.is_active or found.available >= found.reorder_level:
        return None
    standing = _open(session, fund_id)
    if standing is not None:
        return standing
    if _cools_down(session, fund_id=fund_id, now=now):
        return None
    state = float_identity.identity(session, fund_id)
    where = _destination(session, found, preferred=store_id)
    if state.requested <= 0 or where is None:
        return None
    return _raise(
        session, fund=fund, store_id=where.store_id, state=state, amount=state.requested, now=now
    )


def consider_store(session: Session, payment: Payment, now: datetime) -> None:
    """Consider the fund of a payment whose money is held, has left or has come back (hook)."""
    store = db.get_cached(session, Store, payment.store_id)
    consider(session, fund_id=store.fund_id, now=now, store_id=store.id)


def raise_by_hand(
    uow: Uow,
    *,
    fund_id: UUID,
    reason: str,
    store_id: UUID | None = None,
    amount: Decimal | None = None,
) -> Replenishment:
    """Ask for a replenishment whatever the level: the formula's amount, or one of one's own.

    Raises:
        FundNotFound, StoreNotFound: none such within scope.
        InvalidReplenishment: the fund or the store is closed, or the amount does not fit.
        NothingToReplenish: the formula asks for nothing and no amount was named.
        AlreadyOpen: one is open.
    """
    session = uow.session
    visibility.fund(uow, fund_id=fund_id)
    fund = _lock_turn(session, fund_id)
    if fund is None or not fund.is_active:
        raise InvalidReplenishment("The fund is closed.")
    if _open(session, fund_id) is not None:
        raise AlreadyOpen
    found = funds.balance(session, fund_id)
    if (
        store_id is not None
        and not funds.store(session, fund_id=fund_id, store_id=store_id).is_active
    ):
        raise InvalidReplenishment(errors={"store_id": ["The store is closed."]})
    where = _destination(session, found, preferred=store_id)
    if where is None:
        raise InvalidReplenishment("The fund has no open store.")
    if amount is not None:
        try:
            money.checked(amount, Currency(fund.currency))
        except money.InvalidAmount as error:
            raise InvalidReplenishment(errors={"amount": [error.detail]}) from error
    state = float_identity.identity(session, fund_id)
    wanted = state.requested if amount is None else amount
    if wanted <= 0:
        raise NothingToReplenish
    raised = _raise(
        session,
        fund=fund,
        store_id=where.store_id,
        state=state,
        amount=wanted,
        now=uow.now,
        by=uow.actor.user_id,
        reason=reason,
        asked=amount,
    )
    if raised.proposed_by != uow.actor.user_id:
        raise AlreadyOpen
    return raised


def active_funds(session: Session) -> list[UUID]:
    """The funds that the sweep looks after, in a stable order."""
    return list(session.execute(select(Fund.id).where(Fund.is_active).order_by(Fund.id)).scalars())


def sweep(
    session: Session, *, fund_id: UUID, now: datetime, store_id: UUID | None = None
) -> Replenishment | None:
    """`consider`, and end the cases of stores that lie above their floor again.

    For what may have filled a store: a receipt, another floor, the passing of time.
    """
    # The turn before the cases, in the order of everybody who opens one.
    _lock_turn(session, fund_id)
    funds.settle_floors(session, funds.balance(session, fund_id), now=now)
    return consider(session, fund_id=fund_id, now=now, store_id=store_id)


def _lock_turn(session: Session, fund_id: UUID) -> Fund | None:
    """Lock the fund's row: accounts first, the fund last, wherever both are locked."""
    return session.execute(TURN, {"fund_id": fund_id}).scalar_one_or_none()


TURN = (
    select(Fund)
    .where(Fund.id == bindparam("fund_id"))
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True, **db.PREPARED)
)


def _open(session: Session, fund_id: UUID) -> Replenishment | None:
    return session.execute(STANDING, {"fund_id": fund_id}).scalar_one_or_none()


STANDING = (
    select(Replenishment)
    .where(Replenishment.fund_id == bindparam("fund_id"), Replenishment.status.in_(OPEN))
    .execution_options(**db.PREPARED)
)


def _cools_down(session: Session, *, fund_id: UUID, now: datetime) -> bool:
    """Whether a person said no a short while ago."""
    since = now - timedelta(seconds=settings.current().replenishment_cooldown_seconds)
    return (
        session.execute(
            select(Replenishment.id)
            .where(
                Replenishment.fund_id == fund_id,
                Replenishment.status == ReplenishmentStatus.REJECTED,
                Replenishment.decided_at > since,
            )
            .limit(1)
        ).first()
        is not None
    )


def _destination(
    session: Session, found: FundBalance, *, preferred: UUID | None
) -> StoreBalance | None:
    """The store that gets the money: the one named, else the one that is furthest below its start.

    Ties and stores that never had an opening balance are decided by what is available, then code.
    """
    stores = [each for each in found.stores if each.is_active]
    for each in stores:
        if each.store_id == preferred:
            return each
    openings = _openings(session, found.fund_id)

    def shortage(each: StoreBalance) -> tuple[Decimal, Decimal, str]:
        start = openings.get(each.store_id, Decimal(0))
        return (each.available - start, each.available, each.code)

    return min(stores, key=shortage, default=None)


def _openings(session: Session, fund_id: UUID) -> dict[UUID, Decimal]:
    rows = session.execute(
        select(Store.id, Posting.amount)
        .join(JournalSource, JournalSource.source == "store:" + Store.code + ":opening")
        .join(
            Posting,
            (Posting.entry_id == JournalSource.entry_id) & (Posting.account_id == Store.account_id),
        )
        .where(Store.fund_id == fund_id)
    )
    return {row.id: row.amount for row in rows}


def _raise(
    session: Session,
    *,
    fund: Fund,
    store_id: UUID,
    state: float_identity.Identity,
    amount: Decimal,
    now: datetime,
    by: UUID | None = None,
    reason: str | None = None,
    asked: Decimal | None = None,
) -> Replenishment:
    """Insert it, or find the one that another caller inserted."""
    shown, key = state.as_json(), new_id()
    if asked is not None:
        shown[ASKED] = money.text(asked, fund.currency)
    session.execute(
        insert(Replenishment)
        .values(
            id=key,
            company_id=fund.company_id,
            number=numbers.next_number(session, Replenishment, now=now),
            fund_id=fund.id,
            store_id=store_id,
            currency=fund.currency,
            status=ReplenishmentStatus.PENDING,
            status_changed_at=now,
            auto_triggered=by is None,
            proposed_by=by,
            proposed_at=now,
            reason=reason,
            current_balance=state.stores,
            available=state.available,
            requested_amount=amount,
            identity=shown,
            lost_amount=Decimal(0),
            version=1,
        )
        .on_conflict_do_nothing(
            index_elements=["fund_id"],
            index_where=text("status IN ('pending', 'approved', 'funded')"),
        )
    )
    raised = _open(session, fund.id)
    if raised is None:
        raise AssertionError("an open replenishment was inserted or found")
    if raised.id == key:
        notices.raised(session, raised)
    crash_point("replenishments.raised")
    return raised
