"""Offers agree with the verbs: what is offered is done, what is refused is refused alike."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy.orm import Session

from pettycash.models.imprest import Replenishment, VarianceAdjustment, VarianceKind
from pettycash.models.operations import PauseScope
from pettycash.models.payments import Payment
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime import errors
from pettycash.services import payments, reconciliation, requisitions
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import replenishments, variances
from pettycash.services.operations import changes, pauses
from pettycash.services.payments import adoption, redirects, treasury_validation
from pettycash.services.reports import offers
from pettycash.services.reports.offers import Offer
from pettycash.services.requisitions import deciding
from tests import books, replenishing
from tests.factories import payments as making
from tests.factories.people import acting
from tests.factories.requisitions import approved, digest, raised, submitted

WHO = (
    "staff",
    "staff_2",
    "branch_manager",
    "regional_manager",
    "department_head",
    "group_finance_manager",
    "treasury",
    "treasury_2",
    "custodian",
    "cfo",
    "fpa",
    "ceo",
    "operator",
    "auditor",
)

Verb = Callable[..., object]


def outcomes(session: Session, found: list[Offer], verbs: Mapping[str, Verb]) -> set[str]:
    """Try each offered verb and undo it; the names of those that were offered and done."""
    done = set()
    for offer in found:
        verb = verbs.get(offer.operation)
        if verb is None:
            continue
        savepoint = session.begin_nested()
        refusal = offers.refusal_of(verb)
        savepoint.rollback()
        session.expire_all()
        told = None if refusal is None else (refusal.code, refusal.detail)
        assert told == (None if offer.is_open else (offer.code, offer.detail)), offer.operation
        if offer.is_open:
            done.add(offer.operation)
    return done


def requisition_verbs(uow: Uow, found: Requisition) -> Mapping[str, Verb]:
    said = {"requisition_id": found.id}
    read = "" if found.submitted_at is None else digest(uow.session, found.id)
    commented = {**said, "comment": "So it is."}
    return {
        "requisitions.update": partial(
            requisitions.update, uow, changes={"purpose": "Another one"}, **said
        ),
        "requisitions.submit": partial(requisitions.submit, uow, **said),
        "requisitions.recall": partial(requisitions.recall, uow, **said),
        "requisitions.cancel": partial(requisitions.cancel, uow, **commented),
        "requisitions.adopt": partial(adoption.adopt, uow, **commented),
        "requisitions.approve": partial(deciding.approve, uow, digest=read, **said),
        "requisitions.reject": partial(deciding.reject, uow, digest=read, **commented),
        "requisitions.request_changes": partial(
            deciding.request_changes, uow, digest=read, **commented
        ),
        "requisitions.confirm_urgency": partial(
            deciding.confirm_urgency, uow, digest=read, urgency=deciding.Urgency.CONFIRMED, **said
        ),
        "requisitions.validate": partial(treasury_validation.validate, uow, digest=read, **said),
        "requisitions.redirect": partial(
            redirects.propose_for_requisition,
            uow,
            destination="0712345679",
            reason="A new phone",
            **said,
        ),
        "requisitions.return": partial(requisitions.return_to_requester, uow, **commented),
        "requisitions.hold": partial(requisitions.put_on_hold, uow, **commented),
        "requisitions.close_short": partial(requisitions.close_short, uow, **commented),
        "requisitions.review": partial(requisitions.review, uow, **said),
    }


def at_treasury(session: Session) -> Requisition:
    return approved(session)


def in_payment(session: Session) -> Requisition:
    return session.get_one(Requisition, making.pending(session).requisition_id)


def partly_paid(session: Session) -> Requisition:
    return session.get_one(Requisition, books.pay(session, "1500.00").requisition_id)


def paid(session: Session) -> Requisition:
    found = partly_paid(session)
    found.move_to(RequisitionStatus.PAID, at=session.info["now"])
    session.flush()
    return found


def urgent(session: Session) -> Requisition:
    return submitted(session, is_urgent=True, urgency_reason="The pipe burst")


@pytest.mark.parametrize(
    ("state", "somebody_may"),
    [
        (raised, {"requisitions.submit", "requisitions.update", "requisitions.cancel"}),
        (submitted, {"requisitions.approve", "requisitions.reject", "requisitions.recall"}),
        (urgent, {"requisitions.confirm_urgency"}),
        (at_treasury, {"requisitions.validate", "requisitions.hold", "requisitions.return"}),
        (in_payment, set()),
        (partly_paid, {"requisitions.close_short"}),
        (paid, {"requisitions.review"}),
    ],
)
def test_offers_of_a_requisition_are_what_its_verbs_say(
    session: Session, state: Callable[[Session], Requisition], somebody_may: set[str]
) -> None:
    found, now = state(session), session.info["now"]
    done: set[str] = set()
    for name in WHO:
        actor = acting(session, name)
        uow = Uow(session, actor, now)
        try:
            offered = offers.of_requisition(uow, requisition_id=found.id)
        except errors.NotFound:
            continue
        done |= outcomes(session, offered, requisition_verbs(uow, found))
    assert somebody_may <= done


def payment_verbs(uow: Uow, found: Payment) -> Mapping[str, Verb]:
    said = {"payment_id": found.id}

    def change() -> None:
        requisition, payment = payments.locked(uow.session, payment_id=found.id, actor=uow.actor)
        payments.change(
            uow, requisition=requisition, payment=payment, changes={"metadata": {"a": "b"}}
        )

    return {
        "payments.update": change,
        "payments.cancel": partial(payments.cancel, uow, **said),
        "payments.send_otp": partial(payments.send_code, uow, **said),
        "payments.execute": partial(payments.execute, uow, **said),
        "payments.unlock_release": partial(payments.unlock_release, uow, **said),
        "payments.requery": partial(
            payments.requery, uow.session, actor=uow.actor, now=uow.now, **said
        ),
        "payments.reconcile": partial(
            reconciliation.reconcile_by_hand, uow, payment_id=found.id, evidence={}
        ),
        "payments.record_variance": partial(
            variances.record,
            uow,
            kind=VarianceKind.FEE,
            adjusted_amount=(found.paid_amount or found.amount) + 50,
            reason="A fee of the statement",
            **said,
        ),
        "payments.redirect": partial(
            redirects.propose_for_payment,
            uow,
            destination="0712345679",
            reason="A new phone",
            **said,
        ),
    }


def verified(session: Session) -> Payment:
    payment = making.pending(session)
    making.verified(session, payment)
    return payment


def stopped(session: Session) -> Payment:
    payment = making.pending(session)
    pauses.pause(
        Uow.of(session, acting(session, "cfo")),
        scope=PauseScope.STORE,
        object_id=payment.store_id,
        reason="x",
    )
    session.flush()
    return payment


def settled(session: Session) -> Payment:
    return books.pay(session, "1500.00")


@pytest.mark.parametrize(
    ("state", "somebody_may"),
    [
        (making.pending, {"payments.send_otp", "payments.cancel", "payments.redirect"}),
        (verified, {"payments.execute"}),
        (stopped, {"payments.cancel"}),
        (making.executing, set()),
        (making.cash, {"payments.send_otp"}),
        (settled, {"payments.record_variance"}),
    ],
)
def test_offers_of_a_payment_are_what_its_verbs_say(
    session: Session, state: Callable[[Session], Payment], somebody_may: set[str]
) -> None:
    found, now = state(session), session.info["now"]
    done: set[str] = set()
    for name in WHO:
        actor = acting(session, name)
        uow = Uow(session, actor, now)
        try:
            offered = offers.of_payment(uow, payment_id=found.id)
        except errors.NotFound:
            continue
        done |= outcomes(session, offered, payment_verbs(uow, found))
    assert somebody_may <= done


def variance(session: Session) -> VarianceAdjustment:
    return variances.record(
        Uow.of(session, acting(session, "treasury")),
        payment_id=books.pay(session, "1500.00").id,
        kind=VarianceKind.FEE,
        adjusted_amount=Decimal("1550.00"),
        reason="A fee of the statement",
    )


def test_offers_of_a_variance_are_what_its_verbs_say(session: Session) -> None:
    found, now = variance(session), session.info["now"]
    done: set[str] = set()
    for name in WHO:
        uow = Uow(session, acting(session, name), now)
        said = {"variance_id": found.id}
        verbs = {
            "variances.approve": partial(variances.approve, uow, **said),
            "variances.reject": partial(variances.reject, uow, reason="No.", **said),
        }
        done |= outcomes(session, offers.of_variance(uow, **said), verbs)
    assert done == {"variances.approve", "variances.reject"}


def replenishment_verbs(uow: Uow, found: Replenishment, amount: Any) -> Mapping[str, Verb]:
    said = {"replenishment_id": found.id}
    return {
        "replenishments.approve": partial(replenishments.approve, uow, **said),
        "replenishments.reject": partial(replenishments.reject, uow, reason="No.", **said),
        "replenishments.cancel": partial(replenishments.cancel, uow, reason="No.", **said),
        "replenishments.send_otp": partial(replenishments.request_code, uow, **said),
        "replenishments.unlock_release": partial(replenishments.unlock, uow, **said),
        "replenishments.fund": partial(
            replenishments.fund, uow, bank_reference="FT-OFFERED-1", **said
        ),
        "replenishments.receive": partial(replenishments.receive, uow, amount=amount, **said),
    }


@pytest.mark.parametrize(
    ("state", "somebody_may"),
    [
        (replenishing.low, {"replenishments.approve", "replenishments.reject"}),
        (replenishing.approved, {"replenishments.send_otp", "replenishments.cancel"}),
        (replenishing.funded, {"replenishments.receive"}),
    ],
)
def test_offers_of_a_replenishment_are_what_its_verbs_say(
    session: Session, state: Callable[..., Replenishment], somebody_may: set[str]
) -> None:
    found, now = state(session, books.fund(session)), session.info["now"]
    done: set[str] = set()
    for name in WHO:
        actor = acting(session, name)
        uow = Uow(session, actor, now)
        try:
            offered = offers.of_replenishment(uow, replenishment_id=found.id)
        except errors.NotFound:
            continue
        amount = found.approved_amount or found.requested_amount
        done |= outcomes(session, offered, replenishment_verbs(uow, found, amount))
    assert somebody_may <= done


def test_offers_of_a_change_are_what_its_verbs_say(session: Session) -> None:
    now = session.info["now"]
    requisition = approved(session)
    change = redirects.propose_for_requisition(
        Uow(session, acting(session, "staff"), now),
        requisition_id=requisition.id,
        destination="0712345679",
        reason="A new phone",
    )
    assert change.digest is not None
    read, done = change.digest.hex(), set[str]()
    for name in WHO:
        actor = acting(session, name)
        uow = Uow(session, actor, now)
        said = {"change_id": change.id}
        try:
            offered = offers.of_change(uow, **said)
        except errors.NotFound:
            continue
        verbs = {
            "changes.confirm": partial(changes.confirm, uow, digest=read, **said),
            "changes.reject": partial(changes.reject, uow, digest=read, comment="No.", **said),
            "changes.withdraw": partial(changes.withdraw, uow, **said),
        }
        done |= outcomes(session, offered, verbs)
    assert done == {"changes.confirm", "changes.reject", "changes.withdraw"}


def test_what_a_role_does_not_reach_is_not_offered(session: Session) -> None:
    found = submitted(session)
    offered = offers.of_requisition(
        Uow.of(session, acting(session, "auditor")), requisition_id=found.id
    )
    assert offered == []
