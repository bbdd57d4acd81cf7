"""What payments do to their requisition, and the review afterwards."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.approvals import ApprovalTrail, TrailAction
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.requisitions import (
    IllegalRequisitionState,
    Requisition,
    RequisitionStatus,
)
from pettycash.services import requisitions
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import treasury_validation
from pettycash.services.payments.creation import PaymentPart
from pettycash.services.requisitions import lifecycle
from tests import books
from tests.factories import payments as making
from tests.factories.people import acting
from tests.factories.requisitions import approved, digest

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


def settle(session: Session, payment: Payment, status: P, *, proven: str | None = None) -> None:
    """Walk a payment to a state as its own services would, and let the requisition follow."""
    now = session.info["now"]
    if status in (P.SUCCESS, P.FAILED):
        tried = books.attempt(session, payment, by="treasury_2")
        payment.move_to(P.EXECUTING, at=now)
        session.flush()
    if status is P.SUCCESS:
        books.prove(session, tried, amount=proven)
    else:
        payment.move_to(status, at=now)
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
        Uow.of(session, acting(session, by)),
        requisition_id=requisition.id,
        comment="The rest is not needed",
    )


def cancel(session: Session, requisition: Requisition, by: str = "staff", **more: Any) -> None:
    requisitions.cancel(Uow.of(session, acting(session, by)), requisition_id=requisition.id, **more)


def review(session: Session, requisition: Requisition, by: str = "fpa") -> None:
    requisitions.review(Uow.of(session, acting(session, by)), requisition_id=requisition.id)


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

    books.prove(session, making.attempt_of(session, payment))
    requisitions.payment_progress(session, requisition_id=requisition.id, now=session.info["now"])

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

    books.prove(session, making.attempt_of(session, second))
    requisitions.payment_progress(session, requisition_id=requisition.id, now=session.info["now"])

    assert requisition.status is R.PAID


# Review


def test_a_review_is_for_what_is_paid_and_by_somebody_independent(session: Session) -> None:
    requisition = approved(session)
    with pytest.raises(IllegalRequisitionState):
        review(session, requisition)
    (payment,) = validate(session, requisition)
    settle(session, payment, P.SUCCESS)

    for party in ("staff", "branch_manager", "treasury", "treasury_2"):
        with pytest.raises(lifecycle.NotIndependent):
            review(session, requisition, by=party)
    review(session, requisition)

    assert requisition.status is R.REVIEWED
