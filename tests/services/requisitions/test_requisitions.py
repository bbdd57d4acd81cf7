"""Raising requisitions: what is taken, what is refused, and for whom."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.gateways.registry import RailNotServed
from pettycash.models.access import Branch, Department, Region
from pettycash.models.approvals import Origin
from pettycash.models.imprest import ProviderAccount
from pettycash.models.ledger import AccountKind, LedgerAccount
from pettycash.models.requisitions import (
    IN_APPROVAL,
    TRANSITIONS,
    IllegalRequisitionState,
    Requisition,
    RequisitionKind,
    RequisitionStatus,
)
from pettycash.runtime import db, money
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services import requisitions
from pettycash.services.foundation import destinations, rail_limits, text_validation
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import accounts
from pettycash.services.requisitions import approved_facts, creation, reading, validation
from tests.factories.people import acting
from tests.factories.policies import switch
from tests.factories.requisitions import (
    NORMALISED_PHONE,
    a_draft,
    brought_to,
    change,
    line,
    raised,
)

R = RequisitionStatus


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
    assert [each.amount for each in approved_facts.lines_of(session, draft.id)] == [
        Decimal("1500.00")
    ]


def test_numbers_rise(session: Session) -> None:
    first, second = raised(session), raised(session)

    assert int(second.number[-6:]) == int(first.number[-6:]) + 1


def test_field_and_hq_take_their_place_from_the_membership(session: Session) -> None:
    field = raised(session, origin=Origin.FIELD, origin_reason="A visit.")
    hq = raised(session, by="staff_hq")

    assert (field.branch_id, field.region_id) == (None, acting(session, "staff").region_id)
    assert hq.branch_id == acting(session, "staff_hq").branch_id


FIELD: dict[str, Any] = {"origin": Origin.FIELD, "origin_reason": "A visit."}

REFUSED: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"amount": Decimal("0")}, validation.InvalidRequisition),
    ({"amount": Decimal("-5")}, validation.InvalidRequisition),
    ({"amount": Decimal("NaN")}, validation.InvalidRequisition),
    ({"amount": Decimal("1e17")}, validation.InvalidRequisition),
    ({"amount": Decimal("10.001")}, money.InvalidAmount),
    ({"lines": []}, validation.InvalidRequisition),
    ({"lines": [line("1.00")] * 101}, validation.InvalidRequisition),
    ({"lines": [line("1499.99")]}, validation.LinesDoNotAddUp),
    ({"lines": [line("1500.00"), line("0.01")]}, validation.LinesDoNotAddUp),
    ({"lines": [line("1500.00", category="Tra vel!")]}, validation.InvalidRequisition),
    ({"lines": [line("1500.00", category="fun")]}, validation.UnknownCategory),
    ({"lines": [line("1500.00", description=" ")]}, text_validation.InvalidText),
    ({"lines": [line("1500.00", cost_center_id=uuid4())]}, validation.InvalidRequisition),
    ({"purpose": "  "}, text_validation.InvalidText),
    ({"purpose": "x" * 1001}, text_validation.InvalidText),
    ({"purpose": "nul \x00"}, text_validation.InvalidText),
    ({"purpose": "half \ud800"}, text_validation.InvalidText),
    ({"payee_name": ""}, text_validation.InvalidText),
    ({"payee_name": "Spring\nAmount: KES 5.00"}, text_validation.InvalidText),
    ({"payee_name": "Spring\x85Water"}, text_validation.InvalidText),
    ({"payee_name": "Spring\u202eretaW"}, text_validation.InvalidText),
    ({"payee_name": "Spring\u200bWater"}, text_validation.InvalidText),
    ({"kind": RequisitionKind.ADVANCE}, validation.AdvancesOff),
    ({"amount": Decimal("1500.50")}, rail_limits.RailRefuses),
    ({"amount": Decimal("9.00")}, rail_limits.RailRefuses),
    ({"amount": Decimal("12500001.00")}, rail_limits.RailRefuses),
    ({"amount": Decimal("5001.00"), "method": Method.CASH}, rail_limits.AboveCashLimit),
    ({"payee_user_id": uuid4()}, validation.InvalidRequisition),
    ({"is_urgent": True}, validation.InvalidRequisition),
    ({"urgency_reason": "Now!"}, validation.InvalidRequisition),
    ({"external_reference": "x" * 101}, text_validation.InvalidText),
    ({"metadata": {"a": "x" * 5000}}, text_validation.InvalidText),
    ({"metadata": {"a": "\x00"}}, text_validation.InvalidText),
    ({"destination": "12345"}, destinations.InvalidDestination),
    ({"destination": "somebody@example.com"}, destinations.InvalidDestination),
    ({"destination": ""}, text_validation.InvalidText),
    ({"method": Method.CARD}, destinations.MethodNotAvailable),
    ({"method": Method.WALLET}, destinations.MethodNotAvailable),
    ({"method": Method.BANK_TRANSFER}, RailNotServed),
    ({"method": Method.CASH, "destination": "not a person"}, destinations.InvalidDestination),
    ({"method": Method.CASH, "destination": "+999123"}, destinations.InvalidDestination),
    ({"method": Method.CASH, "destination": "a@b"}, destinations.InvalidDestination),
    ({"currency": Currency.UGX}, destinations.MethodNotAvailable),
    ({"branch_id": uuid4()}, validation.InvalidRequisition),
    ({"department_id": uuid4()}, validation.InvalidRequisition),
    ({"cost_center_id": uuid4()}, validation.InvalidRequisition),
    (FIELD | {"region_id": uuid4()}, validation.InvalidRequisition),
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
        FIELD | {"region_id": unit(session, Region, "COAST")},
    ):
        with pytest.raises(validation.OutsideYourUnits):
            raised(session, **wrong)


def test_a_branch_settles_the_region_and_contradictions_are_refused(session: Session) -> None:
    coast = unit(session, Region, "COAST")

    with pytest.raises(validation.InvalidRequisition) as refusal:
        raised(session, region_id=coast)

    assert set(refusal.value.errors) == {"region_id"}


def test_company_wide_roles_raise_for_every_branch(session: Session) -> None:
    mombasa = unit(session, Branch, "MOMBASA")

    draft = raised(session, by="treasury", branch_id=mombasa)

    assert draft.branch_id == mombasa
    assert draft.region_id == unit(session, Region, "COAST")


def test_a_closed_unit_takes_no_requisitions(session: Session) -> None:
    session.get_one(Branch, unit(session, Branch, "WESTLANDS")).is_active = False

    with pytest.raises(validation.InvalidRequisition):
        raised(session)


def test_the_database_adds_up_the_lines_too(session: Session) -> None:
    draft = raised(session)
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))

    # The deferred trigger fires with the statement now, not at the end.
    with pytest.raises(DBAPIError) as refusal, session.begin_nested():
        session.execute(text("UPDATE requisitions SET amount = 1 WHERE id = :id"), {"id": draft.id})

    assert db.sqlstate(refusal.value) == "PC006"


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


def test_a_draft_round_trips(session: Session) -> None:
    draft = raised(session, metadata={"k": "v"}, external_reference="E1")

    said = validation.draft_of(draft, approved_facts.lines_of(session, draft.id))

    assert said == a_draft(
        origin=Origin.BRANCH,
        metadata={"k": "v"},
        external_reference="E1",
        destination=NORMALISED_PHONE,
        branch_id=draft.branch_id,
        region_id=draft.region_id,
        department_id=draft.department_id,
        cost_center_id=draft.cost_center_id,
    )


# What could never be paid is said before anybody approves it


def test_an_amount_above_what_travels_at_a_time_says_how_many_payments_it_takes(
    session: Session,
) -> None:
    amounts = {"250000.00": 1, "250001.00": 2, "300000.00": 2, "5000000.00": 20}

    for amount, needed in amounts.items():
        found, _ = reading.detail(
            Uow.of(session, acting(session, "staff")), raised(session, amount)
        )
        assert found["payments_needed"] == needed, amount


def test_the_limits_of_the_account_that_would_pay_are_said_too(session: Session) -> None:
    session.execute(
        update(ProviderAccount).values(amount_min=Decimal(100), amount_max=Decimal(1000))
    )

    for amount in ("99.00", "1001.00"):
        with pytest.raises(rail_limits.RailRefuses) as refusal:
            raised(session, amount)
        assert "The account pays" in refusal.value.detail
    assert raised(session, "1000.00").amount == 1000


def submit(session: Session, requisition: Requisition) -> Requisition:
    return requisitions.submit(
        Uow.of(session, acting(session, "staff")), requisition_id=requisition.id
    )


def test_what_has_become_impossible_since_is_said_at_submit(session: Session) -> None:
    requisition = raised(session)

    session.execute(update(ProviderAccount).values(amount_min=1, amount_max=Decimal(1000)))
    with pytest.raises(rail_limits.RailRefuses):
        submit(session, requisition)

    session.execute(update(ProviderAccount).values(amount_min=None, amount_max=None))
    session.execute(
        update(LedgerAccount).where(LedgerAccount.category == "utilities").values(is_active=False)
    )
    with pytest.raises(validation.UnknownCategory):
        submit(session, requisition)

    session.execute(
        update(LedgerAccount).where(LedgerAccount.category == "utilities").values(is_active=True)
    )
    session.expire_all()
    assert submit(session, requisition).status in IN_APPROVAL


def test_advances_are_taken_once_the_company_takes_them(session: Session) -> None:
    switch(session, advances=True)
    advance = raised(session, kind=RequisitionKind.ADVANCE)

    switch(session, advances=False)
    with pytest.raises(validation.AdvancesOff):
        submit(session, advance)


def test_a_category_that_was_opened_is_taken_in_any_currency(session: Session) -> None:
    accounts.create(
        session,
        kind=AccountKind.EXPENSE,
        category="rent",
        code="5000.rent",
        name="Rent",
        currency=Currency.UGX,
    )

    assert raised(session, lines=[line("1500.00", category=" Rent ")]).amount == 1500


# References


def test_a_reference_is_free_again_once_its_requisition_ended(session: Session) -> None:
    for status in (R.REJECTED, R.CANCELLED):
        brought_to(session, raised(session, external_reference="PO-1"), status)

    standing = raised(session, external_reference="PO-1")
    with pytest.raises(creation.RequisitionReferenceTaken) as refusal, session.begin_nested():
        raised(session, external_reference="PO-1")

    assert standing.number in refusal.value.detail
    assert standing.number in refusal.value.errors["external_reference"][0]
    other = raised(session, external_reference="PO-2")
    with pytest.raises(creation.RequisitionReferenceTaken, match=standing.number):
        change(session, other, external_reference="PO-1")
    session.expire_all()


def test_references_of_two_people_are_apart(session: Session) -> None:
    first = raised(session, external_reference="PO-1")
    second = raised(session, by="staff_2", external_reference="PO-1")

    assert first.external_reference == second.external_reference
    assert first.requester_id != second.requester_id
