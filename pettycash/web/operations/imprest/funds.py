"""Funds: open them, set their limits, look into them, ask for their replenishment."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from pettycash.models.imprest import Replenishment, Store
from pettycash.models.operations import Change
from pettycash.runtime.money import InvalidAmount
from pettycash.services.foundation import decisions, visibility
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import float_identity, funds, replenishments
from pettycash.services.imprest.funds.keeping import FundExists
from pettycash.services.imprest.funds.lists import FUNDS, STORES, to_response
from pettycash.services.imprest.funds.opening import InvalidOpening
from pettycash.services.imprest.funds.stores import InvalidStore, StoreExists, StoreNotEmpty
from pettycash.services.imprest.standing_validations import STANDING_VALIDATIONS
from pettycash.services.ledger.posting import AlreadyPosted
from pettycash.web.etags import Expected
from pettycash.web.operations import list_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import funds as shapes
from pettycash.web.schemas.changes import ChangeSchema
from pettycash.web.schemas.replenishments import EXAMPLE_REPLENISHMENT, ReplenishmentSchema

list_all = list_of(
    "funds.list",
    FUNDS,
    "List the funds in your scope by code.",
    answers=shapes.FundSchema,
    example=shapes.EXAMPLE_FUND,
)


list_standing_validations = list_of(
    "standing_validations.list",
    STANDING_VALIDATIONS,
    "List standing validations of the funds in your scope, version by version, the newest first.",
    answers=shapes.StandingValidationSchema,
    example=shapes.EXAMPLE_STANDING_VALIDATION,
)


@operation(
    "funds.create",
    takes=shapes.FundSchema,
    given=shapes.EXAMPLE_NEW_FUND,
    status=201,
    answers=shapes.FundSchema,
    example=shapes.EXAMPLE_FUND,
    etag=True,
)
@refuses(FundExists, InvalidAmount, funds.InvalidFund)
def create(uow: Uow, /, **facts: Any) -> Any:
    """Open a fund, one for each place and currency; stores and a custodian come next."""
    fund = funds.create(uow.session, **facts)
    uow.session.refresh(fund)
    return to_response(uow.session, [fund])[0]


@operation("funds.get", answers=shapes.FundSchema, example=shapes.EXAMPLE_FUND, etag=True)
@refuses(funds.FundNotFound)
def get(uow: Uow, *, fund_id: UUID) -> dict[str, Any]:
    """Read a fund with what it holds."""
    fund = visibility.fund(uow, fund_id=fund_id)
    return to_response(uow.session, [fund])[0]


@operation(
    "funds.update",
    takes=shapes.FundChangeSchema(partial=True),
    given={"name": "Westlands office"},
    step_up=True,
    answers=shapes.FundSchema,
    example=shapes.EXAMPLE_FUND,
    etag=True,
)
@refuses(FundExists, funds.FundInUse, funds.FundNotFound, InvalidAmount, funds.InvalidFund)
def update(
    uow: Uow, *, fund_id: UUID, changes: Mapping[str, Any], expected: Expected
) -> dict[str, Any]:
    """Change a fund's name, or close it when it is empty; two people change its limits."""
    fund = funds.locked(uow, fund_id=fund_id)
    expected.check(fund.version)
    funds.update(uow.session, fund=fund, changes=changes, now=uow.now)
    return to_response(uow.session, [fund])[0]


@operation("funds.balance", answers=shapes.FundBalanceSchema, example=shapes.EXAMPLE_BALANCE)
@refuses(funds.FundNotFound)
def balance(uow: Uow, *, fund_id: UUID) -> dict[str, Any]:
    """Read balance, held, available and floor of each store, their sums and the identity."""
    visibility.fund(uow, fund_id=fund_id)
    found = funds.balance(uow.session, fund_id)
    names = "fund_id currency balance held available floor target_balance reorder_level stores"
    return {name: getattr(found, name) for name in names.split()} | {
        "needs_replenishment": found.available < found.reorder_level,
        "imprest_identity": float_identity.identity(uow.session, fund_id).as_json(),
    }


@operation(
    "funds.replenish",
    takes=shapes.ReplenishSchema,
    given={"reason": "The school trip next week"},
    key="required",
    status=201,
    answers=ReplenishmentSchema,
    example=EXAMPLE_REPLENISHMENT,
    etag=True,
)
@refuses(
    replenishments.AlreadyOpen,
    funds.FundNotFound,
    InvalidAmount,
    replenishments.InvalidReplenishment,
    replenishments.NothingToReplenish,
    funds.StoreNotFound,
)
def replenish(
    uow: Uow, *, fund_id: UUID, reason: str, store_id: UUID | None, amount: Decimal | None
) -> Replenishment:
    """Ask for a replenishment by hand, whatever the level. It credits nothing by itself."""
    return replenishments.raise_by_hand(
        uow, fund_id=fund_id, reason=reason, store_id=store_id, amount=amount
    )


@operation(
    "funds.opening_balance",
    takes=shapes.OpeningBalanceSchema,
    given=shapes.EXAMPLE_OPENING,
    step_up=True,
    status=202,
    answers=ChangeSchema,
    example=shapes.EXAMPLE_OPENING_CHANGE,
)
@refuses(
    AlreadyPosted, funds.FundNotFound, InvalidOpening, decisions.NotAProposer, funds.StoreNotFound
)
def opening_balance(uow: Uow, /, *, fund_id: UUID, **facts: Any) -> Change:
    """Propose a store's opening balance; a second person confirms it and it is posted."""
    return funds.propose_opening(uow, fund_id=fund_id, **facts)


list_all_stores = list_of(
    "stores.list_all",
    STORES,
    "List the stores of the funds in your scope by code.",
    answers=shapes.StoreSchema,
    example=shapes.EXAMPLE_STORE,
)


@operation(
    "stores.list",
    listing=STORES,
    without=("fund_id",),
    answers=shapes.StoreSchema,
    example=shapes.EXAMPLE_STORE,
)
@refuses(funds.FundNotFound)
def list_stores(uow: Uow, /, *, fund_id: UUID, **arguments: Any) -> ListPage:
    """List the stores of a fund by code."""
    visibility.fund(uow, fund_id=fund_id)
    return page(uow, STORES, arguments, fund_id=[fund_id])


@operation(
    "stores.create",
    takes=shapes.StoreSchema,
    given=shapes.EXAMPLE_NEW_STORE,
    status=201,
    answers=shapes.StoreSchema,
    example=shapes.EXAMPLE_STORE,
    etag=True,
)
@refuses(funds.FundNotFound, InvalidStore, StoreExists)
def create_store(uow: Uow, /, *, fund_id: UUID, **facts: Any) -> Store:
    """Add an empty store to a fund."""
    fund = funds.locked(uow, fund_id=fund_id)
    store = funds.create_store(uow.session, fund=fund, **facts)
    uow.session.refresh(store)
    return store


@operation("stores.get", answers=shapes.StoreSchema, example=shapes.EXAMPLE_STORE, etag=True)
@refuses(funds.FundNotFound, funds.StoreNotFound)
def get_store(uow: Uow, *, fund_id: UUID, store_id: UUID) -> Store:
    """Read a store."""
    visibility.fund(uow, fund_id=fund_id)
    return funds.store(uow.session, fund_id=fund_id, store_id=store_id)


@operation(
    "stores.update",
    takes=shapes.StoreChangeSchema,
    given={"name": "Front desk"},
    answers=shapes.StoreSchema,
    example=shapes.EXAMPLE_STORE,
    etag=True,
)
@refuses(funds.FundNotFound, InvalidStore, StoreNotEmpty, funds.StoreNotFound)
def update_store(
    uow: Uow, *, fund_id: UUID, store_id: UUID, changes: Mapping[str, Any], expected: Expected
) -> Store:
    """Change a store's name, or close it when it is empty."""
    funds.locked(uow, fund_id=fund_id)
    store = funds.locked_store(uow.session, fund_id=fund_id, store_id=store_id)
    expected.check(store.version)
    funds.update_store(uow.session, store=store, changes=changes)
    return store
