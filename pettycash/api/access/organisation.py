"""The units of a company: regions, branches, departments, cost centres, positions.

All five behave alike, so their views are made from one table, KINDS.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import marshmallow as ma
from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.models.access import Branch, CostCenter, Department, Position, Region
from pettycash.runtime.db import transaction
from pettycash.services.access import organisation
from pettycash.services.access.organisation import CodeTaken, UnitInUse, UnitNotFound, UnknownUnit
from pettycash.services.foundation.listings import ListPage, page
from pettycash.web.admission import current_actor, operation
from pettycash.web.etags import check_etag, set_etag
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas import organisation as shapes

blp = Blueprint(
    "organisation",
    __name__,
    url_prefix="/api",
    description="Regions, branches, departments, cost centres and positions of the company.",
)


@dataclass(frozen=True)
class UnitView:
    """One kind of unit: where it is served and in which shape."""

    path: str
    operations: str
    one: str
    model: Any
    schema: type[ma.Schema]
    example: Mapping[str, Any]


KINDS = (
    UnitView(
        "regions", "regions", "region", Region, shapes.RegionSchema, shapes.EXAMPLE_REGION
    ),
    UnitView(
        "branches", "branches", "branch", Branch, shapes.BranchSchema, shapes.EXAMPLE_BRANCH
    ),
    UnitView(
        "departments", "departments", "department", Department, shapes.DepartmentSchema,
        shapes.EXAMPLE_DEPARTMENT,
    ),
    UnitView(
        "cost-centers", "cost_centers", "cost centre", CostCenter, shapes.CostCenterSchema,
        shapes.EXAMPLE_COST_CENTER,
    ),
    UnitView(
        "positions", "positions", "position", Position, shapes.PositionSchema,
        shapes.EXAMPLE_POSITION,
    ),
)  # fmt: skip


def _serve(kind: UnitView) -> None:
    """Add the views of one kind to the blueprint."""
    answer = shapes.example_of(dict(kind.example))
    change = shapes.change_of(kind.schema)
    listing = organisation.UNITS[kind.operations]

    class Units(MethodView):
        @operation(f"{kind.operations}.list")
        @blp.arguments(query_of(listing), location="query")
        @blp.response(200, page_of(kind.schema), example=example_page(answer))
        @blp.doc(summary=f"List {kind.path.replace('-', ' ')} by code.")
        def get(self, arguments: dict[str, Any]) -> ListPage:
            with transaction() as session:
                return page(session, listing, current_actor(), arguments)

        @operation(f"{kind.operations}.create")
        @idempotent()
        @blp.arguments(kind.schema, example=dict(kind.example))
        @blp.response(201, kind.schema, example=answer)
        @blp.doc(summary=f"Make a {kind.one}.")
        @refuses(CodeTaken, UnknownUnit)
        @sends("Location", "ETag")
        def post(self, body: dict[str, Any]) -> Any:
            with transaction() as session:
                unit = organisation.create(session, kind.model, values=body, actor=current_actor())
                set_etag(unit.version)
                return unit, {"Location": f"/api/{kind.path}/{unit.id}/"}

    class OneUnit(MethodView):
        @operation(f"{kind.operations}.get")
        @blp.response(200, kind.schema, example=answer)
        @blp.doc(summary=f"Read a {kind.one}.")
        @refuses(UnitNotFound)
        @sends("ETag")
        def get(self, unit_id: UUID) -> Any:
            with transaction() as session:
                unit = organisation.get(session, kind.model, unit_id=unit_id)
                set_etag(unit.version)
                return unit

        @operation(f"{kind.operations}.update")
        @blp.arguments(change, example={"is_active": True})
        @blp.response(200, kind.schema, example=answer)
        @blp.doc(summary=f"Change or deactivate a {kind.one}.")
        @refuses(CodeTaken, UnitInUse, UnitNotFound, UnknownUnit)
        def patch(self, body: dict[str, Any], unit_id: UUID) -> Any:
            with transaction() as session:
                unit = organisation.get(session, kind.model, unit_id=unit_id, lock=True)
                check_etag(unit.version)
                organisation.update(session, unit, values=body, actor=current_actor())
                set_etag(unit.version)
                return unit

    blp.route(f"/{kind.path}/", endpoint=kind.operations)(Units)
    blp.route(f"/{kind.path}/<uuid:unit_id>/", endpoint=f"one_{kind.operations}")(OneUnit)


for _kind in KINDS:
    _serve(_kind)
