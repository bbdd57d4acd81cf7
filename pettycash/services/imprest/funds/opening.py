"""Opening balances: a cut-over entry that one person proposes and another one confirms."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.imprest import Store
from pettycash.models.operations import Change
from pettycash.runtime import clock, errors, money
from pettycash.runtime.money import Currency
from pettycash.services.foundation import company_settings, visibility
from pettycash.services.foundation.permissions import FINANCE_OFFICERS
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest.funds.balances import balance, watch_floors
from pettycash.services.imprest.funds.stores import StoreNotFound
from pettycash.services.imprest.funds.stores import store as find_store
from pettycash.services.ledger import posting, posting_rules
from pettycash.services.operations import changes

KIND = "opening_balance"


class InvalidOpening(errors.RuleViolation):
    """An opening balance must be a positive amount of the store's currency, on no future day."""

    code = "fund.invalid_opening_balance"


def propose_opening(
    uow: Uow, *, fund_id: UUID, store_id: UUID, amount: Decimal, day: date, reason: str
) -> Change:
    """Propose what lay in a store at the beginning of a business day.

    Raises:
        FundNotFound, StoreNotFound: none such within scope.
        InvalidOpening: see the class.
        AlreadyPosted: the store has its opening balance already.
        NotAProposer: the proposer lacks the right.
    """
    visibility.fund(uow, fund_id=fund_id)
    find_store(uow.session, fund_id=fund_id, store_id=store_id)
    return changes.propose_any(
        uow,
        kind=KIND,
        object_id=store_id,
        payload={"amount": f"{amount:.2f}", "day": day.isoformat()},
        reason=reason,
    )


def read(
    session: Session, proposal: changes.ChangeProposal, now: datetime
) -> changes.ChangeProposal:
    """Refuse a proposal that could not become effective.

    Raises:
        StoreNotFound, InvalidOpening, AlreadyPosted: see `propose_opening`.
    """
    _read(session, proposal, now)
    return proposal


def _read(
    session: Session, proposal: changes.ChangeProposal, now: datetime
) -> tuple[Store, Decimal, datetime]:
    """The store, the amount and the instant that the proposal stands for.

    Raises:
        StoreNotFound, InvalidOpening, AlreadyPosted: see `propose_opening`.
    """
    payload = proposal.payload
    store = session.get(Store, proposal.object_id) if proposal.object_id is not None else None
    if store is None or not store.is_active:
        raise StoreNotFound
    strangers = sorted(set(payload) - {"amount", "day"})
    if strangers:
        raise InvalidOpening(errors={each: ["Unknown field."] for each in strangers})
    try:
        amount = money.parse(payload.get("amount"), Currency(store.currency))
        day = date.fromisoformat(str(payload.get("day")))
    except (money.InvalidAmount, ValueError) as error:
        raise InvalidOpening(str(error)) from error
    timezone = company_settings.current(session).timezone
    if day > clock.business_date(now, timezone):
        raise InvalidOpening(errors={"day": ["That day has not come yet."]})
    entry = posting_rules.opening(session, store=store, amount=amount, occurred_at=now, by=None)
    if posting.is_posted(session, source=entry.source):
        raise posting.AlreadyPosted(f"{store.code} has its opening balance already.")
    return store, amount, clock.day_bounds(day, timezone)[0]


def apply(uow: Uow, change: Change) -> None:
    """Post the cut-over entry.

    Raises:
        PeriodClosed: the day lies in a closed period.
        StoreNotFound, InvalidOpening, AlreadyPosted: the facts changed since the proposal.
    """
    session = uow.session
    store, amount, occurred_at = _read(
        session, changes.ChangeProposal(object_id=change.object_id, payload=change.payload), uow.now
    )
    entry = posting_rules.opening(
        session, store=store, amount=amount, occurred_at=occurred_at, by=uow.actor.user_id
    )
    posting.post(session, [entry])
    watch_floors(session, balance(session, store.fund_id))


changes.register(
    KIND, proposers=FINANCE_OFFICERS, confirmers=FINANCE_OFFICERS, apply=apply, read=read
)
