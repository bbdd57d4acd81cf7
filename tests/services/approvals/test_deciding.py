"""Decisions: whose turn it is, on what, what is refused; the inbox."""

from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash.models.approvals import (
    ApprovalTrail,
    Decision,
    RoundStatus,
    StepDecision,
    TrailAction,
)
from pettycash.models.requisitions import (
    IllegalRequisitionState,
    Requisition,
    RequisitionStatus,
)
from pettycash.services import requisitions
from pettycash.services.approvals import rounds
from pettycash.services.approvals.deciding import (
    NotAnApprover,
    NotYourTurn,
    RoleLost,
    StaleDigest,
    StepAlreadyDecided,
)
from pettycash.services.foundation import text_validation, visibility
from pettycash.services.foundation.listings import page
from pettycash.services.foundation.uow import Uow
from pettycash.services.requisitions import approval
from pettycash.services.requisitions.inbox import INBOX
from tests.factories.people import acting, user_id
from tests.factories.requisitions import (
    approve,
    approved,
    chain,
    decide,
    digest,
    finance_manager,
    line,
    raised,
    submitted,
    waiting_for,
)

R = RequisitionStatus


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


def test_the_status_follows_the_step_up_to_treasury(session: Session) -> None:
    requisition = submitted(session, "300000.00")
    seen = [requisition.status]
    for by in ("branch_manager", finance_manager(session), "cfo", "ceo"):
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


def test_field_and_hq_statuses(session: Session) -> None:
    assert submitted(session, by="staff_hq").status is R.PENDING_DEPT_APPROVAL
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
    assert decision.verdict is StepDecision.APPROVED
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


@pytest.mark.parametrize("verb", DECISIONS)
def test_nobody_decides_their_own(session: Session, verb: str) -> None:
    requisition = submitted(session, by="branch_manager")

    with pytest.raises(approval.OwnRequisition):
        decide(session, verb, requisition, "branch_manager")


@pytest.mark.parametrize("verb", DECISIONS)
def test_nobody_decides_out_of_turn(session: Session, verb: str) -> None:
    requisition = submitted(session, "20000.00")

    with pytest.raises(NotYourTurn):
        decide(session, verb, requisition, "regional_manager")


@pytest.mark.parametrize("verb", DECISIONS)
def test_nobody_decides_twice(session: Session, verb: str) -> None:
    requisition = submitted(session, "20000.00")
    approve(session, requisition, "branch_manager")

    with pytest.raises(StepAlreadyDecided):
        decide(session, verb, requisition, "branch_manager")


@pytest.mark.parametrize("verb", DECISIONS)
def test_who_is_not_in_the_chain_decides_nothing(session: Session, verb: str) -> None:
    requisition = submitted(session)

    with pytest.raises(NotAnApprover):
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
            Uow.of(session, acting(session, "staff")), requisition_id=requisition.id
        )

    with pytest.raises(IllegalRequisitionState):
        decide(session, verb, requisition, "branch_manager")


@pytest.mark.parametrize("verb", DECISIONS)
def test_a_stale_digest_is_refused(session: Session, verb: str) -> None:
    requisition = submitted(session)
    read = digest(session, requisition.id)
    requisitions.update(
        Uow.of(session, acting(session, "staff")),
        requisition_id=requisition.id,
        changes={"amount": Decimal("900.00"), "lines": [line("900.00")]},
    )

    with pytest.raises(StaleDigest):
        decide(session, verb, requisition, "branch_manager", digest=read)
    for nonsense in ("", "é" * 64, "0" * 64):
        with pytest.raises(StaleDigest):
            decide(session, verb, requisition, "branch_manager", digest=nonsense)
    decide(session, verb, requisition, "branch_manager")


def test_a_digest_of_another_requisition_with_the_same_facts_is_refused(session: Session) -> None:
    first, second = submitted(session), submitted(session)

    with pytest.raises(StaleDigest):
        decide(session, "approve", first, "branch_manager", digest=digest(session, second.id))


def test_facts_changed_behind_the_rounds_back_are_refused(session: Session) -> None:
    requisition = submitted(session)
    session.execute(
        text("UPDATE requisitions SET payee_name = 'Mallory' WHERE id = :id"),
        {"id": requisition.id},
    )

    with pytest.raises(StaleDigest):
        approve(session, requisition, "branch_manager")


@pytest.mark.parametrize("verb", ["reject", "request_changes"])
@pytest.mark.parametrize("reason", ["", "  ", "x" * 1001])
def test_a_no_needs_a_reason(session: Session, verb: str, reason: str) -> None:
    requisition = submitted(session)

    with pytest.raises(text_validation.InvalidText):
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

    with pytest.raises((RoleLost, visibility.RequisitionNotFound)):
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


def inbox(session: Session, name: str) -> list[UUID]:
    found = page(Uow.of(session, acting(session, name)), INBOX)
    return [item["requisition"]["id"] for item in found.items]


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
