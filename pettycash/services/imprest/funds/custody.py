"""Custody of a fund: custodian and alternate, changed by two people (domain.md §3, §5)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from pettycash.models.access import SCOPE_OF, Membership, Role, RoleAssignment, User
from pettycash.models.base import new_id
from pettycash.models.imprest import Fund
from pettycash.models.operations import Change
from pettycash.runtime import db, errors
from pettycash.services.access import people, role_assignments
from pettycash.services.foundation import departures, visibility
from pettycash.services.foundation.permissions import FINANCE_OFFICERS
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import changes

KIND = "custodian"
INSTANT = timedelta(microseconds=1)


class InvalidCustodian(errors.RuleViolation):
    """Custodian and alternate must be two active members; neither decides on their own post."""

    code = "fund.invalid_custodian"


def is_keeper(fund: Fund, user_id: UUID) -> bool:
    """Whether the person is the fund's custodian or alternate."""
    return user_id in (fund.custodian_id, fund.alternate_custodian_id)


def read(
    session: Session, proposal: changes.ChangeProposal, now: datetime
) -> changes.ChangeProposal:
    """Refuse a proposal that could not become effective.

    Raises:
        FundNotFound: no such fund.
        InvalidCustodian: not two different active members.
        RolesIncompatible: one holds a role that excludes a custodian's.
    """
    if proposal.object_id is None or session.get(Fund, proposal.object_id) is None:
        raise visibility.FundNotFound
    custodian_id, alternate_id = _people(proposal.payload)
    for person in (custodian_id, alternate_id):
        if person is not None:
            _check_member(session, person)
            role_assignments.check_compatible(
                session, user_id=person, role=Role.CUSTODIAN, start=now, end=None
            )
    return changes.ChangeProposal(
        object_id=proposal.object_id,
        payload={
            "custodian_id": str(custodian_id),
            "alternate_custodian_id": str(alternate_id) if alternate_id is not None else None,
        },
    )


def apply(uow: Uow, change: Change) -> None:
    """Hand the fund over: the roles of those who leave end, those who come get theirs.

    Raises:
        InvalidCustodian: the facts changed since the proposal, or somebody appoints themselves.
        RolesIncompatible: see `read`.
    """
    session = uow.session
    read(
        session, changes.ChangeProposal(object_id=change.object_id, payload=change.payload), uow.now
    )
    custodian_id, alternate_id = _people(change.payload)
    keepers = {person for person in (custodian_id, alternate_id) if person is not None}
    for person in sorted(keepers):  # before the fund; giving a role locks them too
        people.find(session, user_id=person, lock=True)
    fund = db.lock(session, Fund, change.object_id) if change.object_id is not None else None
    if fund is None:
        raise visibility.FundNotFound
    if {change.proposed_by, uow.actor.user_id} & {custodian_id, alternate_id}:
        raise InvalidCustodian("You can't appoint yourself.")
    fund.custodian_id = custodian_id
    fund.alternate_custodian_id = alternate_id
    fund.version += 1
    _hand_over(
        session,
        fund=fund,
        keepers=keepers,
        change=change,
        confirmed_by=uow.actor.user_id,
        now=uow.now,
    )


def _people(payload: Mapping[str, Any]) -> tuple[UUID, UUID | None]:
    strangers = sorted(set(payload) - {"custodian_id", "alternate_custodian_id"})
    if strangers:
        raise InvalidCustodian(errors={each: ["Unknown field."] for each in strangers})
    try:
        custodian_id = UUID(str(payload["custodian_id"]))
        alternate = payload.get("alternate_custodian_id")
        alternate_id = UUID(str(alternate)) if alternate is not None else None
    except (KeyError, ValueError) as error:
        raise InvalidCustodian(errors={"custodian_id": ["Give the id of a member."]}) from error
    if custodian_id == alternate_id:
        raise InvalidCustodian(
            errors={"alternate_custodian_id": ["The alternate must be another person."]}
        )
    return custodian_id, alternate_id


def _check_member(session: Session, user_id: UUID) -> None:
    found = session.execute(
        select(Membership.id)
        .join(User, User.id == Membership.user_id)
        .where(Membership.user_id == user_id, Membership.is_active, User.is_active)
    ).scalar_one_or_none()
    if found is None:
        raise InvalidCustodian(errors={"custodian_id": ["There is no such active member."]})


def _hand_over(
    session: Session,
    *,
    fund: Fund,
    keepers: set[UUID],
    change: Change,
    confirmed_by: UUID,
    now: datetime,
) -> None:
    live = list(
        session.execute(
            select(RoleAssignment)
            .where(
                RoleAssignment.role == Role.CUSTODIAN,
                RoleAssignment.scope_id == fund.id,
                or_(RoleAssignment.valid_until.is_(None), RoleAssignment.valid_until > now),
            )
            .with_for_update(key_share=True)
        ).scalars()
    )
    for each in live:
        if each.user_id not in keepers:
            # The schema wants an end after the beginning, also where both are now.
            each.valid_until = max(now, each.valid_from + INSTANT)
            departures.enqueue(session, user_id=each.user_id)
    for person in sorted(keepers - {each.user_id for each in live}):
        session.add(
            RoleAssignment(
                id=new_id(),
                company_id=fund.company_id,
                user_id=person,
                role=Role.CUSTODIAN,
                scope_kind=SCOPE_OF[Role.CUSTODIAN],
                scope_id=fund.id,
                valid_from=now,
                proposed_by=change.proposed_by,
                confirmed_by=confirmed_by,
            )
        )


def _before(session: Session, change: Change) -> dict[str, Any]:
    fund = session.get_one(Fund, change.object_id)
    held = (fund.custodian_id, fund.alternate_custodian_id)
    named = ("custodian_id", "alternate_custodian_id")
    return {of: str(who) if who else None for of, who in zip(named, held, strict=True)}


changes.register(
    KIND,
    proposers=FINANCE_OFFICERS,
    confirmers=FINANCE_OFFICERS,
    apply=apply,
    read=read,
    before=_before,
    alerts=True,
)
