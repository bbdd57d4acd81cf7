"""Somebody leaves: nothing waits for them for ever, and leaving is never refused."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from pettycash.models.access import SCOPE_OF, Membership, Role, RoleAssignment, SecurityEvent
from pettycash.models.approvals import ApprovalTrail
from pettycash.models.operations import Case, CaseKind, Change, Severity
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime.rails import Method
from pettycash.services import requisitions
from pettycash.services.access import people
from pettycash.services.approvals import leaving, rounds
from pettycash.services.foundation import company_settings, departures, duties
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import cases, security_alerts
from pettycash.services.payments import leaving as payments_leaving
from pettycash.services.payments import redirects
from pettycash.services.reconciliation import invariants
from pettycash.services.requisitions import deciding, left_behind, lifecycle
from tests.factories import payments as making
from tests.factories.people import acting, user_id
from tests.factories.requisitions import (
    approve,
    approved,
    chain,
    digest,
    end_roles,
    raised,
    submitted,
)


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
    enqueued = making.outbox_message(session, departures.TOPIC, who)
    assert enqueued is not None
    hand_over(session, who)
    return who


def hand_over(session: Session, who: UUID) -> None:
    now = session.info["now"]
    for kind, subject_id in leaving.waiting(session, user_id=who):
        leaving.hand_over_step(session, kind=kind, subject_id=subject_id, user_id=who, now=now)
    for change_id in redirects.waiting(session, user_id=who):
        redirects.ask_anew(session, change_id=change_id, now=now)
    for payment_id in payments_leaving.releases_of(session, user_id=who, now=now):
        payments_leaving.give_back_release(session, payment_id=payment_id, user_id=who)
    leaving.give_back_cases(session, user_id=who, now=now)
    left_behind.notify_manager(session, user_id=who, now=now)
    session.flush()


def vain(session: Session) -> set[tuple[str, str]]:
    """Each thing that waits for somebody who can't act, and in what it waits."""
    (result,) = invariants.check_all(
        session, now=session.info["now"], only=frozenset({"nothing_waits_for_who_left"})
    )
    return {(each.object_id, each.detail["what"]) for each in result.findings}


def deactivated(session: Session, *names: str) -> None:
    """Past the service, so that no hand-over is enqueued."""
    session.execute(
        update(Membership)
        .where(Membership.user_id.in_([user_id(session, name) for name in names]))
        .values(is_active=False)
    )


def test_a_step_goes_to_the_next_rank(session: Session) -> None:
    requisition = submitted(session)
    before = assignee(session, requisition)
    assert before == user_id(session, "branch_manager")

    leaves(session, "branch_manager")

    after = assignee(session, requisition)
    assert after != before
    name = "regional_manager"
    assert after == user_id(session, name)
    deciding.approve(
        Uow.of(session, acting(session, name)),
        requisition_id=requisition.id,
        digest=digest(session, requisition.id),
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
    uow = Uow.of(session, acting(session, "branch_manager"))
    facts = {"requisition_id": requisition.id, "comment": "She left."}
    with pytest.raises(lifecycle.NotRequester):
        requisitions.cancel(uow, **facts)

    leaves(session, "staff")

    assert requisitions.cancel(uow, **facts).status is RequisitionStatus.CANCELLED


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
    void = duties.conflicted(session, known, subject_id=requisition.id)

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
    departures.enqueue(session, user_id=who)

    leaving.done(session, user_id=who, now=now)
    enqueued = making.outbox_message(session, departures.TOPIC, who)
    assert enqueued is not None
    assert (enqueued.completed_at, enqueued.due_at) == (None, end)

    leaving.done(session, user_id=who, now=end)
    session.refresh(enqueued)
    assert enqueued.completed_at is not None


def redirected(session: Session, requisition: Requisition) -> Change:
    return redirects.propose_for_requisition(
        Uow.of(session, acting(session, "staff")),
        requisition_id=requisition.id,
        destination="254722000000",
        reason="The shop has a new number.",
    )


def test_an_open_redirect_goes_to_the_next_rank(session: Session) -> None:
    requisition = approved(session)
    change = redirected(session, requisition)
    assert change.decider_id == user_id(session, "branch_manager")

    leaves(session, "branch_manager")

    assert change.decider_id == user_id(session, "regional_manager")
    told = session.execute(
        select(ApprovalTrail.comment)
        .where(ApprovalTrail.requisition_id == requisition.id)
        .order_by(ApprovalTrail.id.desc())
        .limit(1)
    ).scalar_one()
    assert told is not None
    assert told.startswith("redirect handed over")
    assert vain(session) == set()


def test_a_redirect_that_nobody_can_decide_becomes_a_case(session: Session) -> None:
    requisition = approved(session)
    change = redirected(session, requisition)
    end_roles(
        session,
        "regional_manager",
        "group_finance_manager",
        "group_finance_manager_2",
        "cfo",
        "ceo",
    )
    deactivated(session, "escalation", "branch_manager")
    assert vain(session) == {(str(change.id), "redirect")}

    hand_over(session, user_id(session, "branch_manager"))

    case = session.execute(select(Case).where(Case.object_id == requisition.id)).scalar_one()
    assert case.evidence["change_id"] == str(change.id)
    assert vain(session) == set()


def test_what_waits_in_vain_is_found_until_it_is_handed_over(session: Session) -> None:
    step = submitted(session)
    release = making.pending(session)
    release.executor_id = user_id(session, "treasury_2")
    session.flush()
    assert vain(session) == set()

    deactivated(session, "branch_manager", "treasury_2")

    assert vain(session) == {(str(step.id), "step"), (str(release.id), "release")}
    for name in ("branch_manager", "treasury_2"):
        hand_over(session, user_id(session, name))
    assert vain(session) == set()


def test_a_case_leaves_the_desk_of_who_is_only_staff_by_now(session: Session) -> None:
    payment = making.pending(session)
    case = cases.open_case(
        session,
        kind=CaseKind.IN_DOUBT,
        object_type="payment",
        object_id=payment.id,
        summary="Nobody knows.",
        evidence={},
        severity=Severity.WARNING,
    )
    case.owner_id = user_id(session, "treasury_2")
    end_roles(session, "treasury_2")
    session.add(
        RoleAssignment(
            company_id=payment.company_id,
            user_id=case.owner_id,
            role=Role.STAFF,
            scope_kind=SCOPE_OF[Role.STAFF],
            valid_from=session.info["now"],
            proposed_by=user_id(session, "admin"),
            confirmed_by=user_id(session, "admin_2"),
        )
    )
    session.flush()
    assert vain(session) == {(str(case.id), "case")}

    hand_over(session, case.owner_id)

    session.refresh(case)
    assert case.owner_id is None


def test_cases_of_the_escalation_approver_go_to_the_next_one(session: Session) -> None:
    payment = making.pending(session)
    before = user_id(session, "escalation")
    case = cases.open_case(
        session,
        kind=CaseKind.IN_DOUBT,
        object_type="payment",
        object_id=payment.id,
        summary="Nobody knows.",
        evidence={},
        severity=Severity.WARNING,
    )
    case.owner_id = before
    session.flush()
    hand_over(session, before)
    session.refresh(case)
    assert case.owner_id == before, "they look after it without any role"

    company_settings.set_escalation_approver(
        session, user_id=user_id(session, "staff_2"), changed_by=user_id(session, "admin")
    )
    hand_over(session, before)

    session.refresh(case)
    assert case.owner_id == user_id(session, "staff_2")


def test_cash_that_a_custodian_took_on_is_free_once_another_keeps_the_fund(
    session: Session,
) -> None:
    payment = making.pending(session, method=Method.CASH, destination="0712345678")
    payment.executor_id = user_id(session, "custodian")
    session.flush()
    hand_over(session, payment.executor_id)
    session.refresh(payment)
    assert payment.executor_id is not None

    elsewhere = session.execute(
        select(RoleAssignment.scope_id).where(
            RoleAssignment.user_id == user_id(session, "custodian_mombasa"),
            RoleAssignment.role == Role.CUSTODIAN,
        )
    ).scalar_one()
    end_roles(session, "custodian")
    session.add(
        RoleAssignment(
            company_id=payment.company_id,
            user_id=payment.executor_id,
            role=Role.CUSTODIAN,
            scope_kind=SCOPE_OF[Role.CUSTODIAN],
            scope_id=elsewhere,
            valid_from=session.info["now"],
            proposed_by=user_id(session, "admin"),
            confirmed_by=user_id(session, "admin_2"),
        )
    )
    session.flush()
    hand_over(session, payment.executor_id)

    session.refresh(payment)
    assert payment.executor_id is None


def test_the_manager_is_told_what_was_left_behind(session: Session) -> None:
    requisition = raised(session)

    who = leaves(session, "staff")

    event = session.execute(
        select(SecurityEvent).where(SecurityEvent.event == security_alerts.LEFT_BEHIND)
    ).scalar_one()
    assert event.detail == {
        "subject_id": str(who),
        "manager_id": str(user_id(session, "branch_manager")),
        "requisitions": [requisition.number],
    }
    alert = security_alerts.pending(session, event_id=event.id, now=session.info["now"])
    assert alert.addresses == ["branch_manager@demo.example"]
    assert f"is_left_behind=true&requester_id={who}" in alert.text
    assert vain(session) == set(), "the manager takes it over"


def test_what_nobody_manages_is_a_case(session: Session) -> None:
    requisition = raised(session)
    end_roles(
        session,
        "branch_manager",
        "regional_manager",
        "group_finance_manager",
        "group_finance_manager_2",
        "department_head",
        "cfo",
        "ceo",
    )
    deactivated(session, "staff")
    assert (str(requisition.id), "requester") in vain(session)

    hand_over(session, user_id(session, "staff"))

    case = session.execute(
        select(Case).where(Case.object_id == user_id(session, "staff"))
    ).scalar_one()
    assert (case.severity, case.evidence) == (
        Severity.SEVERE,
        {"requisitions": [requisition.number]},
    )
    assert (str(requisition.id), "requester") not in vain(session)
