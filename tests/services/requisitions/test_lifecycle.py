"""Submitting, recalling, cancelling; treasury's hold and return."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from pettycash.models.approvals import TrailAction
from pettycash.models.requisitions import (
    IllegalRequisitionState,
    Requisition,
    RequisitionStatus,
)
from pettycash.services import requisitions
from pettycash.services.approvals import rounds
from pettycash.services.foundation import text_validation
from pettycash.services.foundation.uow import Uow
from pettycash.services.requisitions import lifecycle
from tests.factories.people import acting
from tests.factories.requisitions import (
    actions,
    approve,
    approved,
    change,
    raised,
    submitted,
    waiting_for,
)

R = RequisitionStatus


def test_submitting_twice_is_refused(session: Session) -> None:
    requisition = submitted(session)

    with pytest.raises(IllegalRequisitionState):
        requisitions.submit(
            Uow.of(session, acting(session, "staff")), requisition_id=requisition.id
        )


def test_recalling_makes_it_a_draft_whose_next_round_is_new(session: Session) -> None:
    requisition = submitted(session, "20000.00")
    approve(session, requisition, "branch_manager")
    staff, now = acting(session, "staff"), session.info["now"]

    uow = Uow(session, staff, now)
    requisitions.recall(uow, requisition_id=requisition.id)
    assert requisition.status is R.DRAFT
    requisitions.submit(uow, requisition_id=requisition.id)

    latest = rounds.latest(session, requisition.id)
    assert latest is not None
    assert latest.number == 2
    assert waiting_for(session, requisition) == "branch_manager"
    assert actions(session, requisition) == [
        TrailAction.SUBMITTED,
        TrailAction.APPROVED,
        TrailAction.RECALLED,
        TrailAction.SUBMITTED,
    ]


def test_what_waits_for_nobody_is_not_recalled(session: Session) -> None:
    for requisition in (raised(session), approved(session)):
        with pytest.raises(IllegalRequisitionState):
            requisitions.recall(
                Uow.of(session, acting(session, "staff")), requisition_id=requisition.id
            )


@pytest.mark.parametrize("stage", [raised, submitted, approved])
def test_cancelling_ends_it(session: Session, stage: Callable[..., Requisition]) -> None:
    requisition = stage(session)

    requisitions.cancel(
        Uow.of(session, acting(session, "staff")),
        requisition_id=requisition.id,
        comment="Not needed",
    )

    assert requisition.status is R.CANCELLED
    assert requisition.approved_amount is None
    assert actions(session, requisition)[-1] is TrailAction.CANCELLED
    with pytest.raises(IllegalRequisitionState):
        requisitions.submit(
            Uow.of(session, acting(session, "staff")), requisition_id=requisition.id
        )


# Treasury's hold and return


def test_a_hold_is_placed_once_and_lifted_once(session: Session) -> None:
    requisition = approved(session)
    treasury, now = acting(session, "treasury"), session.info["now"]
    uow = Uow(session, treasury, now)
    at = {"requisition_id": requisition.id}

    requisitions.put_on_hold(uow, comment="Receipt unreadable", **at)
    with pytest.raises(lifecycle.HoldUnchanged):
        requisitions.put_on_hold(uow, comment="Again", **at)
    requisitions.take_off_hold(uow, comment="Seen", **at)
    with pytest.raises(lifecycle.HoldUnchanged):
        requisitions.take_off_hold(uow, comment="Again", **at)

    assert requisition.held_at is None
    assert actions(session, requisition)[-2:] == [
        TrailAction.HELD,
        TrailAction.RELEASED_FROM_HOLD,
    ]


def test_returning_sends_it_back_through_approval(session: Session) -> None:
    requisition = approved(session)
    now = session.info["now"]

    requisitions.return_to_requester(
        Uow(session, acting(session, "treasury"), now),
        requisition_id=requisition.id,
        comment="Which branch?",
    )

    assert requisition.status is R.CHANGES_REQUESTED
    assert requisition.approved_amount is None
    change(session, requisition, purpose="Water, Westlands")
    requisitions.submit(Uow(session, acting(session, "staff"), now), requisition_id=requisition.id)
    assert waiting_for(session, requisition) == "branch_manager"


@pytest.mark.parametrize(
    "verb", ["put_on_hold", "take_off_hold", "return_to_requester", "close_short"]
)
def test_treasury_says_why_and_is_no_party(session: Session, verb: str) -> None:
    own = approved(session, by="treasury")
    act: Any = getattr(requisitions, verb)
    treasury = acting(session, "treasury")

    uow = Uow.of(session, treasury)
    with pytest.raises(lifecycle.PartyToIt):
        act(uow, requisition_id=own.id, comment="Mine")

    others = approved(session)
    if verb == "close_short":
        with pytest.raises(IllegalRequisitionState):
            act(uow, requisition_id=others.id, comment="Why")
        return
    if verb == "take_off_hold":
        others.held_at = session.info["now"]
    with pytest.raises(text_validation.InvalidText):
        act(uow, requisition_id=others.id, comment="  ")
