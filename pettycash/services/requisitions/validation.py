"""What a requisition states, checked: texts, amounts, lines, destination, units."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from pettycash import db, errors, money
from pettycash.models.organisation import Branch, CostCenter, Department, Region
from pettycash.models.people import Membership, Role, User
from pettycash.models.requisitions import Origin, Requisition, RequisitionKind, RequisitionLine
from pettycash.money import Currency
from pettycash.rails import Method
from pettycash.services import (
    accounts,
    company_settings,
    destinations,
    rail_limits,
    texts,
    visibility,
)
from pettycash.services.actors import Actor

Unit = TypeVar("Unit", Region, Branch, Department, CostCenter)

LINES_MAX = 100
_CATEGORY = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)


class InvalidRequisition(errors.RuleViolation):
    """A field of the requisition breaks a rule; `errors` names it."""

    code = "requisition.invalid"


class LinesDoNotAddUp(errors.RuleViolation):
    """The gross amounts of the lines don't add up to the requisition's amount."""

    code = "requisition.lines_do_not_add_up"


class UnknownCategory(errors.RuleViolation):
    """A line names a category that the company does not have: GET /api/categories/ lists them."""

    code = "requisition.unknown_category"


class AdvancesOff(errors.RuleViolation):
    """This company takes no advances; its setting `advances` is off."""

    code = "requisition.advances_off"


class OutsideYourUnits(errors.RuleViolation):
    """You can raise a requisition only for your own branch, department or region, or your scope."""

    code = "requisition.outside_your_units"


@dataclass(frozen=True, kw_only=True)
class StatedLine:
    """One thing that is bought; gross amount."""

    description: str
    amount: Decimal
    category: str
    cost_center_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Stated:
    """Everything that the requester says. Null units are taken from the requester's membership."""

    kind: RequisitionKind
    amount: Decimal
    currency: Currency
    purpose: str
    payee_name: str
    method: Method
    destination: str
    lines: Sequence[StatedLine]
    origin: Origin | None = None
    """None: the requester's own."""
    origin_reason: str | None = None
    payee_user_id: UUID | None = None
    region_id: UUID | None = None
    branch_id: UUID | None = None
    department_id: UUID | None = None
    cost_center_id: UUID | None = None
    is_urgent: bool = False
    urgency_reason: str | None = None
    external_reference: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def stated(requisition: Requisition, lines: Sequence[RequisitionLine]) -> Stated:
    """What a stored requisition states."""
    return Stated(
        kind=requisition.kind,
        origin=requisition.origin,
        origin_reason=requisition.origin_reason,
        amount=requisition.amount,
        currency=Currency(requisition.currency),
        purpose=requisition.purpose,
        payee_name=requisition.payee_name,
        method=requisition.method,
        destination=requisition.destination,
        lines=[
            StatedLine(
                description=line.description,
                amount=line.amount,
                category=line.category,
                cost_center_id=line.cost_center_id,
            )
            for line in lines
        ],
        payee_user_id=requisition.payee_user_id,
        region_id=requisition.region_id,
        branch_id=requisition.branch_id,
        department_id=requisition.department_id,
        cost_center_id=requisition.cost_center_id,
        is_urgent=requisition.is_urgent,
        urgency_reason=requisition.urgency_reason,
        external_reference=requisition.external_reference,
        metadata=requisition.client_metadata,
    )


@dataclass(frozen=True, kw_only=True)
class Home:
    """The requester's membership with the units that it names, loaded together.

    Holding it keeps them in the session: whoever asks for one of them again asks no database.
    """

    membership: Membership
    branch: Branch | None
    department: Department | None
    cost_center: CostCenter | None


HOME = (
    select(Membership, Branch, Department, CostCenter)
    .outerjoin(Branch, Branch.id == Membership.branch_id)
    .outerjoin(Department, Department.id == Membership.department_id)
    .outerjoin(CostCenter, CostCenter.id == Membership.cost_center_id)
    .where(Membership.user_id == bindparam("user_id"))
    .execution_options(**db.PREPARED)
)


def home_of(session: Session, user_id: UUID) -> Home:
    """Where a requester belongs."""
    membership, branch, department, cost_center = session.execute(HOME, {"user_id": user_id}).one()
    return Home(
        membership=membership, branch=branch, department=department, cost_center=cost_center
    )


def own_origin(home: Home) -> Origin:
    """Where a person's requisitions come from: the branch that they are in, else region or HQ."""
    if home.branch is not None:
        return Origin.HQ if home.branch.is_head_office else Origin.BRANCH
    if home.membership.region_id is not None and home.membership.department_id is None:
        return Origin.FIELD
    return Origin.HQ


def at_home(said: Stated, home: Home) -> Stated:
    """Fill what was not named, origin and units, with that of the requester's own membership."""
    membership = home.membership
    if said.origin is None:
        said = replace(said, origin=own_origin(home))
    is_at_head_office = home.branch is not None and home.branch.is_head_office
    if said.branch_id is None and (
        said.origin is Origin.BRANCH or (said.origin is Origin.HQ and is_at_head_office)
    ):
        said = replace(said, branch_id=membership.branch_id)
    if said.region_id is None and said.origin is Origin.FIELD and said.branch_id is None:
        region_id = membership.region_id
        if region_id is None and home.branch is not None:
            region_id = home.branch.region_id
        said = replace(said, region_id=region_id)
    if said.department_id is None:
        said = replace(said, department_id=membership.department_id)
    center = home.cost_center
    if (
        said.cost_center_id is None
        and center is not None
        and center.is_active
        and _fits(center, said)
    ):
        said = replace(said, cost_center_id=center.id)
    return said


def checked(session: Session, said: Stated, *, actor: Actor, home: Home) -> Stated:
    """Everything in its stored form.

    Raises:
        InvalidText, InvalidAmount, InvalidRequisition, LinesDoNotAddUp, OutsideYourUnits,
        InvalidDestination, MethodNotAvailable, RailNotServed: what is wrong.
        and what `check_can_be_paid` refuses.
    """
    reason = texts.optional(said.urgency_reason, field="urgency_reason")
    if said.is_urgent and reason is None:
        raise _invalid("urgency_reason", "An urgent requisition needs a reason.")
    if not said.is_urgent and reason is not None:
        raise _invalid("urgency_reason", "Only an urgent requisition may have it.")
    said = replace(
        said,
        origin_reason=_origin_reason(said, home),
        amount=_amount(said.amount, said.currency, field="amount"),
        purpose=texts.required(said.purpose, field="purpose"),
        payee_name=texts.name(said.payee_name, field="payee_name", longest=140),
        urgency_reason=reason,
        external_reference=texts.optional(
            said.external_reference, field="external_reference", longest=100
        ),
        metadata=texts.metadata(said.metadata),
        lines=_lines(session, said),
        destination=destinations.normalise(
            texts.required(said.destination, field="destination", longest=254),
            method=said.method,
            currency=said.currency,
        ),
    )
    if said.payee_user_id is not None:
        _check_payee(session, said.payee_user_id)
    said = _placed(session, said, actor=actor, home=home)
    check_can_be_paid(session, said)
    return said


def check_can_be_paid(session: Session, said: Stated) -> None:
    """Refuse before the first approval what would be refused after the last one.

    Also at submit: the list of categories, limits and the setting may have changed since.

    Raises:
        AdvancesOff: it is an advance, and the company takes none.
        UnknownCategory: a line's category is not the company's.
        RailRefuses, AboveCashLimit: the rail, or the store that would pay, can't carry it.
    """
    if said.kind is RequisitionKind.ADVANCE and not company_settings.current(session).advances:
        raise AdvancesOff(errors={"kind": ["Advances are switched off."]})
    known = accounts.categories(session, among={line.category for line in said.lines})
    unknown = {
        f"lines.{position}.category": [f"{line.category} is none of the company's categories."]
        for position, line in enumerate(said.lines)
        if line.category not in known
    }
    if unknown:
        raise UnknownCategory(errors=unknown)
    place = rail_limits.SpendingUnits(
        department_id=said.department_id, branch_id=said.branch_id, region_id=said.region_id
    )
    rail_limits.check(
        session,
        method=said.method,
        amount=said.amount,
        currency=said.currency.value,
        destination=said.destination,
        store=rail_limits.store_of_place(
            session, place, currency=said.currency.value, method=said.method
        ),
        payments=rail_limits.PARTS_MAX,
    )


def _invalid(name: str, message: str) -> InvalidRequisition:
    return InvalidRequisition(f"{name}: {message}", errors={name: [message]})


def _origin_reason(said: Stated, home: Home) -> str | None:
    reason = texts.optional(said.origin_reason, field="origin_reason")
    own = own_origin(home)
    if said.origin is not own and reason is None:
        raise _invalid("origin_reason", f"Yours is {own.value}: another origin needs a reason.")
    if said.origin is own and reason is not None:
        raise _invalid("origin_reason", "Only another origin than your own may have it.")
    return reason


def _amount(amount: Decimal, currency: Currency, *, field: str) -> Decimal:
    if not amount.is_finite() or not 0 < amount <= money.AMOUNT_MAX:
        raise _invalid(field, "It must be greater than zero and have at most 16 digits.")
    try:
        return money.checked(amount, currency)
    except money.InvalidAmount as refusal:
        raise money.InvalidAmount(refusal.detail, errors={field: [refusal.detail]}) from refusal


def _lines(session: Session, said: Stated) -> list[StatedLine]:
    if not 1 <= len(said.lines) <= LINES_MAX:
        raise _invalid("lines", f"There are 1 to {LINES_MAX} of them.")
    lines = []
    for position, line in enumerate(said.lines):
        at = f"lines.{position}"
        category = line.category.strip().lower()
        if _CATEGORY.fullmatch(category) is None:
            raise _invalid(f"{at}.category", "It must be a word such as travel.")
        lines.append(
            StatedLine(
                description=texts.required(
                    line.description, field=f"{at}.description", longest=500
                ),
                amount=_amount(line.amount, said.currency, field=f"{at}.amount"),
                category=category,
                cost_center_id=line.cost_center_id,
            )
        )
    _check_cost_centers(
        session, {line.cost_center_id for line in lines if line.cost_center_id is not None}
    )
    total = sum((line.amount for line in lines), Decimal(0))
    if total != said.amount:
        raise LinesDoNotAddUp(
            f"The lines add up to {money.text(total, said.currency)},"
            f" the requisition says {money.text(said.amount, said.currency)}.",
            errors={"lines": ["Their sum must be the requisition's amount."]},
        )
    return lines


def _check_cost_centers(session: Session, named: set[UUID]) -> None:
    if not named:
        return
    known = session.execute(
        select(CostCenter.id).where(CostCenter.id.in_(named), CostCenter.is_active)
    ).scalars()
    if named - set(known):
        raise _invalid("lines", "A line names a cost centre that does not exist.")


def _check_payee(session: Session, user_id: UUID) -> None:
    found = session.execute(
        select(Membership.id)
        .join(User, User.id == Membership.user_id)
        .where(Membership.user_id == user_id, Membership.is_active, User.is_active)
    ).scalar_one_or_none()
    if found is None:
        raise _invalid("payee_user_id", "There is no such active person in the company.")


def _placed(session: Session, said: Stated, *, actor: Actor, home: Home) -> Stated:
    """Check that units exist, agree with each other and are the requester's to charge."""
    membership = home.membership
    everywhere = visibility.sees_company(actor)
    regions = actor.scope_ids(Role.REGIONAL_MANAGER)
    branch = _branch(session, said)
    if branch is not None:
        said = replace(said, region_id=branch.region_id)
        theirs = branch.id == membership.branch_id or branch.id in actor.scope_ids(
            Role.BRANCH_MANAGER
        )
        if not (everywhere or theirs or branch.region_id in regions):
            raise _outside("branch_id")
    elif said.region_id is not None:
        _active(session, Region, said.region_id, field="region_id")
        own = {membership.region_id}
        if home.branch is not None:
            own.add(home.branch.region_id)
        if not (everywhere or said.region_id in own or said.region_id in regions):
            raise _outside("region_id")
    if said.origin is Origin.BRANCH and said.branch_id is None:
        raise _invalid("branch_id", "A requisition of origin branch must name its branch.")
    if said.origin is Origin.FIELD and said.region_id is None:
        raise _invalid("region_id", "A requisition of origin field must name its region.")
    if said.department_id is not None:
        _active(session, Department, said.department_id, field="department_id")
        heads = actor.scope_ids(Role.DEPARTMENT_HEAD)
        theirs = said.department_id == membership.department_id or said.department_id in heads
        if not (everywhere or theirs):
            raise _outside("department_id")
    if said.cost_center_id is not None:
        center = _active(session, CostCenter, said.cost_center_id, field="cost_center_id")
        if not _fits(center, said):
            raise _invalid("cost_center_id", "It belongs to another branch or department.")
    return said


def _branch(session: Session, said: Stated) -> Branch | None:
    if said.branch_id is None:
        return None
    branch = _active(session, Branch, said.branch_id, field="branch_id")
    if said.region_id is not None and said.region_id != branch.region_id:
        raise _invalid("region_id", "The branch belongs to another region.")
    return branch


def _active(session: Session, model: type[Unit], unit_id: UUID, *, field: str) -> Unit:
    unit = session.get(model, unit_id)
    if unit is None or not unit.is_active:
        raise _invalid(field, "There is no such active unit in the company.")
    return unit


def _fits(center: CostCenter, said: Stated) -> bool:
    return center.branch_id in (None, said.branch_id) and center.department_id in (
        None,
        said.department_id,
    )


def _outside(field: str) -> OutsideYourUnits:
    return OutsideYourUnits(
        f"{field}: it is neither yours nor in your scope.",
        errors={field: ["It is neither yours nor in your scope."]},
    )
