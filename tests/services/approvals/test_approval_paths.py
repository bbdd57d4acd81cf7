"""Urgency, escalation and overrides, as they are stored and told."""

from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash.models.access import RoleAssignment
from pettycash.models.approvals import ApprovalThreshold, ApprovalTrail, TrailAction
from pettycash.models.requisitions import (
    Requisition,
    RequisitionStatus,
)
from pettycash.services import requisitions
from pettycash.services.approvals import resolution, rounds
from pettycash.services.approvals.deciding import NotYourTurn
from pettycash.services.foundation import duties
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.uow import Uow
from pettycash.services.requisitions import deciding
from pettycash.services.requisitions.deciding import Urgency
from tests.factories.people import acting, user_id
from tests.factories.requisitions import (
    approve,
    chain,
    decide,
    end_roles,
    finance_manager,
    raised,
    submitted,
    waiting_for,
)

R = RequisitionStatus


def urgent(session: Session, amount: str = "20000.00", **more: Any) -> Requisition:
    return submitted(session, amount, is_urgent=True, urgency_reason="Burst pipe", **more)


def statuses(session: Session, requisition: Requisition) -> list[str]:
    session.flush()
    return [status for *_, status in chain(session, requisition)]


def story(session: Session, requisition: Requisition) -> list[ApprovalTrail]:
    session.flush()
    return list(
        session.execute(
            select(ApprovalTrail)
            .where(ApprovalTrail.requisition_id == requisition.id)
            .order_by(ApprovalTrail.id)
        ).scalars()
    )


def test_the_first_approver_answers_urgency_before_anything(session: Session) -> None:
    requisition = urgent(session)
    assert requisition.status is R.PENDING_URGENCY_CONFIRMATION

    with pytest.raises(deciding.UrgencyUnanswered):
        approve(session, requisition, "branch_manager")
    with pytest.raises(NotYourTurn):
        decide(
            session, "confirm_urgency", requisition, "regional_manager", urgency=Urgency.CONFIRMED
        )


def test_confirmed_urgency_is_an_approval_and_goes_to_the_last_step(session: Session) -> None:
    requisition = urgent(session)

    decide(session, "confirm_urgency", requisition, "branch_manager", urgency=Urgency.CONFIRMED)

    assert statuses(session, requisition) == ["approved", "skipped", "open"]
    assert requisition.status is R.PENDING_FINANCE_REVIEW
    told = story(session, requisition)[-1]
    assert told.action is TrailAction.URGENCY_CONFIRMED
    assert told.skipped_roles == ["regional_manager"]
    approve(session, requisition, waiting_for(session, requisition))
    assert requisition.status is R.PENDING_TREASURY_VALIDATION
    assert len(duties.holders(session, requisition_id=requisition.id)[Duty.APPROVER]) == 2


def test_who_was_skipped_does_not_decide(session: Session) -> None:
    requisition = urgent(session)
    decide(session, "confirm_urgency", requisition, "branch_manager", urgency=Urgency.CONFIRMED)

    with pytest.raises(NotYourTurn):
        approve(session, requisition, "regional_manager")


def test_the_top_tier_skips_nobody(session: Session) -> None:
    session.execute(text("UPDATE approval_thresholds SET allow_urgent_fasttrack = true"))
    requisition = urgent(session, "300000.00")

    decide(session, "confirm_urgency", requisition, "branch_manager", urgency=Urgency.CONFIRMED)

    assert statuses(session, requisition) == ["approved", "open", "waiting", "waiting"]


def test_a_policy_without_fast_track_skips_nobody(session: Session) -> None:
    session.execute(text("UPDATE approval_thresholds SET allow_urgent_fasttrack = false"))
    requisition = urgent(session)

    decide(session, "confirm_urgency", requisition, "branch_manager", urgency=Urgency.CONFIRMED)

    assert statuses(session, requisition) == ["approved", "open", "waiting"]


def test_a_single_step_is_done_with_the_confirmation(session: Session) -> None:
    requisition = urgent(session, "1500.00")

    decide(session, "confirm_urgency", requisition, "branch_manager", urgency=Urgency.CONFIRMED)

    assert requisition.status is R.PENDING_TREASURY_VALIDATION


def test_refused_urgency_leaves_the_step_open_for_an_ordinary_decision(session: Session) -> None:
    requisition = urgent(session)

    decide(session, "confirm_urgency", requisition, "branch_manager", urgency=Urgency.REFUSED)

    assert requisition.status is R.PENDING_BRANCH_APPROVAL
    assert statuses(session, requisition) == ["open", "waiting", "waiting"]
    with pytest.raises(deciding.NoUrgencyQuestion):
        decide(session, "confirm_urgency", requisition, "branch_manager", urgency=Urgency.CONFIRMED)
    approve(session, requisition, "branch_manager")
    assert statuses(session, requisition) == ["approved", "open", "waiting"]
    assert [row.action for row in story(session, requisition)] == [
        TrailAction.SUBMITTED,
        TrailAction.URGENCY_REFUSED,
        TrailAction.APPROVED,
    ]


def test_what_is_not_urgent_asks_nobody(session: Session) -> None:
    requisition = submitted(session)

    with pytest.raises(deciding.NoUrgencyQuestion):
        decide(session, "confirm_urgency", requisition, "branch_manager", urgency=Urgency.CONFIRMED)


@pytest.mark.parametrize("verb", ["reject", "request_changes"])
def test_an_urgent_one_may_be_refused_outright(session: Session, verb: str) -> None:
    requisition = urgent(session)

    decide(session, verb, requisition, "branch_manager")

    assert requisition.status in (R.REJECTED, R.CHANGES_REQUESTED)


def test_an_escalated_step_keeps_its_original_role_and_says_why(session: Session) -> None:
    end_roles(session, "branch_manager")
    requisition = submitted(session)

    (step,) = rounds.steps_of(session, rounds.latest(session, requisition.id).id)  # type: ignore[union-attr]
    assert (step.role, step.original_role.value) == ("regional_manager", "branch_manager")
    assert step.auto_escalated
    told = story(session, requisition)[-1]
    assert told.action is TrailAction.ESCALATED
    assert told.user_id is None
    assert told.role == "branch_manager"
    assert told.escalation_reason == step.escalation_reason
    approve(session, requisition, "regional_manager")
    assert story(session, requisition)[-1].auto_escalated


def test_the_escalation_approver_takes_what_nobody_else_can(session: Session) -> None:
    """Somebody without any role; a cfo that the tier requires is not replaced by rank."""
    end_roles(session, "cfo")
    requisition = submitted(session, "60000.00")

    assert chain(session, requisition)[-1][:2] == (resolution.ESCALATION_APPROVER, "escalation")
    for by in ("branch_manager", "regional_manager", finance_manager(session)):
        approve(session, requisition, by)
    assert requisition.status is R.PENDING
    approve(session, requisition, "escalation")
    assert requisition.status is R.PENDING_TREASURY_VALIDATION


def test_without_anybody_submit_is_refused_and_nothing_is_half_done(session: Session) -> None:
    """Defects D20, D29."""
    end_roles(session, "cfo")
    draft = raised(session, "60000.00", by="staff")
    draft.payee_user_id = user_id(session, "escalation")

    with pytest.raises(resolution.NoApprover), session.begin_nested():
        requisitions.submit(Uow.of(session, acting(session, "staff")), requisition_id=draft.id)

    session.expire_all()
    assert draft.status is R.DRAFT
    assert draft.tier is None
    assert rounds.latest(session, draft.id) is None


def test_treasurys_own_requisition_gets_the_override(session: Session) -> None:
    hq = session.execute(text("SELECT id FROM branches WHERE code = 'HQ'")).scalar_one()
    requisition = submitted(session, by="treasury", branch_id=hq)

    assert [role for role, *_ in chain(session, requisition)] == [
        "department_head",
        "group_finance_manager",
    ]
    assert story(session, requisition)[0].override == resolution.TREASURY_REQUESTER


def test_a_running_requisition_keeps_the_policy_it_was_submitted_under(session: Session) -> None:
    requisition = submitted(session, "20000.00")
    tier = session.execute(
        select(ApprovalThreshold).where(
            ApprovalThreshold.id == rounds.latest(session, requisition.id).threshold_id  # type: ignore[union-attr]
        )
    ).scalar_one()
    tier.roles_sequence = ["ceo"]
    tier.allow_urgent_fasttrack = False
    session.flush()

    for by in ("branch_manager", "regional_manager", finance_manager(session)):
        approve(session, requisition, by)

    assert requisition.status is R.PENDING_TREASURY_VALIDATION


def test_people_of_another_company_are_never_chosen(session: Session) -> None:
    """Defect D16."""
    end_roles(session, "branch_manager", "regional_manager")
    requisition = submitted(session)

    here = set(session.execute(select(RoleAssignment.user_id)).scalars())
    chosen = {user_id(session, name) for _, name, _ in chain(session, requisition)}
    assert chosen <= here
