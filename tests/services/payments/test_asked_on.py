"""Rails are asked for a month about what two people called unpaid; a late truth is booked."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.ledger import AccountKind, JournalEntry, LedgerAccount, Posting
from pettycash.models.operations import Severity
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.requisitions import RequisitionStatus
from pettycash.services import payments, requisitions
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import rules, treasury_validation
from pettycash.services.payments.case_resolutions import Ending
from pettycash.services.payments.creation import PaymentPart
from pettycash.services.payments.results import Source
from pettycash.services.reconciliation.invariants import check_books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.evidence import proven
from tests.factories.judging import settled, tried_for_a_day
from tests.factories.people import acting
from tests.factories.requisitions import approved, digest
from tests.services.payments.test_case_resolutions import contradicted, in_doubt

S = PaymentStatus
A_DAY = timedelta(days=1)
OFFICER = "treasury_3"

pytestmark = pytest.mark.usefixtures("rail")


def called_unpaid(session: Session) -> Payment:
    payment, case = in_doubt(session)
    tried_for_a_day(session, payment)
    settled(session, case, Ending.NOT_PAID)
    return payment


def a_day_passes(session: Session, payment: Payment) -> None:
    """And the rail is asked, without an answer."""
    session.info["now"] += A_DAY + timedelta(minutes=1)
    ask(session, payment)


def ask(session: Session, payment: Payment) -> payments.Question | None:
    attempt = making.attempt_of(session, payment)
    return payments.next_question(session, attempt_id=attempt.id, now=session.info["now"])


def answer(session: Session, payment: Payment, said: rails.Outcome) -> None:
    question = ask(session, payment)
    assert question is not None
    payments.record_answer(session, question=question, answer=said, now=session.info["now"])


def enqueued(session: Session, payment: Payment) -> bool:
    row = making.outbox_message(session, "payments.resolve", making.attempt_of(session, payment).id)
    assert row is not None
    return row.completed_at is None


def another(session: Session, payment: Payment) -> Payment:
    """Made for what is left of its requisition, after it was given up."""
    now = session.info["now"]
    payments.cancel(Uow(session, acting(session, "treasury"), now), payment_id=payment.id)
    return payments.create(
        Uow(session, acting(session, making.MAKER), now),
        requisition_id=payment.requisition_id,
        amount=None,
    )


def recoverable(session: Session, payment: Payment) -> Decimal:
    """The sum that the payee owes back of a payment."""
    found = session.execute(
        select(Posting.amount)
        .join(JournalEntry, JournalEntry.id == Posting.entry_id)
        .join(LedgerAccount, LedgerAccount.id == Posting.account_id)
        .where(JournalEntry.payment_id == payment.id, LedgerAccount.kind == AccountKind.RECOVERABLE)
    ).scalars()
    return sum(found, Decimal(0))


def test_it_is_not_tried_again_at_once(session: Session) -> None:
    payment = called_unpaid(session)

    assert (payment.status, payment.failure_confirmed) == (S.FAILED, False)
    with pytest.raises(rules.FailureUnconfirmed):
        making.released(session, payment, by=OFFICER)
    with pytest.raises(rules.FailureUnconfirmed):
        another(session, payment)


def test_it_is_tried_again_a_day_later_and_still_asked_about(session: Session) -> None:
    payment = called_unpaid(session)
    ask(session, payment)
    session.info["now"] += timedelta(hours=23)
    ask(session, payment)
    assert not payment.failure_confirmed

    a_day_passes(session, payment)

    assert payment.failure_confirmed
    assert enqueued(session, payment), "a late truth is still to be heard"
    making.released(session, payment, by=OFFICER)
    assert payment.status is S.EXECUTING


def test_it_is_tried_again_at_once_where_the_rail_denies_it(session: Session) -> None:
    payment = called_unpaid(session)

    answer(session, payment, rails.outcome(rails.K.REJECTED))

    assert payment.failure_confirmed
    assert not enqueued(session, payment), "that was the last word"
    making.released(session, payment, by=OFFICER)


def test_it_is_asked_about_once_a_day_for_thirty_days(session: Session) -> None:
    payment = called_unpaid(session)
    asked = []

    for _ in range(40 * 24):
        if ask(session, payment) is not None:
            asked.append(session.info["now"])
        session.info["now"] += timedelta(hours=1)

    assert 29 <= len(asked) <= 31
    assert all(later - sooner >= A_DAY for sooner, later in pairwise(asked))
    assert not enqueued(session, payment)
    assert making.open_cases(session, payment.id) == [], "nobody is told anew"


def test_a_late_truth_is_booked_as_usual_where_nothing_else_paid_it(session: Session) -> None:
    payment = called_unpaid(session)
    a_day_passes(session, payment)
    assert payment.failure_confirmed

    session.info["now"] += A_DAY
    answer(session, payment, proven(session, payment))

    assert payment.status is S.SUCCESS
    assert making.entries(session, payment) == ["expense"]
    assert making.case_about(session, payment.id).severity is Severity.SEVERE


def test_a_late_truth_is_owed_back_where_another_payment_took_its_place(session: Session) -> None:
    payment = called_unpaid(session)
    a_day_passes(session, payment)
    session.info["now"] += timedelta(minutes=1)
    parts = split_in_place_of(session, payment)
    for number, part in enumerate(parts):
        making.released(session, part, by=OFFICER)
        making.answered(session, part, proven(session, part, receipt=f"RKTPART{number}"))
    session.info["now"] += A_DAY

    answer(session, payment, proven(session, payment))

    assert [part.status for part in parts] == [S.SUCCESS, S.SUCCESS]
    assert payment.status is not S.SUCCESS
    assert making.entries(session, payment) == ["duplicate_payment"]
    assert recoverable(session, payment) == payment.amount
    assert making.case_about(session, payment.id).severity is Severity.SEVERE
    assert check_books(session) == []


def split_in_place_of(session: Session, payment: Payment) -> list[Payment]:
    first = another(session, payment)
    now = session.info["now"]
    requisition, first = payments.locked(session, payment_id=first.id)
    payments.change(
        Uow(session, acting(session, making.MAKER), now),
        requisition=requisition,
        payment=first,
        changes={"amount": Decimal(500)},
    )
    second = payments.create(
        Uow(session, acting(session, making.MAKER), now),
        requisition_id=payment.requisition_id,
        amount=None,
    )
    return [first, second]


def test_a_late_truth_is_owed_back_where_the_requisition_was_closed(session: Session) -> None:
    requisition = approved(session)
    _, (paid, payment) = treasury_validation.validate(
        Uow.of(session, acting(session, making.MAKER)),
        requisition_id=requisition.id,
        digest=digest(session, requisition.id),
        parts=[PaymentPart(amount=Decimal(500)), PaymentPart(amount=Decimal(1000))],
    )
    making.released(session, paid)
    making.answered(session, paid, proven(session, paid, receipt="RKTPART1"))
    making.released(session, payment)
    making.answered(session, payment, rails.LOST)
    session.info["now"] += timedelta(hours=1)
    ask(session, payment)
    tried_for_a_day(session, payment)
    settled(session, making.the_case(session, payment), Ending.NOT_PAID)
    a_day_passes(session, payment)
    requisitions.close_short(
        Uow.of(session, acting(session, "treasury")),
        requisition_id=requisition.id,
        comment="The rest is not needed any more.",
    )
    assert requisition.status is RequisitionStatus.CLOSED_SHORT
    session.info["now"] += A_DAY

    answer(session, payment, proven(session, payment))

    assert payment.status in (S.FAILED, S.CANCELLED)
    assert making.entries(session, payment) == ["duplicate_payment"]
    assert recoverable(session, payment) == payment.amount
    assert making.case_about(session, payment.id).severity is Severity.SEVERE
    assert check_books(session) == []


def test_the_rail_that_had_accepted_it_says_nothing_new_by_saying_so_again(
    session: Session,
) -> None:
    payment, case = contradicted(session)  # accepted, and then called something else
    tried_for_a_day(session, payment)
    settled(session, case, Ending.NOT_PAID)

    answer(session, payment, rails.ACCEPTED)

    assert making.open_cases(session, payment.id) == []
    assert making.attempt_of(session, payment).called_unpaid_at is not None


def test_a_rail_that_knows_it_after_all_contradicts_them(session: Session) -> None:
    payment = called_unpaid(session)  # of which the rail had never said a word

    answer(session, payment, rails.ACCEPTED)

    assert making.open_cases(session, payment.id) == ["contradiction"]
    session.info["now"] += 2 * A_DAY
    ask(session, payment)
    assert not payment.failure_confirmed, "their word stands no more"
    with pytest.raises((rules.BlockedByCase, rules.FailureUnconfirmed)):
        making.released(session, payment, by=OFFICER)


def test_the_truth_by_callback_is_asked_about_first(session: Session) -> None:
    payment = called_unpaid(session)

    making.said(session, payment, proven(session, payment), Source.CALLBACK)

    assert payment.status is S.FAILED
    assert making.open_cases(session, payment.id) == ["contradiction"]
    assert enqueued(session, payment)
