"""Funds: open them, set their limits, look into them, ask for their replenishment."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.admission import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.etags import check_etag, set_etag
from pettycash.api.headers import sends
from pettycash.api.idempotency import idempotent
from pettycash.api.pages import example_page, page_of, query_of
from pettycash.api.refusals import refuses
from pettycash.api.schemas.changes import ChangeSchema
from pettycash.api.schemas.funds import (
    EXAMPLE_BALANCE,
    EXAMPLE_FUND,
    EXAMPLE_NEW_FUND,
    EXAMPLE_NEW_STORE,
    EXAMPLE_OPENING,
    EXAMPLE_OPENING_CHANGE,
    EXAMPLE_STORE,
    FundBalanceSchema,
    FundChangeSchema,
    FundSchema,
    OpeningBalanceSchema,
    ReplenishSchema,
    StoreChangeSchema,
    StoreSchema,
)
from pettycash.api.schemas.replenishments import EXAMPLE_REPLENISHMENT, ReplenishmentSchema
from pettycash.models.imprest import Replenishment, Store
from pettycash.models.operations import Change
from pettycash.runtime.db import transaction
from pettycash.runtime.money import InvalidAmount
from pettycash.services.foundation import visibility
from pettycash.services.foundation.decisions import NotAProposer
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow
from pettycash.services.foundation.visibility import FundNotFound
from pettycash.services.imprest import float_identity, funds, replenishments
from pettycash.services.imprest.funds.keeping import FundExists, FundInUse, InvalidFund
from pettycash.services.imprest.funds.lists import FUNDS, STORES, to_response
from pettycash.services.imprest.funds.opening import InvalidOpening
from pettycash.services.imprest.funds.stores import (
    InvalidStore,
    StoreExists,
    StoreNotEmpty,
    StoreNotFound,
)
from pettycash.services.imprest.replenishments.creation import (
    AlreadyOpen,
    InvalidReplenishment,
    NothingToReplenish,
)
from pettycash.services.ledger.posting import AlreadyPosted

blp = Blueprint(
    "funds",
    __name__,
    url_prefix="/api/funds",
    description="Imprest funds, the stores that their money lies in, and their balances.",
)


@blp.route("/")
class Funds(MethodView):
    @operation("funds.list")
    @blp.arguments(query_of(FUNDS), location="query")
    @blp.response(200, page_of(FundSchema), example=example_page(EXAMPLE_FUND))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List the funds in your scope by code."""
        with transaction() as session:
            return page(Uow.of(session, current_actor()), FUNDS, arguments)

    @operation("funds.create")
    @idempotent()
    @blp.arguments(FundSchema, example=EXAMPLE_NEW_FUND)
    @blp.response(201, FundSchema, example=EXAMPLE_FUND)
    @refuses(FundExists, InvalidAmount, InvalidFund)
    @sends("Location", "ETag")
    def post(self, body: dict[str, Any]) -> Any:
        """Open a fund, one for each place and currency; stores and a custodian come next."""
        with transaction() as session:
            fund = funds.create(session, **body)
            session.refresh(fund)
            set_etag(fund.version)
            return to_response(session, [fund])[0], {"Location": f"/api/funds/{fund.id}/"}


@blp.route("/<uuid:fund_id>/")
class OneFund(MethodView):
    @operation("funds.get")
    @blp.response(200, FundSchema, example=EXAMPLE_FUND)
    @refuses(FundNotFound)
    @sends("ETag")
    def get(self, fund_id: UUID) -> dict[str, Any]:
        """Read a fund with what it holds."""
        with transaction() as session:
            fund = visibility.fund(Uow.of(session, current_actor()), fund_id=fund_id)
            set_etag(fund.version)
            return to_response(session, [fund])[0]

    @operation("funds.update", step_up=True)
    @blp.arguments(FundChangeSchema(partial=True), example={"name": "Westlands office"})
    @blp.response(200, FundSchema, example=EXAMPLE_FUND)
    @refuses(FundExists, FundInUse, FundNotFound, InvalidAmount, InvalidFund)
    def patch(self, body: dict[str, Any], fund_id: UUID) -> dict[str, Any]:
        """Change a fund's name, or close it when it is empty; two people change its limits."""
        with transaction() as session:
            now = session.info["now"]
            fund = funds.locked(Uow.of(session, current_actor()), fund_id=fund_id)
            check_etag(fund.version)
            funds.update(session, fund=fund, changes=body, now=now)
            set_etag(fund.version)
            return to_response(session, [fund])[0]


@blp.route("/<uuid:fund_id>/balance/")
class BalanceOfFund(MethodView):
    @operation("funds.balance")
    @blp.response(200, FundBalanceSchema, example=EXAMPLE_BALANCE)
    @refuses(FundNotFound)
    def get(self, fund_id: UUID) -> dict[str, Any]:
        """Read balance, held, available and floor of each store, their sums and the identity."""
        with transaction() as session:
            visibility.fund(Uow.of(session, current_actor()), fund_id=fund_id)
            found = funds.balance(session, fund_id)
            names = (
                "fund_id currency balance held available floor target_balance reorder_level stores"
            )
            return {name: getattr(found, name) for name in names.split()} | {
                "needs_replenishment": found.available < found.reorder_level,
                "imprest_identity": float_identity.identity(session, fund_id).as_json(),
            }


@blp.route("/<uuid:fund_id>/replenish/")
class FundReplenishment(MethodView):
    @operation("funds.replenish")
    @idempotent(required=True)
    @blp.arguments(ReplenishSchema, example={"reason": "The school trip next week"})
    @blp.response(201, ReplenishmentSchema, example=EXAMPLE_REPLENISHMENT)
    @refuses(
        AlreadyOpen,
        FundNotFound,
        InvalidAmount,
        InvalidReplenishment,
        NothingToReplenish,
        StoreNotFound,
    )
    @sends("Location", "ETag")
    def post(self, body: dict[str, Any], fund_id: UUID) -> tuple[Replenishment, dict[str, str]]:
        """Ask for a replenishment by hand, whatever the level. It credits nothing by itself."""
        with transaction() as session:
            found = replenishments.raise_by_hand(
                Uow.of(session, current_actor()), fund_id=fund_id, **body
            )
            set_etag(found.version)
            return found, {"Location": f"/api/replenishments/{found.id}/"}


@blp.route("/<uuid:fund_id>/opening_balance/")
class OpeningBalance(MethodView):
    @operation("funds.opening_balance", step_up=True)
    @idempotent()
    @blp.arguments(OpeningBalanceSchema, example=EXAMPLE_OPENING)
    @blp.response(202, ChangeSchema, example=EXAMPLE_OPENING_CHANGE)
    @refuses(AlreadyPosted, FundNotFound, InvalidOpening, NotAProposer, StoreNotFound)
    @sends("Location")
    def post(self, body: dict[str, Any], fund_id: UUID) -> tuple[Change, dict[str, str]]:
        """Propose a store's opening balance; a second person confirms it and it is posted."""
        with transaction() as session:
            change = funds.propose_opening(
                Uow.of(session, current_actor()), fund_id=fund_id, **body
            )
            return change, {"Location": f"/api/changes/{change.id}/"}


@blp.route("/stores/")
class AllStores(MethodView):
    @operation("stores.list_all")
    @blp.arguments(query_of(STORES), location="query")
    @blp.response(200, page_of(StoreSchema), example=example_page(EXAMPLE_STORE))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List the stores of the funds in your scope by code."""
        with transaction() as session:
            return page(Uow.of(session, current_actor()), STORES, arguments)


@blp.route("/<uuid:fund_id>/stores/")
class Stores(MethodView):
    @operation("stores.list")
    @blp.arguments(query_of(STORES, without=("fund_id",)), location="query")
    @blp.response(200, page_of(StoreSchema), example=example_page(EXAMPLE_STORE))
    @refuses(FundNotFound)
    def get(self, arguments: dict[str, Any], fund_id: UUID) -> ListPage:
        """List the stores of a fund by code."""
        with transaction() as session:
            uow = Uow.of(session, current_actor())
            visibility.fund(uow, fund_id=fund_id)
            return page(uow, STORES, arguments, fund_id=[fund_id])

    @operation("stores.create")
    @idempotent()
    @blp.arguments(StoreSchema, example=EXAMPLE_NEW_STORE)
    @blp.response(201, StoreSchema, example=EXAMPLE_STORE)
    @refuses(FundNotFound, InvalidStore, StoreExists)
    @sends("Location", "ETag")
    def post(self, body: dict[str, Any], fund_id: UUID) -> tuple[Store, dict[str, str]]:
        """Add an empty store to a fund."""
        with transaction() as session:
            fund = funds.locked(Uow.of(session, current_actor()), fund_id=fund_id)
            store = funds.create_store(session, fund=fund, **body)
            session.refresh(store)
            set_etag(store.version)
            return store, {"Location": f"/api/funds/{fund_id}/stores/{store.id}/"}


@blp.route("/<uuid:fund_id>/stores/<uuid:store_id>/")
class OneStore(MethodView):
    @operation("stores.get")
    @blp.response(200, StoreSchema, example=EXAMPLE_STORE)
    @refuses(FundNotFound, StoreNotFound)
    @sends("ETag")
    def get(self, fund_id: UUID, store_id: UUID) -> Store:
        """Read a store."""
        with transaction() as session:
            visibility.fund(Uow.of(session, current_actor()), fund_id=fund_id)
            store = funds.store(session, fund_id=fund_id, store_id=store_id)
            set_etag(store.version)
            return store

    @operation("stores.update")
    @blp.arguments(StoreChangeSchema, example={"name": "Front desk"})
    @blp.response(200, StoreSchema, example=EXAMPLE_STORE)
    @refuses(FundNotFound, InvalidStore, StoreNotEmpty, StoreNotFound)
    def patch(self, body: dict[str, Any], fund_id: UUID, store_id: UUID) -> Store:
        """Change a store's name, or close it when it is empty."""
        with transaction() as session:
            funds.locked(Uow.of(session, current_actor()), fund_id=fund_id)
            store = funds.locked_store(session, fund_id=fund_id, store_id=store_id)
            check_etag(store.version)
            funds.update_store(session, store=store, changes=body)
            set_etag(store.version)
            return store
