"""A payment that had failed is proven paid after another one took its place."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from pettycash.gateways.base import Outcome
from pettycash.models.payments import AttemptState, Payment, PaymentAttempt, PaymentStatus
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime import db
from pettycash.services import payments
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import posting
from pettycash.services.payments import rules, treasury_validation
from pettycash.services.payments.creation import PaymentPart
from pettycash.services.payments.results import Source
from pettycash.services.reconciliation.invariants import check_books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.evidence import failed, proven
from tests.factories.people import acting, company_id
from tests.factories.requisitions import approved, digest
from tests.races import together
from tests.servers import Database

A = AttemptState


def replaced(session: Session) -> tuple[Payment, Payment]:
    """A payment that provably failed, and the one that was made and released instead."""
    first = failed(session)
    second = payments.create(
        Uow.of(session, acting(session, making.MAKER)),
        requisition_id=first.requisition_id,
        amount=None,
    )
    making.released(session, second)
    return first, second


def prove(session: Session, payment: Payment) -> None:
    making.said(session, payment, proven(session, payment), Source.QUERY)
    session.flush()


def test_what_has_not_left_yet_is_taken_back(session: Session) -> None:
    first, second = replaced(session)

    prove(session, first)
    attempt = making.attempt_of(session, second)
    claim = payments.claim(session, attempt_id=attempt.id, now=session.info["now"])

    assert claim is None
    assert (attempt.state, attempt.outcome_code) == (A.REJECTED, "local.withdrawn")
    assert (second.status, second.failure_confirmed) == (PaymentStatus.FAILED, True)
    assert making.open_holds(session, second) == Decimal(0)
    requisition = session.get_one(Requisition, first.requisition_id)
    assert requisition.status is RequisitionStatus.PAID
    assert check_books(session) == [], "what was taken back is on record too"


def test_what_may_have_left_is_not_sent_again(session: Session) -> None:
    first, second = replaced(session)
    making.answered(session, second, rails.LOST)
    attempt = making.attempt_of(session, second)
    making.set_attempt(session, attempt, state=A.QUEUED)

    prove(session, first)

    assert payments.claim(session, attempt_id=attempt.id, now=session.info["now"]) is None
    assert second.status is PaymentStatus.EXECUTING
    assert making.open_holds(session, second) == second.amount


@pytest.mark.parametrize(
    ("outcome", "state"), [(rails.ACCEPTED, A.ACCEPTED), (rails.LOST, A.UNKNOWN)]
)
def test_what_the_rail_says_of_the_other_one_is_recorded_all_the_same(
    session: Session, outcome: Outcome, state: AttemptState
) -> None:
    first, second = replaced(session)
    claim = making.sending(session, second)
    prove(session, first)

    payments.record_outcome(session, claim=claim, outcome=outcome, now=session.info["now"])
    session.flush()

    assert making.attempt_of(session, second).state is state
    assert second.gateway_status == state.value


def test_more_than_instructed_leaves_less_for_the_other_parts(session: Session) -> None:
    requisition = approved(session)
    _, (first, second) = treasury_validation.validate(
        Uow.of(session, acting(session, making.MAKER)),
        requisition_id=requisition.id,
        digest=digest(session, requisition.id),
        parts=[PaymentPart(amount=Decimal(500)), PaymentPart(amount=Decimal(1000))],
    )
    making.released(session, first)
    more = proven(session, first, amount=Decimal("700.00"))
    making.answered(session, first, more)

    making.verified(session, second)
    with pytest.raises(rules.ExceedsApproved):
        payments.execute(Uow.of(session, acting(session, making.EXECUTOR)), payment_id=second.id)


def test_a_late_proof_takes_its_turn_at_the_accounts(
    live: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking back what has not left locks an account: after the posting, which locks all in order.

    Before it, this and an ordinary settlement of the same store waited for each other.
    """
    rails.serve(rails.FakeGateway())
    post, tries = posting.post, Counter[str]()
    current = threading.local()

    def slow(session: Session, entries: Sequence[posting.Entry], **more: Any) -> list[UUID]:
        if current.name == "late":
            time.sleep(1)
        return post(session, entries, **more)

    monkeypatch.setattr(posting, "post", slow)

    def settle(name: str, attempt_id: UUID) -> None:
        current.name = name
        if name == "ordinary":
            time.sleep(0.5)

        def work(session: Session) -> None:
            tries[name] += 1
            attempt = session.get_one(PaymentAttempt, attempt_id)
            payment = session.get_one(Payment, attempt.payment_id)
            word = rails.proof(payments.instruction_of(session, attempt), receipt=f"R{name}")
            making.said(session, payment, word, Source.QUERY, attempt=attempt)

        db.in_transaction(work)

    with db.scope(company_id=company_id("DEMO"), source="test"):
        with db.transaction() as session:
            current.name = "making"
            one = failed(session)
            first = making.attempt_of(session, one).id
            making.released(session, one)
            ordinary = making.executing(session)
            making.answered(session, ordinary, rails.ACCEPTED)
            third = making.attempt_of(session, ordinary).id
        together([partial(settle, "late", first), partial(settle, "ordinary", third)])

    assert tries == {"late": 1, "ordinary": 1}, "one of them was a victim of the other"
