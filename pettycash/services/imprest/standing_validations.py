"""A fund's standing validation: which cash goes to its custodian without treasury (books.md §5).

Two people agree to it, one of them the cfo, and so they change or end it; a date may end it before.
Each agreement is a version, and the newest counts: one without categories is the end.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, not_, or_, select
from sqlalchemy.orm import Session, aliased

from pettycash.models.access import Role, RoleAssignment
from pettycash.models.base import new_id
from pettycash.models.imprest import Fund, StandingValidation
from pettycash.models.operations import Change
from pettycash.runtime import errors
from pettycash.services.foundation import decisions, security_log, visibility
from pettycash.services.foundation.listings import Find, Listing, days, flag, many
from pettycash.services.foundation.live_roles import live_assignments
from pettycash.services.foundation.permissions import FINANCE_OFFICERS
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import funds
from pettycash.services.ledger import accounts
from pettycash.services.operations import changes

KIND = "standing_validation"


class InvalidStandingValidation(errors.RuleViolation):
    """It takes categories of the company, a later end or none, and a fund with a limit for cash."""

    code = "fund.invalid_standing_validation"


class CfoMissing(errors.NotAllowed):
    """Of the two who agree to a standing validation one must be the cfo."""

    code = "fund.standing_validation_needs_cfo"


def _read(
    session: Session, proposal: changes.ChangeProposal, now: datetime
) -> changes.ChangeProposal:
    fund = None if proposal.object_id is None else session.get(Fund, proposal.object_id)
    if fund is None:
        raise visibility.FundNotFound
    categories, valid_until = _parsed(proposal.payload)
    wrong: dict[str, list[str]] = {}
    unknown = set(categories) - accounts.categories(session, among=categories)
    if unknown:
        wrong["categories"] = [f"No categories of the company: {', '.join(sorted(unknown))}."]
    if valid_until is not None and valid_until <= now:
        wrong["valid_until"] = ["It lies in the future."]
    if categories and fund.cash_limit is None:
        wrong["cash_limit"] = ["The fund has none: set it first, by a change of `fund_limits`."]
    if wrong:
        raise InvalidStandingValidation(errors=wrong)
    return changes.ChangeProposal(
        object_id=fund.id,
        payload={
            "categories": categories,
            "valid_until": None if valid_until is None else valid_until.isoformat(),
        },
    )


def _parsed(payload: Mapping[str, Any]) -> tuple[list[str], datetime | None]:
    wrong = {
        name: ["Unknown field."] for name in payload if name not in ("categories", "valid_until")
    }
    categories, until = payload.get("categories"), payload.get("valid_until")
    if not isinstance(categories, list) or not all(isinstance(each, str) for each in categories):
        wrong["categories"] = ["A list of categories; an empty one ends it."]
    valid_until = None
    if until is not None:
        try:
            valid_until = datetime.fromisoformat(until)
        except (TypeError, ValueError):
            valid_until = None
        if valid_until is None or valid_until.tzinfo is None:
            wrong["valid_until"] = ["An instant with its time zone, or nothing."]
    if wrong:
        raise InvalidStandingValidation(errors=wrong)
    return sorted(set(categories or ())), valid_until


def _check_decider(uow: Uow, change: Change) -> None:
    if not uow.actor.has(*FINANCE_OFFICERS):
        raise decisions.NotADecider
    both = (change.proposed_by, uow.actor.user_id)
    query = live_assignments(uow.now).where(
        RoleAssignment.role == Role.CFO, RoleAssignment.user_id.in_(both)
    )
    if uow.session.execute(query).first() is None:
        raise CfoMissing


def _apply(uow: Uow, change: Change) -> None:
    session = uow.session
    assert change.object_id is not None
    fund = funds.locked(uow, fund_id=change.object_id)
    proposal = changes.ChangeProposal(object_id=fund.id, payload=change.payload)
    categories, valid_until = _parsed(_read(session, proposal, uow.now).payload)
    before = session.execute(
        select(StandingValidation)
        .where(StandingValidation.fund_id == fund.id)
        .order_by(StandingValidation.version.desc())
        .limit(1)
    ).scalar_one_or_none()
    session.flush()  # its trigger reads the change that it stands on
    session.add(
        StandingValidation(
            id=new_id(),
            company_id=fund.company_id,
            fund_id=fund.id,
            version=1 if before is None else before.version + 1,
            categories=categories,
            valid_until=valid_until,
            change_id=change.id,
        )
    )
    security_log.record(
        session,
        event="fund.standing_validation_changed",
        outcome="ok",
        detail={
            "fund_id": str(fund.id),
            "old": None
            if before is None
            else {
                "categories": before.categories,
                "valid_until": before.valid_until and before.valid_until.isoformat(),
            },
            "new": change.payload,
        },
        actor=uow.actor,
    )


changes.register(
    KIND,
    proposers=FINANCE_OFFICERS,
    confirmers=FINANCE_OFFICERS,
    apply=_apply,
    read=_read,
    check_decider=_check_decider,
    alerts=True,
)

_newer = aliased(StandingValidation)
IS_IN_FORCE = and_(
    StandingValidation.categories != [],
    or_(StandingValidation.valid_until.is_(None), StandingValidation.valid_until > func.now()),
    not_(
        select(_newer.id)
        .where(
            _newer.fund_id == StandingValidation.fund_id,
            _newer.version > StandingValidation.version,
        )
        .exists()
    ),
)

STANDING_VALIDATIONS = Listing(
    name="standing_validations.list",
    query=select(
        StandingValidation.id,
        StandingValidation.fund_id,
        Fund.code.label("fund_code"),
        StandingValidation.version,
        StandingValidation.categories,
        StandingValidation.valid_until,
        StandingValidation.created_at,
        StandingValidation.change_id,
        Change.proposed_by,
        Change.decided_by,
        IS_IN_FORCE.label("is_in_force"),
    )
    .join(Fund, Fund.id == StandingValidation.fund_id)
    .join(Change, Change.id == StandingValidation.change_id),
    scope=visibility.funds,
    filters={
        "fund_id": many(StandingValidation.fund_id),
        "branch_id": many(Fund.branch_id),
        "is_in_force": flag(IS_IN_FORCE),
        **days(StandingValidation.created_at),
    },
    find=Find(words=(Fund.code, Fund.name), text="Words of the fund's code and name, in any case."),
    orders={"newest": (StandingValidation.id.desc(),), "oldest": (StandingValidation.id,)},
    columns=(
        "fund_code",
        "version",
        "categories",
        "valid_until",
        "is_in_force",
        "created_at",
        "proposed_by",
        "decided_by",
    ),
    people=("proposed_by", "decided_by"),
)
"""Every version of every fund in scope; what was paid under one is a filter of the payments."""
