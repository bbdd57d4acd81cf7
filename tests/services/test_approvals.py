"""Decisions: whose turn it is, on what, and what follows; urgency; the inbox."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash.models.people import RoleAssignment
from pettycash.models.requisitions import (
    IllegalRequisitionState,
    Origin,
    Requisition,
    RequisitionStatus,
)
from pettycash.models.workflow import (
    ApprovalThreshold,
    ApprovalTrail,
    Decision,
    RoundStatus,
    TrailAction,
    Verdict,
)
from pettycash.services import approvals, requisitions, resolution, rounds, texts, visibility
from pettycash.services.approvals import Urgency
from tests.factories.people import acting, user_id
from tests.factories.requisitions import (
    approve,
    approved,
    chain,
    digest,
    line,
    raised,
    submitted,
    waiting_for,
)

R = RequisitionStatus


def decide(session: Session, verb: str, requisition: Requisition, by: str, **more: Any) -> Any:
    facts: dict[str, Any] = {
        "requisition_id": requisition.id,
        "actor": acting(session, by),
        "now": session.info["now"],
        "comment": "Because.",
    }
    if "digest" not in more:
        facts["digest"] = digest(session, requisition.id)
    return getattr(approvals, verb)(session, **(facts | more))


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


DECISIONS = ("approve", "reject", "request_changes")


# The chain


def test_the_status_follows_the_step_up_to_treasury(session: Session) -> None:
    requisition = submitted(session, "300000.00")
    seen = [requisition.status]
    for by in ("branch_manager", waiting_for_role(session, "group_finance_manager"), "cfo", "ceo"):
        approve(session, requisition, by)
        seen.append(requisition.status)

    assert seen == [
        R.PENDING_BRANCH_APPROVAL,
        R.PENDING_FINANCE_REVIEW,
        R.PENDING_CFO_APPROVAL,
        R.PENDING_CEO_APPROVAL,
        R.PENDING_TREASURY_VALIDATION,
    ]
    latest = rounds.latest(session, requisition.id)
    assert latest is not None
    assert latest.status is RoundStatus.APPROVED
    assert requisition.approved_amount == Decimal("300000.00")
    assert requisition.approved_digest == latest.digest
    assert [row.action for row in story(session, requisition)] == [
        TrailAction.SUBMITTED,
        *[TrailAction.APPROVED] * 4,
    ]


def waiting_for_role(session: Session, role: str) -> str:
    """The one of two finance managers whom the rule picks: nothing waits for either, lowest id."""
    return min(
        ("group_finance_manager", "group_finance_manager_2"),
        key=lambda name: user_id(session, name),
    )


def test_field_and_hq_statuses(session: Session) -> None:
    assert submitted(session, origin=Origin.FIELD).status is R.PENDING_DEPT_APPROVAL
    requisition = submitted(session, "20000.00")
    approve(session, requisition, "branch_manager")
    assert requisition.status is R.PENDING_REGIONAL_REVIEW


def test_a_decision_keeps_who_what_and_where_from(session: Session) -> None:
    requisition = submitted(session)
    read = digest(session, requisition.id)

    decide(session, "approve", requisition, "branch_manager", comment="Fine")

    decision = session.execute(select(Decision)).scalar_one()
    latest = rounds.latest(session, requisition.id)
    assert latest is not None
    assert decision.verdict is Verdict.APPROVED
    assert decision.user_id == user_id(session, "branch_manager")
    assert decision.role == "branch_manager"
    assert decision.digest == latest.digest
    assert decision.comment == "Fine"
    assert digest(session, requisition.id) == read


def test_load_is_shared_between_finance_managers(session: Session) -> None:
    """The one for whom fewer approvals are open is chosen at the next submit."""
    names = []
    for _ in range(2):
        requisition = submitted(session, "20000.00")
        approve(session, requisition, "branch_manager")
        approve(session, requisition, "regional_manager")
        names.append(waiting_for(session, requisition))

    assert sorted(names) == ["group_finance_manager", "group_finance_manager_2"]


# Refusals


@pytest.mark.parametrize("verb", DECISIONS)
def test_nobody_decides_their_own(session: Session, verb: str) -> None:
    requisition = submitted(session, by="branch_manager")

    with pytest.raises(approvals.MakerCannotBeChecker):
        decide(session, verb, requisition, "branch_manager")


@pytest.mark.parametrize("verb", DECISIONS)
def test_nobody_decides_out_of_turn(session: Session, verb: str) -> None:
    requisition = submitted(session, "20000.00")

    with pytest.raises(approvals.NotYourTurn):
        decide(session, verb, requisition, "regional_manager")


@pytest.mark.parametrize("verb", DECISIONS)
def test_nobody_decides_twice(session: Session, verb: str) -> None:
    requisition = submitted(session, "20000.00")
    approve(session, requisition, "branch_manager")

    with pytest.raises(approvals.AlreadyDecided):
        decide(session, verb, requisition, "branch_manager")


@pytest.mark.parametrize("verb", DECISIONS)
def test_who_is_not_in_the_chain_decides_nothing(session: Session, verb: str) -> None:
    requisition = submitted(session)

    with pytest.raises(approvals.NotAnApprover):
        decide(session, verb, requisition, "cfo")
    with pytest.raises(visibility.RequisitionNotFound):
        decide(session, verb, requisition, "branch_manager_mombasa")


@pytest.mark.parametrize("verb", DECISIONS)
@pytest.mark.parametrize("end", ["reject", "request_changes", "cancel", "recall", "approve"])
def test_nothing_is_decided_after_the_end(session: Session, verb: str, end: str) -> None:
    """Defect D14: an approver acts on what was rejected."""
    requisition = submitted(session)
    if end in DECISIONS:
        decide(session, end, requisition, "branch_manager")
    else:
        getattr(requisitions, end)(
            session,
            requisition_id=requisition.id,
            actor=acting(session, "staff"),
            now=session.info["now"],
        )

    with pytest.raises(IllegalRequisitionState):
        decide(session, verb, requisition, "branch_manager")


@pytest.mark.parametrize("verb", DECISIONS)
def test_a_stale_digest_is_refused(session: Session, verb: str) -> None:
    requisition = submitted(session)
    read = digest(session, requisition.id)
    requisitions.update(
        session,
        requisition_id=requisition.id,
        changes={"amount": Decimal("900.00"), "lines": [line("900.00")]},
        actor=acting(session, "staff"),
        now=session.info["now"],
    )

    with pytest.raises(approvals.StaleDigest):
        decide(session, verb, requisition, "branch_manager", digest=read)
    for nonsense in ("", "é" * 64, "0" * 64):
        with pytest.raises(approvals.StaleDigest):
            decide(session, verb, requisition, "branch_manager", digest=nonsense)
    decide(session, verb, requisition, "branch_manager")


def test_a_digest_of_another_requisition_with_the_same_facts_is_refused(session: Session) -> None:
    first, second = submitted(session), submitted(session)

    with pytest.raises(approvals.StaleDigest):
        decide(session, "approve", first, "branch_manager", digest=digest(session, second.id))


def test_facts_changed_behind_the_rounds_back_are_refused(session: Session) -> None:
    requisition = submitted(session)
    session.execute(
        text("UPDATE requisitions SET payee_name = 'Mallory' WHERE id = :id"),
        {"id": requisition.id},
    )

    with pytest.raises(approvals.StaleDigest):
        approve(session, requisition, "branch_manager")


@pytest.mark.parametrize("verb", ["reject", "request_changes"])
@pytest.mark.parametrize("reason", ["", "  ", "x" * 1001])
def test_a_no_needs_a_reason(session: Session, verb: str, reason: str) -> None:
    requisition = submitted(session)

    with pytest.raises(texts.InvalidText):
        decide(session, verb, requisition, "branch_manager", comment=reason)

    assert requisition.status is R.PENDING_BRANCH_APPROVAL


@pytest.mark.parametrize("verb", DECISIONS)
def test_who_lost_the_role_does_not_decide(session: Session, verb: str) -> None:
    requisition = submitted(session)
    manager = user_id(session, "branch_manager")
    session.execute(
        text("UPDATE role_assignments SET valid_until = now() WHERE user_id = :id"),
        {"id": manager},
    )

    with pytest.raises((approvals.RoleLost, visibility.RequisitionNotFound)):
        decide(session, verb, requisition, "branch_manager")


@pytest.mark.parametrize(
    ("verb", "status", "round_status", "own"),
    [
        ("reject", R.REJECTED, RoundStatus.REJECTED, "rejected"),
        (
            "request_changes",
            R.CHANGES_REQUESTED,
            RoundStatus.CHANGES_REQUESTED,
            "changes_requested",
        ),
    ],
)
def test_a_no_ends_the_round(
    session: Session, verb: str, status: R, round_status: RoundStatus, own: str
) -> None:
    requisition = submitted(session, "20000.00")
    approve(session, requisition, "branch_manager")

    decide(session, verb, requisition, "regional_manager")

    latest = rounds.latest(session, requisition.id)
    assert latest is not None
    assert requisition.status is status
    assert latest.status is round_status
    assert statuses(session, requisition) == ["approved", own, "voided"]


# Urgency


def test_the_first_approver_answers_urgency_before_anything(session: Session) -> None:
    requisition = urgent(session)
    assert requisition.status is R.PENDING_URGENCY_CONFIRMATION

    with pytest.raises(approvals.UrgencyUnanswered):
        approve(session, requisition, "branch_manager")
    with pytest.raises(approvals.NotYourTurn):
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
    assert len(rounds.approvers_of(session, requisition.id)) == 2


def test_who_was_skipped_does_not_decide(session: Session) -> None:
    requisition = urgent(session)
    decide(session, "confirm_urgency", requisition, "branch_manager", urgency=Urgency.CONFIRMED)

    with pytest.raises(approvals.NotYourTurn):
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
    with pytest.raises(approvals.NoUrgencyQuestion):
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

    with pytest.raises(approvals.NoUrgencyQuestion):
        decide(session, "confirm_urgency", requisition, "branch_manager", urgency=Urgency.CONFIRMED)


@pytest.mark.parametrize("verb", ["reject", "request_changes"])
def test_an_urgent_one_may_be_refused_outright(session: Session, verb: str) -> None:
    requisition = urgent(session)

    decide(session, verb, requisition, "branch_manager")

    assert requisition.status in (R.REJECTED, R.CHANGES_REQUESTED)


# Escalation and overrides, stored


def end_roles(session: Session, *names: str) -> None:
    session.execute(
        text("UPDATE role_assignments SET valid_until = now() WHERE user_id = ANY(:ids)"),
        {"ids": [user_id(session, name) for name in names]},
    )


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
    """Of the demo company that is the ceo; a cfo that the tier requires is not replaced by rank."""
    end_roles(session, "cfo")
    requisition = submitted(session, "60000.00")

    assert chain(session, requisition)[-1][:2] == (resolution.ESCALATION_APPROVER, "ceo")
    for by in ("branch_manager", "regional_manager", waiting_for_role(session, "")):
        approve(session, requisition, by)
    assert requisition.status is R.PENDING
    approve(session, requisition, "ceo")
    assert requisition.status is R.PENDING_TREASURY_VALIDATION


def test_without_anybody_submit_is_refused_and_nothing_is_half_done(session: Session) -> None:
    """Defects D20, D29."""
    end_roles(session, "cfo")
    draft = raised(session, "60000.00", by="staff")
    draft.payee_user_id = user_id(session, "ceo")

    with pytest.raises(resolution.NoApprover), session.begin_nested():
        requisitions.submit(
            session,
            requisition_id=draft.id,
            actor=acting(session, "staff"),
            now=session.info["now"],
        )

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

    for by in ("branch_manager", "regional_manager", waiting_for_role(session, "")):
        approve(session, requisition, by)

    assert requisition.status is R.PENDING_TREASURY_VALIDATION


def test_people_of_another_company_are_never_chosen(session: Session) -> None:
    """Defect D16."""
    end_roles(session, "branch_manager", "regional_manager")
    requisition = submitted(session)

    here = set(session.execute(select(RoleAssignment.user_id)).scalars())
    chosen = {user_id(session, name) for _, name, _ in chain(session, requisition)}
    assert chosen <= here


# The inbox


def inbox(session: Session, name: str) -> list[UUID]:
    rows = session.execute(approvals.inbox(acting(session, name)))
    return [requisition.id for _, _, requisition in rows]


def test_the_inbox_holds_what_waits_for_me_and_nothing_else(session: Session) -> None:
    first = submitted(session, "20000.00")
    second = submitted(session)
    raised(session)

    assert set(inbox(session, "branch_manager")) == {first.id, second.id}
    assert inbox(session, "regional_manager") == []
    approve(session, first, "branch_manager")
    assert inbox(session, "branch_manager") == [second.id]
    assert inbox(session, "regional_manager") == [first.id]
    decide(session, "reject", second, "branch_manager")
    assert inbox(session, "branch_manager") == []


@pytest.mark.parametrize("stage", [raised, approved])
def test_what_waits_for_nobody_is_in_no_inbox(
    session: Session, stage: Callable[..., Requisition]
) -> None:
    stage(session)

    for name in ("staff", "branch_manager", "regional_manager", "treasury"):
        assert inbox(session, name) == []
