"""Validation: payments of what was approved, a maker who is not the payer, and progress."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.releases import PaymentExecution
from pettycash.models.requisitions import (
    IllegalRequisitionState,
    Requisition,
    RequisitionStatus,
)
from pettycash.models.workflow import ApprovalTrail, TrailAction
from pettycash.rails import Method
from pettycash.services import (
    approvals,
    company_settings,
    requisitions,
    treasury_validation,
    visibility,
)
from pettycash.services.payments import rules
from pettycash.services.payments.creation import Part
from pettycash.services.requisitions import lifecycle
from tests.factories.people import acting, user_id
from tests.factories.requisitions import approved, digest, submitted

R = RequisitionStatus
P = PaymentStatus
D = Decimal


def validate(
    session: Session, requisition: Requisition, by: str = "treasury", **more: Any
) -> list[Payment]:
    facts: dict[str, Any] = {
        "requisition_id": requisition.id,
        "actor": acting(session, by),
        "now": session.info["now"],
    } | more
    if "digest" not in facts:
        facts["digest"] = digest(session, requisition.id)
    return treasury_validation.validate(session, **facts)[1]


def parts(*amounts: str, **more: Any) -> list[Part]:
    return [Part(amount=D(amount), **more) for amount in amounts]


def small_team(session: Session) -> None:
    company_settings.update(
        session,
        values={"small_team": True},
        expected_version=company_settings.current(session).version,
        changed_by=None,
    )


def end_roles(session: Session, *names: str) -> None:
    session.execute(
        text("UPDATE role_assignments SET valid_until = now() WHERE user_id = ANY(:ids)"),
        {"ids": [user_id(session, name) for name in names]},
    )


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
    requisition = approved(session, "1500.50")

    with pytest.raises(rules.RailRefuses):
        validate(session, requisition)


@pytest.mark.parametrize("by", ["treasury_2", "treasury"])
def test_a_small_team_leaves_the_maker_to_be_the_requester(session: Session, by: str) -> None:
    small_team(session)
    (payment,) = validate(session, approved(session), by=by)

    assert payment.maker_id is None


@pytest.mark.parametrize(
    "changed",
    [
        parts("1000.00", "500.00"),
        parts("1500.00", destination="0711111111"),
        parts("1500.00", method=Method.CASH),
    ],
    ids=["split", "redirected", "another method"],
)
def test_who_reshapes_is_maker_in_a_small_team_too(session: Session, changed: list[Part]) -> None:
    small_team(session)

    made = validate(session, approved(session), parts=changed)

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
    requisitions.hold(
        session,
        requisition_id=requisition.id,
        comment="Wait",
        actor=acting(session, "treasury"),
        now=session.info["now"],
    )

    with pytest.raises(treasury_validation.OnHold):
        validate(session, requisition)


def test_a_stale_digest_is_refused(session: Session) -> None:
    requisition = approved(session)
    with pytest.raises(approvals.StaleDigest):
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


# What payments do to their requisition


def settle(session: Session, payment: Payment, status: P, *, proven: str | None = None) -> None:
    """Walk a payment to a state as its own services would, and let the requisition follow."""
    now = session.info["now"]
    path = {
        P.SUCCESS: [P.EXECUTING, P.SUCCESS],
        P.FAILED: [P.EXECUTING, P.FAILED],
        P.REVERSED: [P.REVERSED],
        P.CANCELLED: [P.CANCELLED],
    }[status]
    for step in path:
        payment.move_to(step, at=now)
        payment.paid_at = now if step in (P.SUCCESS, P.REVERSED) else None
        payment.paid_amount = D(proven) if proven else payment.paid_amount
        session.flush()
    requisitions.payment_progress(session, requisition_id=payment.requisition_id, now=now)


def test_it_is_paid_once_every_part_is(session: Session) -> None:
    requisition = approved(session)
    first, second = validate(session, requisition, parts=parts("1000.00", "500.00"))

    settle(session, first, P.SUCCESS)
    assert requisition.status is R.IN_PAYMENT
    settle(session, second, P.SUCCESS)

    assert requisition.status is R.PAID
    assert requisition.paid_at == session.info["now"]


def test_a_reversal_opens_it_again_even_after_the_review(session: Session) -> None:
    for reviewed in (False, True):
        requisition = approved(session)
        (payment,) = validate(session, requisition)
        settle(session, payment, P.SUCCESS)
        if reviewed:
            review(session, requisition)

        settle(session, payment, P.REVERSED)

        assert requisition.status is R.IN_PAYMENT
        assert requisition.paid_at is None


def test_less_than_instructed_is_not_paid(session: Session) -> None:
    requisition = approved(session)
    (payment,) = validate(session, requisition)

    settle(session, payment, P.SUCCESS, proven="1400.00")

    assert requisition.status is R.IN_PAYMENT


def close_short(session: Session, requisition: Requisition, by: str = "treasury") -> None:
    requisitions.close_short(
        session,
        requisition_id=requisition.id,
        comment="The rest is not needed",
        actor=acting(session, by),
        now=session.info["now"],
    )


def cancel(session: Session, requisition: Requisition, by: str = "staff", **more: Any) -> None:
    requisitions.cancel(
        session,
        requisition_id=requisition.id,
        actor=acting(session, by),
        now=session.info["now"],
        **more,
    )


def review(session: Session, requisition: Requisition, by: str = "fpa") -> None:
    requisitions.review(
        session,
        requisition_id=requisition.id,
        actor=acting(session, by),
        now=session.info["now"],
    )


def test_the_remainder_is_released_once_nothing_is_under_way(session: Session) -> None:
    requisition = approved(session)
    first, second = validate(session, requisition, parts=parts("1000.00", "500.00"))
    settle(session, first, P.SUCCESS)
    with pytest.raises(lifecycle.PaymentsUnderWay, match=second.number):
        close_short(session, requisition)
    settle(session, second, P.CANCELLED)

    close_short(session, requisition)

    assert requisition.status is R.CLOSED_SHORT
    requisitions.payment_progress(session, requisition_id=requisition.id, now=session.info["now"])
    assert requisition.status is R.CLOSED_SHORT
    review(session, requisition)
    requisitions.payment_progress(session, requisition_id=requisition.id, now=session.info["now"])
    assert requisition.status is R.REVIEWED


def test_a_failure_that_is_not_confirmed_is_under_way(session: Session) -> None:
    requisition = approved(session)
    first, second = validate(session, requisition, parts=parts("1000.00", "500.00"))
    settle(session, first, P.SUCCESS)
    settle(session, second, P.FAILED)
    second.failure_confirmed = False
    session.flush()

    with pytest.raises(lifecycle.PaymentsUnderWay):
        close_short(session, requisition)


def test_what_was_not_paid_at_all_is_cancelled_instead(session: Session) -> None:
    requisition = approved(session)
    (payment,) = validate(session, requisition)
    with pytest.raises(lifecycle.PaymentsUnderWay):
        cancel(session, requisition)
    settle(session, payment, P.CANCELLED)
    with pytest.raises(lifecycle.NothingPaid):
        close_short(session, requisition)

    cancel(session, requisition, by="treasury", comment="Nobody collects it")

    assert requisition.status is R.CANCELLED


def test_what_was_partly_paid_is_not_cancelled(session: Session) -> None:
    requisition = approved(session)
    first, second = validate(session, requisition, parts=parts("1000.00", "500.00"))
    settle(session, first, P.SUCCESS)
    settle(session, second, P.CANCELLED)

    with pytest.raises(lifecycle.MoneyHasMoved):
        cancel(session, requisition)


def test_a_proof_after_cancelling_is_recorded_and_refused_nowhere(session: Session) -> None:
    requisition = approved(session)
    (payment,) = validate(session, requisition)
    settle(session, payment, P.FAILED)
    cancel(session, requisition)

    now = session.info["now"]
    payment.move_to(P.SUCCESS, at=now)
    payment.paid_at = now
    requisitions.payment_progress(session, requisition_id=requisition.id, now=now)

    assert requisition.status is R.CANCELLED
    session.flush()
    told = session.execute(
        select(ApprovalTrail).order_by(ApprovalTrail.id.desc()).limit(1)
    ).scalar_one()
    assert told.action is TrailAction.PAID
    assert told.user_id is None


def test_a_late_proof_fills_what_was_closed_short(session: Session) -> None:
    requisition = approved(session)
    first, second = validate(session, requisition, parts=parts("1000.00", "500.00"))
    settle(session, first, P.SUCCESS)
    settle(session, second, P.FAILED)
    close_short(session, requisition)

    now = session.info["now"]
    second.move_to(P.SUCCESS, at=now)
    second.paid_at = now
    requisitions.payment_progress(session, requisition_id=requisition.id, now=now)

    assert requisition.status is R.PAID


# Review


def test_a_review_is_for_what_is_paid_and_by_somebody_independent(session: Session) -> None:
    requisition = approved(session)
    with pytest.raises(IllegalRequisitionState):
        review(session, requisition)
    (payment,) = validate(session, requisition)
    settle(session, payment, P.SUCCESS)
    session.add(
        PaymentExecution(
            company_id=payment.company_id,
            payment_id=payment.id,
            requisition_id=requisition.id,
            attempt_number=1,
            originator_reference="r",
            executor_id=user_id(session, "treasury_2"),
            amount=payment.amount,
            currency=payment.currency,
            proof="policy",
        )
    )
    session.flush()

    for party in ("staff", "branch_manager", "treasury", "treasury_2"):
        with pytest.raises(lifecycle.NotIndependent):
            review(session, requisition, by=party)
    review(session, requisition)

    assert requisition.status is R.REVIEWED
