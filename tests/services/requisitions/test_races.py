"""Two people act on one requisition at one moment: one winner, and the loser is told."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from pettycash.models.approvals import (
    ApprovalRound,
    ApprovalStep,
    Decision,
    RoundStatus,
    StepStatus,
)
from pettycash.models.payments import IllegalTransition, Payment, PaymentStatus
from pettycash.models.requisitions import IllegalRequisitionState, Requisition, RequisitionStatus
from pettycash.runtime import db
from pettycash.services import payments as payments_service
from pettycash.services import requisitions
from pettycash.services.approvals.deciding import StaleDigest, StepAlreadyDecided
from pettycash.services.foundation import decisions
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import changes
from pettycash.services.payments import redirects, treasury_validation
from pettycash.services.requisitions import approved_facts, attachments, deciding
from pettycash.services.requisitions.creation import RequisitionReferenceTaken
from tests.factories import payments as making
from tests.factories.people import acting, company_id
from tests.factories.requisitions import approved, digest, line, raised, submitted
from tests.races import together
from tests.servers import Database

R = RequisitionStatus
LOST = (IllegalRequisitionState, StepAlreadyDecided, StaleDigest)


@pytest.fixture
def demo(live: Database) -> UUID:
    return company_id("DEMO")


def within(demo: UUID, work: Callable[[Session], Any]) -> Any:
    with db.scope(company_id=demo), db.transaction() as session:
        return work(session)


def prepared(demo: UUID, stage: Callable[..., Requisition], *arguments: Any) -> tuple[UUID, str]:
    def work(session: Session) -> tuple[UUID, str]:
        requisition = stage(session, *arguments)
        session.flush()
        read = "" if requisition.status is R.DRAFT else digest(session, requisition.id)
        return requisition.id, read

    return within(demo, work)


def act(demo: UUID, verb: Callable[..., Any], by: str, **facts: Any) -> Callable[[], Any]:
    def work(session: Session) -> Any:
        return verb(Uow.of(session, acting(session, by)), **facts)

    return lambda: within(demo, work)


def winners(results: list[Any], lost: tuple[type[Exception], ...] = LOST) -> int:
    for result in results:
        assert not isinstance(result, Exception) or isinstance(result, lost), result
    return sum(not isinstance(result, Exception) for result in results)


def read(demo: UUID, requisition_id: UUID) -> Requisition:
    return within(demo, lambda session: session.get_one(Requisition, requisition_id))


def rows(demo: UUID, model: Any, requisition_id: UUID) -> list[Any]:
    key = model.requisition_id if model is Payment else model.subject_id
    query = select(model).where(key == requisition_id)
    return within(demo, lambda session: list(session.execute(query).scalars()))


def test_submitting_at_once_opens_one_round(demo: UUID) -> None:
    requisition_id, _ = prepared(demo, raised)

    submit = act(demo, requisitions.submit, "staff", requisition_id=requisition_id)
    results = together([submit] * 6)

    assert winners(results) == 1
    assert len(rows(demo, ApprovalRound, requisition_id)) == 1


def test_approving_at_once_decides_once(demo: UUID) -> None:
    requisition_id, seen = prepared(demo, submitted, "20000.00")

    approve = act(
        demo, deciding.approve, "branch_manager", requisition_id=requisition_id, digest=seen
    )
    results = together([approve] * 6)

    assert winners(results) == 1
    assert len(rows(demo, Decision, requisition_id)) == 1
    assert read(demo, requisition_id).status is R.PENDING_REGIONAL_REVIEW


@pytest.mark.parametrize("other", ["reject", "cancel", "recall", "update", "cheaper"])
def test_an_approval_meets_something_else(demo: UUID, other: str) -> None:
    requisition_id, seen = prepared(demo, submitted)
    approve = act(
        demo, deciding.approve, "branch_manager", requisition_id=requisition_id, digest=seen
    )
    facts: dict[str, Any] = {"requisition_id": requisition_id}
    if other == "reject":
        facts |= {"digest": seen, "comment": "No"}
        second = act(demo, deciding.reject, "branch_manager", **facts)
    elif other == "update":
        facts["changes"] = {"purpose": "Wine"}
        second = act(demo, requisitions.update, "staff", **facts)
    elif other == "cheaper":
        facts["changes"] = {"amount": Decimal("100.00"), "lines": [line("100.00")]}
        second = act(demo, requisitions.update, "staff", **facts)
    else:
        second = act(demo, getattr(requisitions, other), "staff", **facts)

    results = together([approve, second])

    assert winners(results) >= 1
    after = read(demo, requisition_id)
    approved_first = not isinstance(results[0], Exception)
    second_won = not isinstance(results[1], Exception)
    steps = rows(demo, ApprovalStep, requisition_id)
    assert sum(step.status is StepStatus.OPEN for step in steps) <= 1
    assert (
        sum(each.status is RoundStatus.OPEN for each in rows(demo, ApprovalRound, requisition_id))
        <= 1
    )
    if approved_first and not second_won:
        assert after.status is R.PENDING_TREASURY_VALIDATION
        assert after.approved_amount == after.amount == Decimal("1500.00")
    if second_won and other in ("reject", "cancel", "recall"):
        # an approval that came first is no obstacle to cancelling; it is to the others
        assert after.status in (R.REJECTED, R.CANCELLED, R.DRAFT)
        assert after.approved_amount is None
    if second_won and other == "update":
        # whatever came first, what is approved now is not what was approved then
        assert after.status is R.PENDING_BRANCH_APPROVAL
        assert after.approved_amount is None
    if second_won and other == "cheaper":
        assert after.amount == Decimal("100.00")
        assert after.approved_amount in (None, after.amount)


def test_validating_at_once_makes_one_payment(demo: UUID) -> None:
    requisition_id, seen = prepared(demo, approved)

    results = together(
        [
            act(
                demo,
                treasury_validation.validate,
                by,
                requisition_id=requisition_id,
                digest=seen,
            )
            for by in ("treasury", "treasury_2", "treasury_3")
        ]
    )

    assert winners(results) == 1
    assert len(rows(demo, Payment, requisition_id)) == 1


def test_validating_meets_a_redirect(demo: UUID) -> None:
    requisition_id, seen = prepared(demo, approved)

    results = together(
        [
            act(
                demo,
                treasury_validation.validate,
                "treasury",
                requisition_id=requisition_id,
                digest=seen,
            ),
            act(
                demo,
                redirects.propose_for_requisition,
                "staff",
                requisition_id=requisition_id,
                destination="0711111111",
                reason="Another phone",
            ),
        ]
    )

    assert winners(results, (*LOST, approved_facts.RedirectOpen)) == 1
    payments = rows(demo, Payment, requisition_id)
    assert [each.destination for each in payments] in ([], ["254712345678"])


def test_releasing_meets_a_redirect(demo: UUID) -> None:
    """Either the money leaves for where it was approved, or it stands still; never elsewhere."""

    def verified(session: Session) -> UUID:
        payment = making.pending(session)
        making.verified(session, payment)
        return payment.id

    payment_id = within(demo, verified)

    results = together(
        [
            act(demo, payments_service.execute, "treasury_2", payment_id=payment_id),
            act(
                demo,
                redirects.propose_for_payment,
                "treasury_3",
                payment_id=payment_id,
                destination="0711111111",
                reason="Another phone",
            ),
        ]
    )

    assert winners(results, (IllegalTransition, approved_facts.RedirectOpen)) == 1
    payment = within(demo, lambda session: session.get_one(Payment, payment_id))
    assert payment.destination == "254712345678"
    assert (payment.open_redirect_id is None) is (payment.status is PaymentStatus.EXECUTING)


def test_agreeing_meets_a_cancelling(demo: UUID) -> None:
    def proposed(session: Session) -> tuple[UUID, UUID, str]:
        payment = making.pending(session)
        change = redirects.propose_for_payment(
            Uow.of(session, acting(session, "treasury")),
            payment_id=payment.id,
            destination="0711111111",
            reason="Another phone",
        )
        assert change.digest is not None
        return payment.id, change.id, change.digest.hex()

    payment_id, change_id, seen = within(demo, proposed)

    results = together(
        [
            act(demo, changes.confirm, "branch_manager", change_id=change_id, digest=seen),
            act(demo, payments_service.cancel, "treasury", payment_id=payment_id),
        ]
    )

    assert winners(results, (decisions.AlreadyDecided,)) in (1, 2)
    payment = within(demo, lambda session: session.get_one(Payment, payment_id))
    assert (payment.status, payment.open_redirect_id) == (PaymentStatus.CANCELLED, None)


def test_the_same_external_reference_at_once_is_taken_once(demo: UUID) -> None:
    results = together(
        [lambda: within(demo, lambda session: raised(session, external_reference="PO-77"))] * 4
    )

    assert winners(results, (RequisitionReferenceTaken,)) == 1


def test_the_same_receipt_at_once_is_taken_once(demo: UUID) -> None:
    requisitions_of = [prepared(demo, raised)[0] for _ in range(3)]

    def attach(requisition_id: UUID) -> Callable[[], Any]:
        return lambda: within(
            demo,
            lambda session: attachments.attach(
                Uow.of(session, acting(session, "staff")),
                requisition_id=requisition_id,
                filename="r.pdf",
                content=b"%PDF-1.7 the same",
            ),
        )

    results = together([attach(each) for each in requisitions_of])

    assert winners(results, (attachments.DuplicateAttachment,)) == 1


def test_numbers_are_never_given_out_twice(demo: UUID) -> None:
    results = together([lambda: within(demo, raised)] * 8)

    assert len({each.number for each in results}) == 8


def test_a_lock_shows_what_was_committed_since_the_row_was_read(demo: UUID) -> None:
    """Or else a check would run on values that were true when somebody else began."""
    requisition_id, _ = prepared(demo, raised)
    with db.scope(company_id=demo), db.transaction() as session:
        read = session.get_one(Requisition, requisition_id)  # kept: a row that nobody holds is new
        before = read.version
        with db.engine().begin() as elsewhere:
            elsewhere.execute(
                text("SELECT set_config('app.company', :company, true)"), {"company": str(demo)}
            )
            elsewhere.execute(
                update(Requisition)
                .where(Requisition.id == requisition_id)
                .values(version=Requisition.version + 1)
            )

        locked = db.lock(session, Requisition, requisition_id)

        assert locked is read
        assert locked.version == before + 1


def test_a_lock_keeps_others_out(demo: UUID) -> None:
    requisition_id, _ = prepared(demo, raised)
    with db.scope(company_id=demo), db.transaction() as session:
        assert db.lock(session, Requisition, requisition_id) is not None
        with db.engine().connect() as elsewhere:
            elsewhere.execute(
                text("SELECT set_config('app.company', :company, false)"), {"company": str(demo)}
            )
            query = select(Requisition.id).where(Requisition.id == requisition_id)
            with pytest.raises(OperationalError) as refused:
                elsewhere.execute(query.with_for_update(key_share=True, nowait=True))

    assert db.sqlstate(refused.value) == "55P03"
