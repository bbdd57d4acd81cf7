"""Companies, regions, branches, departments, cost centres and positions: made, renamed, retired.

A code is unique within its company. Nothing is deleted; a unit that others still stand on is not
deactivated.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session

from pettycash.models.access import (
    Branch,
    Company,
    CostCenter,
    Department,
    Membership,
    Position,
    Region,
)
from pettycash.models.base import new_id
from pettycash.models.imprest import Fund
from pettycash.runtime import db, errors
from pettycash.services.foundation import security_log
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.listings import Find, Listing, exact, flag, many, since
from pettycash.services.foundation.uow import Uow

U = TypeVar("U", Region, Branch, Department, CostCenter, Position)
Unit = Region | Branch | Department | CostCenter | Position

CODE = r"^[A-Za-z0-9][A-Za-z0-9_.-]*\Z"
CODE_RULE = "Letters, digits, dots, hyphens and underscores, beginning with a letter or digit."
CODE_MAX = 32


class UnitNotFound(errors.NotFound):
    """There is no such unit in this company."""

    code = "organisation.not_found"


class CodeTaken(errors.Conflict):
    """Another unit of this kind has this code."""

    code = "organisation.code_taken"


class UnknownUnit(errors.RuleViolation):
    """The unit that this one belongs to does not exist in this company, or is not active."""

    code = "organisation.unknown_unit"


class UnitInUse(errors.Conflict):
    """Active units, people or funds belong to this unit; move or deactivate them first."""

    code = "organisation.unit_in_use"


class CompanyNameTaken(errors.Conflict):
    """Another company has this name."""

    code = "company.name_taken"


PARENTS: Mapping[str, type[Region] | type[Branch] | type[Department]] = {
    "region_id": Region,
    "branch_id": Branch,
    "department_id": Department,
}

STANDING_ON: Mapping[type[Unit], tuple[tuple[type[Any], InstrumentedAttribute[Any]], ...]] = {
    Region: (
        (Branch, Branch.region_id),
        (Membership, Membership.region_id),
        (Fund, Fund.region_id),
    ),
    Branch: (
        (Membership, Membership.branch_id),
        (Fund, Fund.branch_id),
        (CostCenter, CostCenter.branch_id),
    ),
    Department: (
        (Membership, Membership.department_id),
        (Fund, Fund.department_id),
        (CostCenter, CostCenter.department_id),
    ),
    CostCenter: ((Membership, Membership.cost_center_id),),
    Position: ((Membership, Membership.position_id),),
}
"""Tables whose active rows keep a unit from being deactivated."""


def get_company(session: Session, *, company_id: UUID, lock: bool = False) -> Company:
    """The company in scope; another one does not exist for anybody in it.

    Raises:
        UnitNotFound: not this company.
    """
    found = db.lock(session, Company, company_id) if lock else session.get(Company, company_id)
    if found is None:
        raise UnitNotFound("There is no such company.")
    return found


def rename_company(uow: Uow, *, company: Company, name: str) -> Company:
    """Give the (locked) company another name; code and currency stay for ever.

    Raises:
        CompanyNameTaken: another company of the installation has it.
    """
    before = company.name
    try:
        with uow.session.begin_nested():
            company.name = name
            uow.session.flush()  # a taken name must be told here, not at commit
    except IntegrityError as error:
        raise CompanyNameTaken from error
    _log_event(uow.session, "company.updated", company.id, {"name": [before, name]}, uow.actor)
    return company


def get(session: Session, kind: type[U], *, unit_id: UUID, lock: bool = False) -> U:
    """One unit of the company.

    Raises:
        UnitNotFound: none such.
    """
    found = db.lock(session, kind, unit_id) if lock else session.get(kind, unit_id)
    if found is None:
        raise UnitNotFound
    return found


def create(session: Session, kind: type[U], *, values: Mapping[str, Any], actor: Actor | None) -> U:
    """Make a unit. `actor` is None on the host's command line, here and below.

    Raises:
        CodeTaken: the code is another one's.
        UnknownUnit: a unit that it names does not exist here or is not active.
    """
    _check_parents(session, values)
    unit = kind(id=new_id(), company_id=session.info["scope"].company_id, **values)
    try:
        with session.begin_nested():
            session.add(unit)
            session.flush()  # a taken code must be told here, not at commit
    except IntegrityError as error:
        raise _refusal(error) from error
    _log_event(session, f"{kind.__tablename__}.created", unit.id, dict(values), actor)
    return unit


def update(session: Session, unit: U, *, values: Mapping[str, Any], actor: Actor | None) -> U:
    """Change a (locked) unit; what `values` does not name stays.

    Raises:
        CodeTaken, UnknownUnit: see `create`.
        UnitInUse: it would be deactivated under others.
    """
    changed = {name: value for name, value in values.items() if getattr(unit, name) != value}
    if not changed:
        return unit
    _check_parents(session, changed)
    if changed.get("is_active") is False:
        _check_unused(session, unit)
    before = {name: getattr(unit, name) for name in changed}
    try:
        with session.begin_nested():
            for name, value in changed.items():
                setattr(unit, name, value)
            unit.version += 1
            session.flush()  # a taken code must be told here, not at commit
    except IntegrityError as error:
        raise _refusal(error) from error
    detail = {name: [before[name], value] for name, value in changed.items()}
    _log_event(session, f"{unit.__tablename__}.updated", unit.id, detail, actor)
    return unit


def check_places(session: Session, places: Mapping[str, Any]) -> None:
    """Refuse places (region_id … position_id) that are not active units of this company.

    Raises:
        UnknownUnit: naming every field that is wrong.
    """
    kinds = {**PARENTS, "cost_center_id": CostCenter, "position_id": Position}
    wrong = {}
    for field, kind in kinds.items():
        unit_id = places.get(field)
        unit: Any = None if unit_id is None else session.get(kind, unit_id)
        if unit_id is not None and (unit is None or not unit.is_active):
            wrong[field] = ["There is no such active unit."]
    if wrong:
        raise UnknownUnit(errors=wrong)


def _check_parents(session: Session, values: Mapping[str, Any]) -> None:
    check_places(session, {name: value for name, value in values.items() if name in PARENTS})


def _check_unused(session: Session, unit: Unit) -> None:
    for other, column in STANDING_ON[type(unit)]:
        query = select(other.id).where(column == unit.id, other.is_active).limit(1)
        if session.execute(query).first() is not None:
            raise UnitInUse(f"Active {other.__tablename__.replace('_', ' ')} belong to it.")


def _refusal(error: IntegrityError) -> errors.PettycashError:
    if db.sqlstate(error) == "23503":
        return UnknownUnit()
    return CodeTaken(errors={"code": ["Another one has it."]})


def _log_event(
    session: Session, event: str, unit_id: UUID, detail: Mapping[str, Any], actor: Actor | None
) -> None:
    security_log.record(
        session,
        event=event,
        outcome="ok",
        detail={"id": str(unit_id), **{name: _plain(value) for name, value in detail.items()}},
        actor=actor,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, UUID) else value


def _units(operations: str, kind: type[Unit], *, name: Any, filters: Sequence[str] = ()) -> Listing:
    return Listing(
        name=f"{operations}.list",
        query=select(kind),
        filters={
            "code": exact(kind.code, longest=32),
            "is_active": flag(kind.is_active),
            "updated_since": since(kind.updated_at),
            **{each: many(getattr(kind, each)) for each in filters},
        },
        find=Find(words=(kind.code, name), text="Words of code and name, in any case."),
        orders={"code": (kind.code, kind.id), "newest": (kind.id.desc(),)},
        columns=("code", name.key, *filters, "is_active"),
    )


UNITS: Mapping[str, Listing] = {
    each.name.removesuffix(".list"): each
    for each in (
        _units("regions", Region, name=Region.name),
        _units("branches", Branch, name=Branch.name, filters=("region_id",)),
        _units("departments", Department, name=Department.name),
        _units(
            "cost_centers",
            CostCenter,
            name=CostCenter.name,
            filters=("branch_id", "department_id"),
        ),
        _units("positions", Position, name=Position.title),
    )
}
"""The lists of units by the first word of their operations."""

COMPANIES = Listing(name="companies.list", query=select(Company), orders={"newest": (Company.id,)})
"""The one company that one acts in: row security knows no other."""
