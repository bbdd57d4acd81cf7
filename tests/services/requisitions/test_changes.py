"""Changing requisitions: freely before submit, by materiality afterwards."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.models.approvals import RoundStatus, StepStatus, TrailAction
from pettycash.models.requisitions import (
    IN_APPROVAL,
    IllegalRequisitionState,
    Requisition,
    RequisitionKind,
    RequisitionStatus,
)
from pettycash.services import requisitions
from pettycash.services.approvals import rounds, thresholds
from pettycash.services.foundation import visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.requisitions import approved_facts, creation, validation
from tests.factories.people import acting
from tests.factories.policies import switch
from tests.factories.requisitions import (
    actions,
    approve,
    approved,
    brought_to,
    chain,
    change,
    digest,
    line,
    raised,
    submitted,
)

R = RequisitionStatus


def test_a_draft_is_changed_freely_by_its_requester(session: Session) -> None:
    draft = raised(session)
    version = draft.version

    change(
        session,
        draft,
        amount=Decimal("20.00"),
        lines=[line("5.00", "Tea"), line("15.00", "Milk")],
        kind=RequisitionKind.REIMBURSEMENT,
        metadata={"order": "7"},
    )

    assert draft.amount == Decimal("20.00")
    assert [each.description for each in approved_facts.lines_of(session, draft.id)] == [
        "Tea",
        "Milk",
    ]
    assert draft.client_metadata == {"order": "7"}
    assert draft.version > version
    assert actions(session, draft) == []


def test_somebody_else_never_changes_submits_recalls_or_cancels_it(session: Session) -> None:
    draft = raised(session)
    now = session.info["now"]
    manager = acting(session, "branch_manager")

    with pytest.raises(creation.NotRequester):
        change(session, draft, by="branch_manager", purpose="Wine")
    for verb in (requisitions.submit, requisitions.recall, requisitions.cancel):
        with pytest.raises(creation.NotRequester):
            verb(Uow(session, manager, now), requisition_id=draft.id)


def test_beyond_scope_there_is_no_requisition(session: Session) -> None:
    draft = raised(session)

    with pytest.raises(visibility.RequisitionNotFound):
        change(session, draft, by="staff_2", purpose="Wine")
    with pytest.raises(visibility.RequisitionNotFound):
        change(session, draft, by="branch_manager_mombasa", purpose="Wine")


def test_a_change_that_makes_no_sense_changes_nothing(session: Session) -> None:
    draft = raised(session)

    with pytest.raises(validation.LinesDoNotAddUp), session.begin_nested():
        change(session, draft, amount=Decimal("3.00"))

    session.expire_all()
    assert draft.amount == Decimal("1500.00")


def test_a_lower_amount_voids_nothing(session: Session) -> None:
    requisition = submitted(session, "20000.00")
    approve(session, requisition, "branch_manager")
    before = digest(session, requisition.id)

    change(session, requisition, amount=Decimal("9000.00"), lines=[line("9000.00")])

    assert [status for *_, status in chain(session, requisition)] == [
        "approved",
        "open",
        "waiting",
    ]
    assert requisition.status is R.PENDING_REGIONAL_REVIEW
    assert digest(session, requisition.id) != before
    assert actions(session, requisition)[-1] is TrailAction.CHANGED


def test_a_lower_amount_after_approval_lowers_what_may_be_paid(session: Session) -> None:
    requisition = approved(session)

    change(session, requisition, amount=Decimal("900.00"), lines=[line("900.00")])

    latest = rounds.latest(session, requisition.id)
    assert latest is not None
    assert requisition.status is R.PENDING_TREASURY_VALIDATION
    assert requisition.approved_amount == Decimal("900.00")
    assert requisition.approved_digest == latest.digest


@pytest.mark.parametrize(
    "what",
    [
        {"amount": Decimal("25000.00"), "lines": [line("25000.00")]},
        {"amount": Decimal("9000.00"), "lines": [line("9000.00", "Whisky")]},
        {"lines": [line("20000.00", category="travel")]},
        {"purpose": "Something else"},
        {"payee_name": "Somebody else"},
        {"payee_name": "Somebody else", "destination": "0711111111"},
        {"kind": RequisitionKind.ADVANCE},
        {"is_urgent": True, "urgency_reason": "Dry throats"},
    ],
    ids="+".join,
)
@pytest.mark.parametrize("stage", [submitted, approved])
def test_anything_else_material_voids_the_round_and_resolves_again(
    session: Session, stage: Callable[..., Requisition], what: dict[str, Any]
) -> None:
    switch(session, advances=True)
    requisition = stage(session, "20000.00")
    first = rounds.latest(session, requisition.id)
    assert first is not None

    change(session, requisition, **what)

    second = rounds.latest(session, requisition.id)
    assert second is not None
    assert first.status is RoundStatus.VOIDED
    assert {step.status for step in rounds.steps_of(session, first.id)} <= {
        StepStatus.VOIDED,
        StepStatus.APPROVED,
    }
    assert (second.number, second.status) == (2, RoundStatus.OPEN)
    assert requisition.status in IN_APPROVAL
    assert requisition.approved_amount is None
    assert next(status for *_, status in chain(session, requisition)) == "open"


def test_a_larger_amount_is_approved_by_the_chain_of_its_own_tier(session: Session) -> None:
    """Defect D15: submitted small, edited large, approved as if small."""
    requisition = submitted(session, "5000.00")
    assert requisition.tier == 1

    change(session, requisition, amount=Decimal("5000000.00"), lines=[line("5000000.00")])

    assert requisition.tier == 4
    assert [role for role, *_ in chain(session, requisition)] == [
        "branch_manager",
        "group_finance_manager",
        "cfo",
        "ceo",
    ]


def test_another_destination_before_the_last_approval_voids_nothing(session: Session) -> None:
    requisition = submitted(session, "20000.00")
    approve(session, requisition, "branch_manager")
    before = digest(session, requisition.id)

    change(session, requisition, destination="0711111111")

    assert [status for *_, status in chain(session, requisition)] == [
        "approved",
        "open",
        "waiting",
    ]
    assert digest(session, requisition.id) != before


def test_metadata_changes_no_approved_fact(session: Session) -> None:
    requisition = submitted(session)
    before = digest(session, requisition.id)

    change(session, requisition, metadata={"a": "b"}, external_reference="PO-9")

    assert digest(session, requisition.id) == before
    assert actions(session, requisition) == [TrailAction.SUBMITTED]


def test_an_edit_that_no_threshold_serves_is_refused(session: Session) -> None:
    requisition = submitted(session)
    session.execute(
        text("UPDATE approval_thresholds SET valid_until = now() + interval '1 us' WHERE tier > 1")
    )
    session.info["now"] = session.execute(text("SELECT now() + interval '1 second'")).scalar_one()

    with pytest.raises(thresholds.NoThreshold), session.begin_nested():
        change(session, requisition, amount=Decimal("20000.00"), lines=[line("20000.00")])

    session.expire_all()
    assert requisition.amount == Decimal("1500.00")


@pytest.mark.parametrize(
    "status",
    sorted(set(R) - IN_APPROVAL - creation.BEFORE_SUBMIT - {R.PENDING_TREASURY_VALIDATION}),
)
def test_what_is_paid_or_over_is_not_changed(session: Session, status: R) -> None:
    requisition = raised(session)
    brought_to(session, requisition, status)

    with pytest.raises(IllegalRequisitionState):
        change(session, requisition, purpose="Wine")
