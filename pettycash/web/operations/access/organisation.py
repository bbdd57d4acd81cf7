"""The units of a company: regions, branches, departments, cost centres, positions.

All five behave alike, so their operations are made from one table, KINDS.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import marshmallow as ma

from pettycash.models.access import Branch, CostCenter, Department, Position, Region
from pettycash.services.access import organisation
from pettycash.services.access.organisation import CodeTaken, UnitInUse, UnitNotFound, UnknownUnit
from pettycash.services.foundation.uow import Uow
from pettycash.web.etags import Expected
from pettycash.web.operations import Operation, list_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import organisation as shapes


@dataclass(frozen=True, kw_only=True)
class UnitOperations:
    """The operations of one kind of unit."""

    path: str
    list_all: Operation[..., Any]
    create: Operation[..., Any]
    get: Operation[..., Any]
    update: Operation[..., Any]


def _declare(
    path: str, one: str, model: Any, schema: type[ma.Schema], given: Mapping[str, Any]
) -> UnitOperations:
    example = shapes.example_of(dict(given))
    resource = path.replace("-", "_")

    def create(uow: Uow, /, **values: Any) -> Any:
        return organisation.create(uow.session, model, values=values, actor=uow.actor)

    def get(uow: Uow, *, unit_id: UUID) -> Any:
        return organisation.get(uow.session, model, unit_id=unit_id)

    def update(uow: Uow, *, unit_id: UUID, changes: Mapping[str, Any], expected: Expected) -> Any:
        unit = organisation.get(uow.session, model, unit_id=unit_id, lock=True)
        expected.check(unit.version)
        organisation.update(uow.session, unit, values=changes, actor=uow.actor)
        return unit

    create.__doc__ = f"Make a {one}."
    get.__doc__ = f"Read a {one}."
    update.__doc__ = f"Change or deactivate a {one}."
    answer: Mapping[str, Any] = {"answers": schema, "example": example, "etag": True}
    return UnitOperations(
        path=path,
        list_all=list_of(
            f"{resource}.list",
            organisation.UNITS[resource],
            f"List {path.replace('-', ' ')} by code.",
            answers=schema,
            example=example,
        ),
        create=operation(
            f"{resource}.create", takes=schema, given=dict(given), status=201, **answer
        )(refuses(CodeTaken, UnknownUnit)(create)),
        get=operation(f"{resource}.get", **answer)(refuses(UnitNotFound)(get)),
        update=operation(
            f"{resource}.update",
            takes=shapes.change_of(schema),
            given={"is_active": True},
            **answer,
        )(refuses(CodeTaken, UnitInUse, UnitNotFound, UnknownUnit)(update)),
    )


KINDS = (
    _declare("regions", "region", Region, shapes.RegionSchema, shapes.EXAMPLE_REGION),
    _declare("branches", "branch", Branch, shapes.BranchSchema, shapes.EXAMPLE_BRANCH),
    _declare(
        "departments", "department", Department, shapes.DepartmentSchema, shapes.EXAMPLE_DEPARTMENT
    ),
    _declare(
        "cost-centers",
        "cost centre",
        CostCenter,
        shapes.CostCenterSchema,
        shapes.EXAMPLE_COST_CENTER,
    ),
    _declare("positions", "position", Position, shapes.PositionSchema, shapes.EXAMPLE_POSITION),
)
