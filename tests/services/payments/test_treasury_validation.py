"""Validation: payments of what was approved, a maker who is not the payer, and progress."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash.models.approvals import ApprovalTrail, TrailAction
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.requisitions import (
    IllegalRequisitionState,
    Requisition,
    RequisitionStatus,
)
from pettycash.runtime.rails import Method
from pettycash.services import requisitions
from pettycash.services.approvals.deciding import StaleDigest
from pettycash.services.foundation import rail_limits, visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import treasury_validation
from pettycash.services.payments.creation import PaymentPart
from pettycash.services.requisitions import lifecycle
from tests.factories import companies
from tests.factories.people import acting, user_id
from tests.factories.requisitions import approved, digest, end_roles, submitted

R = RequisitionStatus
P = PaymentStatus
D = Decimal


def validate(
    session: Session, requisition: Requisition, by: str = "treasury", **more: Any
) -> list[Payment]:
    facts: dict[str, Any] = {"requisition_id": requisition.id} | more
    if "digest" not in facts:
        facts["digest"] = digest(session, requisition.id)
    return treasury_validation.validate(Uow.of(session, acting(session, by)), **facts)[1]


def parts(*amounts: str, **more: Any) -> list[PaymentPart]:
    return [PaymentPart(amount=D(amount), **more) for amount in amounts]


def small_team(session: Session) -> None:
    companies.agree(session, small_team=True)


def test_one_payment_for_the_whole_amount_made_by_who_validated(session: Session) -> None:
    requisition = approved(session)

    (payment,) = validate(session, requisition)

    assert payment.amount == D("1500.00")
    assert payment.status is P.PENDING
    assert payment.maker_id == user_id(session, "treasury")
    assert (payment.method, payment.destination) == (Method.MPESA, requisition.destination)
    assert requisition.status is R.IN_PAYMENT
    assert requisition.validated_by == user_id(session, "treasury")
    session.flush()
    told = session.execute(
        select(ApprovalTrail).order_by(ApprovalTrail.id.desc()).limit(1)
    ).scalar_one()
    assert told.action is TrailAction.VALIDATED


def test_parts_become_payments_in_their_order(session: Session) -> None:
    made = validate(session, approved(session), parts=parts("1000.00", "500.00"))

    assert [(each.ordinal, each.amount) for each in made] == [(1, D("1000.00")), (2, D("500.00"))]


@pytest.mark.parametrize(
    "amounts", [[], ["1499.99"], ["1500.01"], ["1000.00", "501.00"], ["1.00"] * 51]
)
def test_parts_add_up_to_what_was_approved(session: Session, amounts: list[str]) -> None:
    requisition = approved(session)

    with pytest.raises(treasury_validation.InvalidParts), session.begin_nested():
        validate(session, requisition, parts=parts(*amounts))

    session.expire_all()
    assert requisition.status is R.PENDING_TREASURY_VALIDATION


def test_a_rails_own_rule_is_checked_when_the_payment_is_made(session: Session) -> None:
    """M-Pesa moves whole shillings."""
    requisition = approved(session, "1500.00")

    with pytest.raises(rail_limits.RailRefuses):
        validate(session, requisition, parts=parts("1000.50", "499.50"))


def test_what_the_rail_does_not_carry_at_a_time_is_paid_in_parts(session: Session) -> None:
    requisition = approved(session, "300000.00")

    with pytest.raises(rail_limits.RailRefuses), session.begin_nested():
        validate(session, requisition)
    session.expire_all()
    made = validate(session, requisition, parts=parts("250000.00", "50000.00"))

    assert [payment.amount for payment in made] == [250000, 50000]


@pytest.mark.parametrize("by", ["treasury_2", "treasury"])
def test_a_small_team_leaves_the_maker_to_be_the_requester(session: Session, by: str) -> None:
    small_team(session)
    (payment,) = validate(session, approved(session), by=by)

    assert payment.maker_id is None


def test_who_splits_is_maker_in_a_small_team_too(session: Session) -> None:
    small_team(session)

    made = validate(session, approved(session), parts=parts("1000.00", "500.00"))

    assert {each.maker_id for each in made} == {user_id(session, "treasury")}


def test_nobody_left_names_who_is_missing(session: Session) -> None:
    """One treasury officer, and the cfo approved it: nobody could release what they made."""
    end_roles(session, "treasury_2", "treasury_3")
    requisition = approved(session, "60000.00", payee_name="Builder")

    with pytest.raises(treasury_validation.NobodyLeft, match="treasury officer") as refusal:
        validate(session, requisition)

    assert "cfo" in refusal.value.detail


def test_the_cfo_is_left_where_the_cfo_did_not_approve(session: Session) -> None:
    end_roles(session, "treasury_2", "treasury_3")

    assert validate(session, approved(session))


def test_cash_needs_a_custodian_who_is_no_party(session: Session) -> None:
    cash = {"method": Method.CASH, "destination": "0712345678"}
    assert validate(session, approved(session, **cash))

    both = ["custodian", "custodian_2"]
    for name in both:
        session.execute(
            text("UPDATE memberships SET is_active = false WHERE user_id = :id"),
            {"id": user_id(session, name)},
        )
    with pytest.raises(treasury_validation.NobodyLeft, match="custodian"):
        validate(session, approved(session, **cash))


def test_what_is_on_hold_is_not_validated(session: Session) -> None:
    requisition = approved(session)
    requisitions.put_on_hold(
        Uow.of(session, acting(session, "treasury")), requisition_id=requisition.id, comment="Wait"
    )

    with pytest.raises(treasury_validation.OnHold):
        validate(session, requisition)


def test_a_stale_digest_is_refused(session: Session) -> None:
    requisition = approved(session)
    with pytest.raises(StaleDigest):
        validate(session, requisition, digest="0" * 64)


def test_only_what_waits_for_treasury_is_validated_and_once(session: Session) -> None:
    with pytest.raises(IllegalRequisitionState):
        validate(session, submitted(session))
    requisition = approved(session)
    validate(session, requisition)
    with pytest.raises(IllegalRequisitionState):
        validate(session, requisition)


def test_a_party_does_not_validate(session: Session) -> None:
    own = approved(session, by="treasury")
    with pytest.raises(lifecycle.PartyToIt):
        validate(session, own)
    validate(session, own, by="treasury_2")


def test_beyond_scope_there_is_nothing_to_validate(session: Session) -> None:
    requisition = approved(session)
    with pytest.raises(visibility.RequisitionNotFound):
        validate(session, requisition, by="staff_2")
