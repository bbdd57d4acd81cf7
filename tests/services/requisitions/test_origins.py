"""The origin follows from where one belongs; another one asks one's own approver first."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.models.access import Branch
from pettycash.models.approvals import Origin
from pettycash.models.requisitions import IN_APPROVAL, RequisitionStatus
from pettycash.services.requisitions import validation
from tests.factories.people import acting, user_id
from tests.factories.requisitions import (
    approve,
    chain,
    change,
    end_roles,
    raised,
    submitted,
    waiting_for,
)

ANOTHER = {"origin": Origin.HQ, "origin_reason": "It is for the head office."}


@pytest.mark.parametrize(
    ("who", "place", "origin"),
    [
        ("staff", {}, Origin.BRANCH),
        ("staff_hq", {}, Origin.HQ),
        ("staff_2", {"branch_id": None, "department_id": None}, Origin.FIELD),
        ("staff_2", {"branch_id": None, "region_id": None}, Origin.HQ),
        ("staff_2", {"branch_id": None}, Origin.HQ),
    ],
    ids=["branch", "head office", "region only", "department only", "department and region"],
)
def test_the_origin_follows_from_the_membership(
    session: Session, who: str, place: dict[str, Any], origin: Origin
) -> None:
    for column in place:
        session.execute(
            text(f"UPDATE memberships SET {column} = NULL WHERE user_id = :id"),
            {"id": user_id(session, who)},
        )

    assert raised(session, by=who).origin is origin


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("staff", {"origin": Origin.HQ}),
        ("staff", {"origin": Origin.FIELD}),
        ("staff", {"origin": Origin.HQ, "origin_reason": "  "}),
        ("staff_hq", {"origin": Origin.BRANCH}),
        ("staff", {"origin": Origin.BRANCH, "origin_reason": "It is my own."}),
        ("staff", {"origin_reason": "It is my own."}),
    ],
)
def test_another_origin_needs_a_reason_and_ones_own_none(
    session: Session, who: str, said: dict[str, Any]
) -> None:
    with pytest.raises(validation.InvalidRequisition) as refusal:
        raised(session, by=who, **said)

    assert "origin_reason" in refusal.value.errors


def test_another_origin_starts_with_the_approver_of_ones_own_unit(session: Session) -> None:
    """`origin: hq` by branch staff skipped branch manager and regional manager."""
    requisition = submitted(session, "20000.00", **ANOTHER)

    assert [role for role, *_ in chain(session, requisition)] == [
        "branch_manager",
        "department_head",
        "group_finance_manager",
    ]
    assert requisition.status is RequisitionStatus.PENDING_BRANCH_APPROVAL
    while requisition.status in IN_APPROVAL:
        approve(session, requisition, waiting_for(session, requisition))
    assert requisition.status is RequisitionStatus.PENDING_TREASURY_VALIDATION


def test_nobody_of_ones_own_unit_goes_to_the_next_higher_rank_there(session: Session) -> None:
    end_roles(session, "branch_manager")

    requisition = submitted(session, **ANOTHER)

    assert [role for role, *_ in chain(session, requisition)] == [
        "regional_manager",
        "department_head",
    ]
    while requisition.status in IN_APPROVAL:
        approve(session, requisition, waiting_for(session, requisition))


def test_a_step_that_the_chain_has_already_comes_once(session: Session) -> None:
    """A member of the head office's finance: their own approver is their department's head."""
    requisition = submitted(
        session,
        by="staff_hq",
        origin=Origin.FIELD,
        origin_reason="A visit to the field.",
    )

    assert [role for role, *_ in chain(session, requisition)] == ["department_head"]


def test_back_to_ones_own_origin_the_reason_goes(session: Session) -> None:
    requisition = submitted(session, **ANOTHER)

    change(
        session,
        requisition,
        origin=Origin.BRANCH,
        branch_id=acting(session, "staff").branch_id,
    )

    assert requisition.origin_reason is None
    assert [role for role, *_ in chain(session, requisition)] == ["branch_manager"]


def test_the_demos_head_office_is_marked(session: Session) -> None:
    branch = session.get_one(Branch, acting(session, "staff_hq").branch_id)

    assert branch.is_head_office
