"""Somebody leaves: nothing waits for them for ever, and leaving is never refused."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pettycash.models.people import Membership, RoleAssignment
from pettycash.models.platform import Case, CaseKind, Severity
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.services import approvals, cases, duties, leaving, people, requisitions, rounds
from pettycash.services.requisitions import lifecycle
from tests.factories import payments as making
from tests.factories.people import acting, user_id
from tests.factories.requisitions import approve, chain, digest, submitted


def assignee(session: Session, requisition: Requisition) -> UUID:
    current = rounds.latest(session, requisition.id)
    assert current is not None
    [step] = [each for each in rounds.steps_of(session, current.id) if each.status == "open"]
    [person] = rounds.assignees_of(session, current.id)[step.id]
    return person


def leaves(session: Session, name: str) -> UUID:
    """An administrator deactivates somebody, and the worker hands over."""
    who, now = user_id(session, name), session.info["now"]
    person = people.find(session, user_id=who, lock=True)
    people.update(
        session, person, values={"is_active": False}, actor=acting(session, "admin"), now=now
    )
    session.flush()
    owed = making.obligation(session, leaving.TOPIC, who)
    assert owed is not None
    hand_over(session, who)
    return who


def hand_over(session: Session, who: UUID) -> None:
    now = session.info["now"]
    for requisition_id in leaving.waiting(session, user_id=who):
        leaving.hand_over_step(session, requisition_id=requisition_id, user_id=who, now=now)
    for payment_id in leaving.releases_of(session, user_id=who, now=now):
        leaving.give_back_release(session, payment_id=payment_id, user_id=who)
    leaving.give_back_cases(session, user_id=who, now=now)
    session.flush()


def test_a_step_goes_to_the_next_rank(session: Session) -> None:
    requisition = submitted(session)
    before = assignee(session, requisition)
    assert before == user_id(session, "branch_manager")

    leaves(session, "branch_manager")

    after = assignee(session, requisition)
    assert after != before
    name = "regional_manager"
    assert after == user_id(session, name)
    approvals.approve(
        session,
        requisition_id=requisition.id,
        digest=digest(session, requisition.id),
        actor=acting(session, name),
        now=session.info["now"],
    )


def test_what_nobody_can_take_becomes_a_case_and_the_leaver_leaves(session: Session) -> None:
    requisition = submitted(session)
    session.execute(
        update(RoleAssignment)
        .where(RoleAssignment.role.in_(("regional_manager", "group_finance_manager", "cfo", "ceo")))
        .values(valid_until=session.info["now"] - timedelta(microseconds=0))
    )
    session.execute(
        update(Membership)
        .where(Membership.user_id == user_id(session, "escalation"))
        .values(is_active=False)
    )

    leaves(session, "branch_manager")

    case = session.execute(select(Case).where(Case.object_id == requisition.id)).scalar_one()
    assert (case.kind, case.severity) == (CaseKind.MISMATCH, Severity.SEVERE)


def test_a_role_that_goes_on_elsewhere_keeps_its_steps(session: Session) -> None:
    requisition = submitted(session)
    before = assignee(session, requisition)

    hand_over(session, before)

    assert assignee(session, requisition) == before


def test_a_release_that_was_taken_on_is_free_again(session: Session) -> None:
    payment = making.pending(session)
    payment.executor_id = user_id(session, "treasury_2")
    session.flush()

    leaves(session, "treasury_2")

    session.refresh(payment)
    assert payment.executor_id is None


def test_cases_are_taken_off_the_desk(session: Session) -> None:
    payment = making.pending(session)
    owner = user_id(session, "treasury_2")
    cases.open_case(
        session,
        kind=CaseKind.IN_DOUBT,
        object_type="payment",
        object_id=payment.id,
        summary="Nobody knows.",
        evidence={},
        severity=Severity.WARNING,
    )
    session.execute(update(Case).values(owner_id=owner))

    leaves(session, "treasury_2")

    assert session.execute(select(Case.owner_id)).scalars().all() == [None]


def test_their_manager_cancels_what_they_had_raised(session: Session) -> None:
    requisition = submitted(session)
    facts = {
        "requisition_id": requisition.id,
        "comment": "She left.",
        "now": session.info["now"],
        "actor": acting(session, "branch_manager"),
    }
    with pytest.raises(lifecycle.NotRequester):
        requisitions.cancel(session, **facts)

    leaves(session, "staff")

    assert requisitions.cancel(session, **facts).status is RequisitionStatus.CANCELLED


def test_what_was_approved_before_a_step_was_handed_over_still_counts(session: Session) -> None:
    """Whoever approved first turns out to get the money, after a later approver has left."""
    requisition = submitted(session, "20000.00")
    first, later = (name for _, name, _ in chain(session, requisition)[:2])
    approve(session, requisition, first)
    leaves(session, later)
    session.execute(
        update(Membership)
        .where(Membership.user_id == user_id(session, first))
        .values(phone="+" + requisition.destination)
    )

    known = duties.holders(session, requisition_id=requisition.id)
    void = duties.conflicted(session, known, requisition_id=requisition.id)

    assert void == {user_id(session, first)}


def test_whether_it_is_urgent_is_asked_of_who_takes_over(session: Session) -> None:
    requisition = submitted(session, is_urgent=True, urgency_reason="The pipe broke.")
    assert requisition.status is RequisitionStatus.PENDING_URGENCY_CONFIRMATION

    leaves(session, "branch_manager")

    assert requisition.status is RequisitionStatus.PENDING_URGENCY_CONFIRMATION
    assert assignee(session, requisition) != user_id(session, "branch_manager")


def test_each_end_of_a_role_is_seen_to(session: Session) -> None:
    who, now = user_id(session, "branch_manager"), session.info["now"]
    end = now + timedelta(days=7)
    session.execute(
        update(RoleAssignment).where(RoleAssignment.user_id == who).values(valid_until=end)
    )
    leaving.owe(session, user_id=who)

    leaving.done(session, user_id=who, now=now)
    owed = making.obligation(session, leaving.TOPIC, who)
    assert owed is not None
    assert (owed.done_at, owed.due_at) == (None, end)

    leaving.done(session, user_id=who, now=end)
    session.refresh(owed)
    assert owed.done_at is not None
