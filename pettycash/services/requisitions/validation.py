"""Validation of a requisition's draft: texts, amounts, lines, destination, units."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from pettycash.models.access import Branch, CostCenter, Department, Membership, Region, Role, User
from pettycash.models.approvals import Origin
from pettycash.models.requisitions import Requisition, RequisitionKind, RequisitionLine
from pettycash.runtime import db, errors, money
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services.foundation import (
    company_settings,
    destinations,
    rail_limits,
    text_validation,
    visibility,
)
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import accounts

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
class DraftLine:
    """One thing that is bought; gross amount."""

    description: str
    amount: Decimal
    category: str
    cost_center_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class RequisitionDraft:
    """A requisition as its requester writes it. Null units become those of the requester."""

    kind: RequisitionKind
    amount: Decimal
    currency: Currency
    purpose: str
    payee_name: str
    method: Method
    destination: str
    lines: Sequence[DraftLine]
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


def draft_of(requisition: Requisition, lines: Sequence[RequisitionLine]) -> RequisitionDraft:
    """The draft that a stored requisition holds."""
    return RequisitionDraft(
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
            DraftLine(
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
class RequesterUnits:
    """The requester's membership with the units that it names, loaded together.

    Holding it keeps them in the session: whoever asks for one of them again asks no database.
    """

    membership: Membership
    branch: Branch | None
    department: Department | None
    cost_center: CostCenter | None


REQUESTER_UNITS = (
    select(Membership, Branch, Department, CostCenter)
    .outerjoin(Branch, Branch.id == Membership.branch_id)
    .outerjoin(Department, Department.id == Membership.department_id)
    .outerjoin(CostCenter, CostCenter.id == Membership.cost_center_id)
    .where(Membership.user_id == bindparam("user_id"))
    .execution_options(**db.PREPARED)
)


def units_of(session: Session, user_id: UUID) -> RequesterUnits:
    """The units of a requester."""
    membership, branch, department, cost_center = session.execute(
        REQUESTER_UNITS, {"user_id": user_id}
    ).one()
    return RequesterUnits(
        membership=membership, branch=branch, department=department, cost_center=cost_center
    )


def own_origin(units: RequesterUnits) -> Origin:
    """Where a person's requisitions come from: the branch that they are in, else region or HQ."""
    if units.branch is not None:
        return Origin.HQ if units.branch.is_head_office else Origin.BRANCH
    if units.membership.region_id is not None and units.membership.department_id is None:
        return Origin.FIELD
    return Origin.HQ


def with_own_units(draft: RequisitionDraft, units: RequesterUnits) -> RequisitionDraft:
    """Fill what was not named, origin and units, with that of the requester's own membership."""
    membership = units.membership
    if draft.origin is None:
        draft = replace(draft, origin=own_origin(units))
    is_at_head_office = units.branch is not None and units.branch.is_head_office
    if draft.branch_id is None and (
        draft.origin is Origin.BRANCH or (draft.origin is Origin.HQ and is_at_head_office)
    ):
        draft = replace(draft, branch_id=membership.branch_id)
    if draft.region_id is None and draft.origin is Origin.FIELD and draft.branch_id is None:
        region_id = membership.region_id
        if region_id is None and units.branch is not None:
            region_id = units.branch.region_id
        draft = replace(draft, region_id=region_id)
    if draft.department_id is None:
        draft = replace(draft, department_id=membership.department_id)
    center = units.cost_center
    if (
        draft.cost_center_id is None
        and center is not None
        and center.is_active
        and _fits(center, draft)
    ):
        draft = replace(draft, cost_center_id=center.id)
    return draft


def checked(uow: Uow, draft: RequisitionDraft, *, units: RequesterUnits) -> RequisitionDraft:
    """Validate a draft; returns it in its stored form.

    Raises:
        InvalidText, InvalidAmount, InvalidRequisition, LinesDoNotAddUp, OutsideYourUnits,
        InvalidDestination, MethodNotAvailable, RailNotServed: what is wrong.
        and what `check_can_be_paid` refuses.
    """
    reason = text_validation.optional(draft.urgency_reason, field="urgency_reason")
    if draft.is_urgent and reason is None:
        raise _invalid("urgency_reason", "An urgent requisition needs a reason.")
    if not draft.is_urgent and reason is not None:
        raise _invalid("urgency_reason", "Only an urgent requisition may have it.")
    draft = replace(
        draft,
        origin_reason=_origin_reason(draft, units),
        amount=_amount(draft.amount, draft.currency, field="amount"),
        purpose=text_validation.required(draft.purpose, field="purpose"),
        payee_name=text_validation.name(draft.payee_name, field="payee_name", longest=140),
        urgency_reason=reason,
        external_reference=text_validation.optional(
            draft.external_reference, field="external_reference", longest=100
        ),
        metadata=text_validation.metadata(draft.metadata),
        lines=_lines(uow.session, draft),
        destination=destinations.normalise(
            text_validation.required(draft.destination, field="destination", longest=254),
            method=draft.method,
            currency=draft.currency,
        ),
    )
    if draft.payee_user_id is not None:
        _check_payee(uow.session, draft.payee_user_id)
    draft = _with_units(uow, draft, units=units)
    check_can_be_paid(uow.session, draft)
    return draft


def check_can_be_paid(session: Session, draft: RequisitionDraft) -> None:
    """Refuse before the first approval what would be refused after the last one.

    Also at submit: the list of categories, limits and the setting may have changed since.

    Raises:
        AdvancesOff: it is an advance, and the company takes none.
        UnknownCategory: a line's category is not the company's.
        RailRefuses, AboveCashLimit: the rail, or the store that would pay, can't carry it.
    """
    if draft.kind is RequisitionKind.ADVANCE and not company_settings.current(session).advances:
        raise AdvancesOff(errors={"kind": ["Advances are switched off."]})
    known = accounts.categories(session, among={line.category for line in draft.lines})
    unknown = {
        f"lines.{position}.category": [f"{line.category} is none of the company's categories."]
        for position, line in enumerate(draft.lines)
        if line.category not in known
    }
    if unknown:
        raise UnknownCategory(errors=unknown)
    units = rail_limits.SpendingUnits(
        department_id=draft.department_id, branch_id=draft.branch_id, region_id=draft.region_id
    )
    rail_limits.check(
        session,
        method=draft.method,
        amount=draft.amount,
        currency=draft.currency.value,
        destination=draft.destination,
        store=rail_limits.store_of_units(
            session, units, currency=draft.currency.value, method=draft.method
        ),
        payments=rail_limits.PARTS_MAX,
    )


def _invalid(name: str, message: str) -> InvalidRequisition:
    return InvalidRequisition(f"{name}: {message}", errors={name: [message]})


def _origin_reason(draft: RequisitionDraft, units: RequesterUnits) -> str | None:
    reason = text_validation.optional(draft.origin_reason, field="origin_reason")
    own = own_origin(units)
    if draft.origin is not own and reason is None:
        raise _invalid("origin_reason", f"Yours is {own.value}: another origin needs a reason.")
    if draft.origin is own and reason is not None:
        raise _invalid("origin_reason", "Only another origin than your own may have it.")
    return reason


def _amount(amount: Decimal, currency: Currency, *, field: str) -> Decimal:
    if not amount.is_finite() or not 0 < amount <= money.AMOUNT_MAX:
        raise _invalid(field, "It must be greater than zero and have at most 16 digits.")
    try:
        return money.checked(amount, currency)
    except money.InvalidAmount as refusal:
        raise money.InvalidAmount(refusal.detail, errors={field: [refusal.detail]}) from refusal


def _lines(session: Session, draft: RequisitionDraft) -> list[DraftLine]:
    if not 1 <= len(draft.lines) <= LINES_MAX:
        raise _invalid("lines", f"There are 1 to {LINES_MAX} of them.")
    lines = []
    for position, line in enumerate(draft.lines):
        at = f"lines.{position}"
        category = line.category.strip().lower()
        if _CATEGORY.fullmatch(category) is None:
            raise _invalid(f"{at}.category", "It must be a word such as travel.")
        lines.append(
            DraftLine(
                description=text_validation.required(
                    line.description, field=f"{at}.description", longest=500
                ),
                amount=_amount(line.amount, draft.currency, field=f"{at}.amount"),
                category=category,
                cost_center_id=line.cost_center_id,
            )
        )
    _check_cost_centers(
        session, {line.cost_center_id for line in lines if line.cost_center_id is not None}
    )
    total = sum((line.amount for line in lines), Decimal(0))
    if total != draft.amount:
        raise LinesDoNotAddUp(
            f"The lines add up to {money.text(total, draft.currency)},"
            f" the requisition says {money.text(draft.amount, draft.currency)}.",
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


def _with_units(uow: Uow, draft: RequisitionDraft, *, units: RequesterUnits) -> RequisitionDraft:
    """Check that units exist, agree with each other and are the requester's to charge."""
    session, actor = uow.session, uow.actor
    membership = units.membership
    everywhere = visibility.sees_company(actor)
    regions = actor.scope_ids(Role.REGIONAL_MANAGER)
    branch = _branch(session, draft)
    if branch is not None:
        draft = replace(draft, region_id=branch.region_id)
        theirs = branch.id == membership.branch_id or branch.id in actor.scope_ids(
            Role.BRANCH_MANAGER
        )
        if not (everywhere or theirs or branch.region_id in regions):
            raise _outside("branch_id")
    elif draft.region_id is not None:
        _active(session, Region, draft.region_id, field="region_id")
        own = {membership.region_id}
        if units.branch is not None:
            own.add(units.branch.region_id)
        if not (everywhere or draft.region_id in own or draft.region_id in regions):
            raise _outside("region_id")
    if draft.origin is Origin.BRANCH and draft.branch_id is None:
        raise _invalid("branch_id", "A requisition of origin branch must name its branch.")
    if draft.origin is Origin.FIELD and draft.region_id is None:
        raise _invalid("region_id", "A requisition of origin field must name its region.")
    if draft.department_id is not None:
        _active(session, Department, draft.department_id, field="department_id")
        heads = actor.scope_ids(Role.DEPARTMENT_HEAD)
        theirs = draft.department_id == membership.department_id or draft.department_id in heads
        if not (everywhere or theirs):
            raise _outside("department_id")
    if draft.cost_center_id is not None:
        center = _active(session, CostCenter, draft.cost_center_id, field="cost_center_id")
        if not _fits(center, draft):
            raise _invalid("cost_center_id", "It belongs to another branch or department.")
    return draft


def _branch(session: Session, draft: RequisitionDraft) -> Branch | None:
    if draft.branch_id is None:
        return None
    branch = _active(session, Branch, draft.branch_id, field="branch_id")
    if draft.region_id is not None and draft.region_id != branch.region_id:
        raise _invalid("region_id", "The branch belongs to another region.")
    return branch


def _active(session: Session, model: type[Unit], unit_id: UUID, *, field: str) -> Unit:
    unit = session.get(model, unit_id)
    if unit is None or not unit.is_active:
        raise _invalid(field, "There is no such active unit in the company.")
    return unit


def _fits(center: CostCenter, draft: RequisitionDraft) -> bool:
    return center.branch_id in (None, draft.branch_id) and center.department_id in (
        None,
        draft.department_id,
    )


def _outside(field: str) -> OutsideYourUnits:
    return OutsideYourUnits(
        f"{field}: it is neither yours nor in your scope.",
        errors={field: ["It is neither yours nor in your scope."]},
    )
