"""Raising, changing and ending requisitions: what is taken, what is refused, and by whom."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash import db, money
from pettycash.gateways.registry import RailNotServed
from pettycash.models.organisation import Branch, Department, Region
from pettycash.models.requisitions import (
    IN_APPROVAL,
    TRANSITIONS,
    IllegalRequisitionState,
    Origin,
    Requisition,
    RequisitionKind,
    RequisitionStatus,
)
from pettycash.models.workflow import ApprovalTrail, RoundStatus, StepStatus, TrailAction
from pettycash.money import Currency
from pettycash.rails import Method
from pettycash.services import destinations, requisitions, rounds, texts, thresholds, visibility
from pettycash.services.requisitions import lifecycle, raising, stating
from tests.factories.people import acting, user_id
from tests.factories.requisitions import (
    NORMALISED_PHONE,
    approve,
    approved,
    chain,
    digest,
    line,
    raised,
    stated,
    submitted,
    waiting_for,
)

R = RequisitionStatus


def story(session: Session, requisition: Requisition) -> list[TrailAction]:
    session.flush()
    return list(
        session.execute(
            select(ApprovalTrail.action)
            .where(ApprovalTrail.requisition_id == requisition.id)
            .order_by(ApprovalTrail.id)
        ).scalars()
    )


def change(session: Session, requisition: Requisition, by: str = "staff", **what: Any) -> None:
    requisitions.update(
        session,
        requisition_id=requisition.id,
        changes=what,
        actor=acting(session, by),
        now=session.info["now"],
    )


# Raising


def test_a_draft_has_a_number_its_place_and_one_spelling_of_its_destination(
    session: Session,
) -> None:
    draft = raised(session, is_urgent=False)

    staff = acting(session, "staff")
    assert draft.status is R.DRAFT
    assert draft.number.startswith("REQ-")
    assert draft.requester_id == staff.user_id
    assert draft.branch_id == staff.branch_id
    assert draft.region_id == staff.region_id
    assert draft.department_id == staff.department_id
    assert draft.destination == NORMALISED_PHONE
    assert [each.amount for each in rounds.lines_of(session, draft.id)] == [Decimal("1500.00")]


def test_numbers_rise(session: Session) -> None:
    first, second = raised(session), raised(session)

    assert int(second.number[-6:]) == int(first.number[-6:]) + 1


def test_field_and_hq_take_their_place_from_the_membership(session: Session) -> None:
    field = raised(session, origin=Origin.FIELD)
    hq = raised(session, by="staff_hq", origin=Origin.HQ)

    assert (field.branch_id, field.region_id) == (None, acting(session, "staff").region_id)
    assert hq.branch_id is None


REFUSED: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"amount": Decimal("0")}, stating.InvalidRequisition),
    ({"amount": Decimal("-5")}, stating.InvalidRequisition),
    ({"amount": Decimal("NaN")}, stating.InvalidRequisition),
    ({"amount": Decimal("1e17")}, stating.InvalidRequisition),
    ({"amount": Decimal("10.001")}, money.InvalidAmount),
    ({"lines": []}, stating.InvalidRequisition),
    ({"lines": [line("1.00")] * 101}, stating.InvalidRequisition),
    ({"lines": [line("1499.99")]}, stating.LinesDoNotAddUp),
    ({"lines": [line("1500.00"), line("0.01")]}, stating.LinesDoNotAddUp),
    ({"lines": [line("1500.00", category="Tra vel!")]}, stating.InvalidRequisition),
    ({"lines": [line("1500.00", description=" ")]}, texts.InvalidText),
    ({"lines": [line("1500.00", cost_center_id=uuid4())]}, stating.InvalidRequisition),
    ({"purpose": "  "}, texts.InvalidText),
    ({"purpose": "x" * 1001}, texts.InvalidText),
    ({"purpose": "nul \x00"}, texts.InvalidText),
    ({"purpose": "half \ud800"}, texts.InvalidText),
    ({"payee_name": ""}, texts.InvalidText),
    ({"payee_user_id": uuid4()}, stating.InvalidRequisition),
    ({"is_urgent": True}, stating.InvalidRequisition),
    ({"urgency_reason": "Now!"}, stating.InvalidRequisition),
    ({"external_reference": "x" * 101}, texts.InvalidText),
    ({"metadata": {"a": "x" * 5000}}, texts.InvalidText),
    ({"metadata": {"a": "\x00"}}, texts.InvalidText),
    ({"destination": "12345"}, destinations.InvalidDestination),
    ({"destination": "somebody@example.com"}, destinations.InvalidDestination),
    ({"destination": ""}, texts.InvalidText),
    ({"method": Method.CARD}, destinations.MethodNotAvailable),
    ({"method": Method.WALLET}, destinations.MethodNotAvailable),
    ({"method": Method.BANK_TRANSFER}, RailNotServed),
    ({"method": Method.CASH, "destination": "not a person"}, destinations.InvalidDestination),
    ({"method": Method.CASH, "destination": "+999123"}, destinations.InvalidDestination),
    ({"method": Method.CASH, "destination": "a@b"}, destinations.InvalidDestination),
    ({"currency": Currency.UGX}, destinations.MethodNotAvailable),
    ({"branch_id": uuid4()}, stating.InvalidRequisition),
    ({"department_id": uuid4()}, stating.InvalidRequisition),
    ({"cost_center_id": uuid4()}, stating.InvalidRequisition),
    ({"origin": Origin.FIELD, "region_id": uuid4()}, stating.InvalidRequisition),
]


@pytest.mark.parametrize(("wrong", "refusal"), REFUSED)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(
    session: Session, wrong: dict[str, Any], refusal: type[Exception]
) -> None:
    said = {"lines": [line("1500.00")]} | wrong
    if "amount" in wrong:
        said["lines"] = [line(str(wrong["amount"]))]

    with pytest.raises(refusal):
        raised(session, **said)

    assert session.execute(select(Requisition.id)).first() is None


def test_shillings_of_uganda_are_whole(session: Session) -> None:
    ugandan = {
        "by": "staff_hq",
        "origin": Origin.HQ,
        "currency": Currency.UGX,
        "method": Method.CASH,
        "destination": "0772123456",
    }
    with pytest.raises(money.InvalidAmount):
        raised(session, "1500.50", **ugandan)

    draft = raised(session, "1500.00", **ugandan)

    assert draft.destination == "+256772123456"


@pytest.mark.parametrize(
    ("raw", "spelt"),
    [
        ("0712 345 678", "+254712345678"),
        ("+254712345678", "+254712345678"),
        (" Some.Body@Example.COM ", "some.body@example.com"),
    ],
)
def test_cash_goes_to_a_phone_or_an_address(session: Session, raw: str, spelt: str) -> None:
    assert raised(session, method=Method.CASH, destination=raw).destination == spelt


def test_dollars_have_no_home_country(session: Session) -> None:
    dollars = {"currency": Currency.USD, "method": Method.CASH}

    with pytest.raises(destinations.InvalidDestination):
        raised(session, destination="0712345678", **dollars)
    assert raised(session, destination="+254712345678", **dollars).destination == "+254712345678"


def unit(session: Session, model: Any, code: str) -> Any:
    return session.execute(select(model.id).where(model.code == code)).scalar_one()


def test_nobody_raises_for_a_branch_department_or_region_that_is_not_theirs(
    session: Session,
) -> None:
    for wrong in (
        {"branch_id": unit(session, Branch, "MOMBASA")},
        {"department_id": unit(session, Department, "FIN")},
        {"origin": Origin.FIELD, "region_id": unit(session, Region, "COAST")},
    ):
        with pytest.raises(stating.OutsideYourUnits):
            raised(session, **wrong)


def test_a_branch_settles_the_region_and_contradictions_are_refused(session: Session) -> None:
    coast = unit(session, Region, "COAST")

    with pytest.raises(stating.InvalidRequisition) as refusal:
        raised(session, region_id=coast)

    assert set(refusal.value.errors) == {"region_id"}


def test_company_wide_roles_raise_for_every_branch(session: Session) -> None:
    mombasa = unit(session, Branch, "MOMBASA")

    draft = raised(session, by="treasury", branch_id=mombasa)

    assert draft.branch_id == mombasa
    assert draft.region_id == unit(session, Region, "COAST")


def test_a_closed_unit_takes_no_requisitions(session: Session) -> None:
    session.get_one(Branch, unit(session, Branch, "WESTLANDS")).is_active = False

    with pytest.raises(stating.InvalidRequisition):
        raised(session)


def test_an_external_reference_is_used_once(session: Session) -> None:
    raised(session, external_reference="PO-1")

    with pytest.raises(raising.ExternalReferenceTaken):
        raised(session, external_reference="PO-1")
    other = raised(session, external_reference="PO-2")
    with pytest.raises(raising.ExternalReferenceTaken):
        change(session, other, external_reference="PO-1")


def test_the_database_adds_up_the_lines_too(session: Session) -> None:
    draft = raised(session)
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))

    # The deferred trigger fires with the statement now, not at the end.
    with pytest.raises(DBAPIError) as refusal, session.begin_nested():
        session.execute(text("UPDATE requisitions SET amount = 1 WHERE id = :id"), {"id": draft.id})

    assert db.sqlstate(refusal.value) == "PC006"


# Changing before submit


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
    assert [each.description for each in rounds.lines_of(session, draft.id)] == ["Tea", "Milk"]
    assert draft.client_metadata == {"order": "7"}
    assert draft.version > version
    assert story(session, draft) == []


def test_somebody_else_never_changes_submits_recalls_or_cancels_it(session: Session) -> None:
    draft = raised(session)
    now = session.info["now"]
    manager = acting(session, "branch_manager")

    with pytest.raises(raising.NotRequester):
        change(session, draft, by="branch_manager", purpose="Wine")
    for verb in (requisitions.submit, requisitions.recall, requisitions.cancel):
        with pytest.raises(raising.NotRequester):
            verb(session, requisition_id=draft.id, actor=manager, now=now)


def test_beyond_scope_there_is_no_requisition(session: Session) -> None:
    draft = raised(session)

    with pytest.raises(visibility.RequisitionNotFound):
        change(session, draft, by="staff_2", purpose="Wine")
    with pytest.raises(visibility.RequisitionNotFound):
        change(session, draft, by="branch_manager_mombasa", purpose="Wine")


def test_a_change_that_makes_no_sense_changes_nothing(session: Session) -> None:
    draft = raised(session)

    with pytest.raises(stating.LinesDoNotAddUp), session.begin_nested():
        change(session, draft, amount=Decimal("3.00"))

    session.expire_all()
    assert draft.amount == Decimal("1500.00")


# Changing after submit


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
    assert story(session, requisition)[-1] is TrailAction.CHANGED


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


def test_another_destination_after_approval_goes_to_the_last_approver(session: Session) -> None:
    requisition = approved(session, "20000.00")

    change(session, requisition, destination="0711111111")

    assert [role for role, *_ in chain(session, requisition)] == ["group_finance_manager"]
    assert requisition.status is R.PENDING_FINANCE_REVIEW
    assert requisition.approved_amount is None
    approve(session, requisition, waiting_for(session, requisition))
    assert requisition.status is R.PENDING_TREASURY_VALIDATION
    assert requisition.approved_amount == Decimal("20000.00")


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


def test_the_whole_chain_decides_where_the_last_approver_may_not_any_more(
    session: Session,
) -> None:
    requisition = approved(session, "20000.00")
    latest = rounds.latest(session, requisition.id)
    assert latest is not None
    (last,) = rounds.assignees_of(session, latest.id)[rounds.steps_of(session, latest.id)[-1].id]
    session.execute(
        text("UPDATE role_assignments SET valid_until = now() WHERE user_id = :id"), {"id": last}
    )

    change(session, requisition, destination="0711111111")

    names = [name for _, name, _ in chain(session, requisition)]
    assert len(names) == 3
    assert last not in [user_id(session, name) for name in names]


def test_metadata_changes_no_approved_fact(session: Session) -> None:
    requisition = submitted(session)
    before = digest(session, requisition.id)

    change(session, requisition, metadata={"a": "b"}, external_reference="PO-9")

    assert digest(session, requisition.id) == before
    assert story(session, requisition) == [TrailAction.SUBMITTED]


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
    sorted(set(R) - IN_APPROVAL - raising.BEFORE_SUBMIT - {R.PENDING_TREASURY_VALIDATION}),
)
def test_what_is_paid_or_over_is_not_changed(session: Session, status: R) -> None:
    requisition = raised(session)
    requisition.status = status

    with pytest.raises(IllegalRequisitionState):
        change(session, requisition, purpose="Wine")


# Submitting, recalling, cancelling


def test_submitting_twice_is_refused(session: Session) -> None:
    requisition = submitted(session)

    with pytest.raises(IllegalRequisitionState):
        requisitions.submit(
            session,
            requisition_id=requisition.id,
            actor=acting(session, "staff"),
            now=session.info["now"],
        )


def test_recalling_makes_it_a_draft_whose_next_round_is_new(session: Session) -> None:
    requisition = submitted(session, "20000.00")
    approve(session, requisition, "branch_manager")
    staff, now = acting(session, "staff"), session.info["now"]

    requisitions.recall(session, requisition_id=requisition.id, actor=staff, now=now)
    assert requisition.status is R.DRAFT
    requisitions.submit(session, requisition_id=requisition.id, actor=staff, now=now)

    latest = rounds.latest(session, requisition.id)
    assert latest is not None
    assert latest.number == 2
    assert waiting_for(session, requisition) == "branch_manager"
    assert story(session, requisition) == [
        TrailAction.SUBMITTED,
        TrailAction.APPROVED,
        TrailAction.RECALLED,
        TrailAction.SUBMITTED,
    ]


def test_what_waits_for_nobody_is_not_recalled(session: Session) -> None:
    for requisition in (raised(session), approved(session)):
        with pytest.raises(IllegalRequisitionState):
            requisitions.recall(
                session,
                requisition_id=requisition.id,
                actor=acting(session, "staff"),
                now=session.info["now"],
            )


@pytest.mark.parametrize("stage", [raised, submitted, approved])
def test_cancelling_ends_it(session: Session, stage: Callable[..., Requisition]) -> None:
    requisition = stage(session)

    requisitions.cancel(
        session,
        requisition_id=requisition.id,
        comment="Not needed",
        actor=acting(session, "staff"),
        now=session.info["now"],
    )

    assert requisition.status is R.CANCELLED
    assert requisition.approved_amount is None
    assert story(session, requisition)[-1] is TrailAction.CANCELLED
    with pytest.raises(IllegalRequisitionState):
        requisitions.submit(
            session,
            requisition_id=requisition.id,
            actor=acting(session, "staff"),
            now=session.info["now"],
        )


# Treasury's hold and return


def test_a_hold_is_placed_once_and_lifted_once(session: Session) -> None:
    requisition = approved(session)
    treasury, now = acting(session, "treasury"), session.info["now"]
    at = {"requisition_id": requisition.id, "actor": treasury, "now": now}

    requisitions.hold(session, comment="Receipt unreadable", **at)
    with pytest.raises(lifecycle.HoldUnchanged):
        requisitions.hold(session, comment="Again", **at)
    requisitions.lift_hold(session, comment="Seen", **at)
    with pytest.raises(lifecycle.HoldUnchanged):
        requisitions.lift_hold(session, comment="Again", **at)

    assert requisition.held_at is None
    assert story(session, requisition)[-2:] == [
        TrailAction.HELD,
        TrailAction.RELEASED_FROM_HOLD,
    ]


def test_returning_sends_it_back_through_approval(session: Session) -> None:
    requisition = approved(session)
    now = session.info["now"]

    requisitions.return_to_requester(
        session,
        requisition_id=requisition.id,
        comment="Which branch?",
        actor=acting(session, "treasury"),
        now=now,
    )

    assert requisition.status is R.CHANGES_REQUESTED
    assert requisition.approved_amount is None
    change(session, requisition, purpose="Water, Westlands")
    requisitions.submit(
        session, requisition_id=requisition.id, actor=acting(session, "staff"), now=now
    )
    assert waiting_for(session, requisition) == "branch_manager"


@pytest.mark.parametrize("verb", ["hold", "lift_hold", "return_to_requester", "close_short"])
def test_treasury_says_why_and_is_no_party(session: Session, verb: str) -> None:
    own = approved(session, by="treasury")
    act: Any = getattr(requisitions, verb)
    treasury = acting(session, "treasury")
    more = {"now": session.info["now"]}

    with pytest.raises(lifecycle.PartyToIt):
        act(session, requisition_id=own.id, comment="Mine", actor=treasury, **more)

    others = approved(session)
    if verb == "close_short":
        with pytest.raises(IllegalRequisitionState):
            act(session, requisition_id=others.id, comment="Why", actor=treasury, **more)
        return
    if verb == "lift_hold":
        others.held_at = session.info["now"]
    with pytest.raises(texts.InvalidText):
        act(session, requisition_id=others.id, comment="  ", actor=treasury, **more)


# The state machine


@pytest.mark.parametrize(("start", "end"), list(product(R, repeat=2)))
def test_every_pair_of_states_is_either_allowed_or_refused(start: R, end: R) -> None:
    requisition = Requisition(status=start, version=1)
    at = datetime(2026, 1, 1, tzinfo=UTC)

    if end in TRANSITIONS[start]:
        requisition.move_to(end, at=at)
        assert (requisition.status, requisition.version) == (end, 2)
    else:
        with pytest.raises(IllegalRequisitionState):
            requisition.move_to(end, at=at)


def test_every_state_has_a_row_and_final_states_lead_nowhere() -> None:
    assert set(TRANSITIONS) == set(R)
    assert TRANSITIONS[R.REJECTED] == TRANSITIONS[R.CANCELLED] == frozenset()


def test_stated_round_trips(session: Session) -> None:
    draft = raised(session, metadata={"k": "v"}, external_reference="E1")

    said = stating.stated(draft, rounds.lines_of(session, draft.id))

    assert said == stated(
        metadata={"k": "v"},
        external_reference="E1",
        destination=NORMALISED_PHONE,
        branch_id=draft.branch_id,
        region_id=draft.region_id,
        department_id=draft.department_id,
        cost_center_id=draft.cost_center_id,
    )
