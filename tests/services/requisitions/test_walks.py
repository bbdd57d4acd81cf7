"""Random walks: whatever people do in whatever order, what is approved is what stands there."""

import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.approvals import (
    ApprovalRound,
    ApprovalStep,
    Decision,
    RoundStatus,
    StepAssignee,
    StepStatus,
)
from pettycash.models.payments import Payment
from pettycash.models.requisitions import IN_APPROVAL, Requisition, RequisitionStatus
from pettycash.runtime import errors
from pettycash.services import requisitions
from pettycash.services.approvals import rounds
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import treasury_validation
from pettycash.services.requisitions import approval, approved_facts, deciding
from pettycash.services.requisitions.deciding import Urgency
from tests.factories.people import acting
from tests.factories.requisitions import digest, line, raised, waiting_for

R = RequisitionStatus
STEPS_OF_A_WALK = 16
AMOUNTS = ("900.00", "9000.00", "20000.00", "60000.00", "300000.00")
PEOPLE = (
    "staff",
    "staff_2",
    "branch_manager",
    "regional_manager",
    "group_finance_manager",
    "group_finance_manager_2",
    "cfo",
    "ceo",
    "treasury",
)

Act = Callable[[Session, Requisition, random.Random], object]


def _decider(session: Session, requisition: Requisition, chance: random.Random) -> str:
    """Mostly whose turn it is, at times anybody."""
    if requisition.status in IN_APPROVAL and chance.random() < 0.8:
        return waiting_for(session, requisition)
    return chance.choice(PEOPLE)


def _decide(verb: str, **more: object) -> Act:
    def act(session: Session, requisition: Requisition, chance: random.Random) -> object:
        return getattr(deciding, verb)(
            Uow.of(session, acting(session, _decider(session, requisition, chance))),
            requisition_id=requisition.id,
            digest=digest(session, requisition.id)
            if rounds.latest(session, requisition.id) and chance.random() < 0.9
            else "0" * 64,
            comment="Because.",
            **more,
        )

    return act


def _do(verb: str, by: str, **more: object) -> Act:
    def act(session: Session, requisition: Requisition, chance: random.Random) -> object:
        return getattr(requisitions, verb)(
            Uow.of(
                session, acting(session, by if chance.random() < 0.9 else chance.choice(PEOPLE))
            ),
            requisition_id=requisition.id,
            **more,
        )

    return act


def _edit(session: Session, requisition: Requisition, chance: random.Random) -> object:
    amount = chance.choice(AMOUNTS)
    changes: dict[str, object] = chance.choice(
        [
            {"amount": Decimal(amount), "lines": [line(amount)]},
            {"destination": f"07111111{chance.randrange(10, 99)}"},
            {"purpose": f"Purpose {chance.randrange(100)}"},
            {"is_urgent": True, "urgency_reason": "Flood"},
            {"is_urgent": False},
            {"metadata": {"n": str(chance.random())}},
        ]
    )
    return _do("update", "staff", changes=changes)(session, requisition, chance)


def _validate(session: Session, requisition: Requisition, chance: random.Random) -> object:
    return treasury_validation.validate(
        Uow.of(session, acting(session, "treasury")),
        requisition_id=requisition.id,
        digest=digest(session, requisition.id)
        if rounds.latest(session, requisition.id)
        else "0" * 64,
    )


ACTS: dict[str, tuple[int, Act]] = {
    "submit": (4, _do("submit", "staff")),
    "approve": (10, _decide("approve")),
    "confirm": (3, _decide("confirm_urgency", urgency=Urgency.CONFIRMED)),
    "refuse": (1, _decide("confirm_urgency", urgency=Urgency.REFUSED)),
    "reject": (1, _decide("reject")),
    "request_changes": (1, _decide("request_changes")),
    "edit": (5, _edit),
    "recall": (1, _do("recall", "staff")),
    "cancel": (1, _do("cancel", "staff", comment="No")),
    "hold": (1, _do("put_on_hold", "treasury", comment="Wait")),
    "lift": (1, _do("take_off_hold", "treasury", comment="Go on")),
    "return": (1, _do("return_to_requester", "treasury", comment="No")),
    "validate": (2, _validate),
}


def check(session: Session, requisition: Requisition) -> None:
    """What holds after every act, done or refused."""
    session.flush()
    of_it = {
        model: list(session.execute(select(model).where(column == requisition.id)).scalars())
        for model, column in (
            (ApprovalRound, ApprovalRound.subject_id),
            (ApprovalStep, ApprovalStep.subject_id),
            (Decision, Decision.subject_id),
            (Payment, Payment.requisition_id),
        )
    }
    open_rounds = [each for each in of_it[ApprovalRound] if each.status is RoundStatus.OPEN]
    open_steps = [each for each in of_it[ApprovalStep] if each.status is StepStatus.OPEN]
    in_approval = requisition.status in IN_APPROVAL
    assert len(open_rounds) == len(open_steps) == in_approval
    latest = rounds.latest(session, requisition.id)
    standing = rounds.digest_of(approved_facts.facts_of(session, requisition, latest))
    if in_approval:
        (current,), (step,) = open_rounds, open_steps
        assert current.digest == standing
        asks = step.confirms_urgency and not any(
            each.step_id == step.id for each in of_it[Decision]
        )
        assert (requisition.status is R.PENDING_URGENCY_CONFIRMATION) is asks
        if not asks:
            assert requisition.status is approval.STATUS_OF_ROLE.get(step.role, R.PENDING)
    assert (requisition.approved_amount is not None) is (
        requisition.status in (R.PENDING_TREASURY_VALIDATION, R.IN_PAYMENT)
    )
    if requisition.approved_amount is not None:
        latest = rounds.latest(session, requisition.id)
        assert latest is not None
        assert latest.status is RoundStatus.APPROVED
        assert requisition.approved_amount == requisition.amount
        assert requisition.approved_digest == latest.digest == standing
        steps = rounds.steps_of(session, latest.id)
        assert {each.status for each in steps} <= {StepStatus.APPROVED, StepStatus.SKIPPED}
        assert steps[-1].status is StepStatus.APPROVED
    for each in of_it[ApprovalRound]:
        people = session.execute(
            select(StepAssignee.user_id).where(StepAssignee.round_id == each.id)
        ).scalars()
        counted = Counter(people)
        assert requisition.requester_id not in counted
        assert set(counted.values()) <= {1}
    assert bool(of_it[Payment]) is (requisition.status is R.IN_PAYMENT)
    assert sum(each.amount for each in of_it[Payment]) in (0, requisition.approved_amount)


@pytest.mark.parametrize("seed", range(24))
def test_whatever_people_do_what_is_approved_is_what_stands_there(
    session: Session, seed: int
) -> None:
    chance = random.Random(seed)
    requisition = raised(session, chance.choice(AMOUNTS))
    names, weights = list(ACTS), [weight for weight, _ in ACTS.values()]
    story = []
    for _ in range(STEPS_OF_A_WALK):
        name = chance.choices(names, weights)[0]
        before = requisition.status
        try:
            with session.begin_nested():
                ACTS[name][1](session, requisition, chance)
        except errors.PettycashError as refusal:
            session.expire_all()
            story.append(f"{before} {name}: {refusal.code}")
            assert requisition.status is before
        else:
            story.append(f"{before} {name} {requisition.status}")
        try:
            check(session, requisition)
        except AssertionError as broken:
            raise AssertionError("\n".join(story)) from broken
