"""Which proof settles what: matched in one statement, or by hand by somebody else."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.gateways.base import RequestType
from pettycash.models.ledger import AccountKind
from pettycash.models.operations import Severity
from pettycash.models.payments import EvidenceSource, Payment, PaymentReconciliation
from pettycash.models.releases import CashAcknowledgement
from pettycash.runtime import clock, db
from pettycash.services import payments, reconciliation
from pettycash.services.foundation import visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import posting
from pettycash.services.payments.results import Source
from pettycash.services.reconciliation.payment_proofs import (
    AlreadyReconciled,
    NotSettled,
    ReconcilerIsExecutor,
    match_day,
)
from tests import books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.evidence import accepted, proven
from tests.factories.people import acting, user_id
from tests.services.reconciliation.test_reconciliation import (
    advance,
    in_doubt,
    mismatch_case,
    start,
    today,
)

pytestmark = pytest.mark.usefixtures("rail")

BY_HAND = {"provider_reference": "RKT1234567", "note": "statement, line 14"}


LOGGED_AS = {Source.CALLBACK: RequestType.CONFIRM, Source.QUERY: RequestType.QUERY}


def prove(session: Session, payment: Payment, source: Source, receipt: str = "RKT1") -> None:
    outcome = proven(session, payment, receipt=receipt)
    outcome = replace(outcome, exchange=rails.exchange(LOGGED_AS[source]))
    making.said(session, payment, outcome, source)


def paid(session: Session, source: Source = Source.CALLBACK, receipt: str = "RKT1") -> Payment:
    payment = accepted(session)
    prove(session, payment, source, receipt)
    return payment


def fact(session: Session, payment: Payment) -> PaymentReconciliation:
    return session.execute(
        select(PaymentReconciliation).where(PaymentReconciliation.payment_id == payment.id)
    ).scalar_one()


def by_hand(session: Session, payment: Payment, who: str = "cfo") -> PaymentReconciliation:
    return reconciliation.reconcile_by_hand(
        Uow.of(session, acting(session, who)), payment_id=payment.id, evidence=BY_HAND
    )


@contextmanager
def counted(session: Session) -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        sent.append(statement)

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", note)
    yield sent
    event.remove(connection, "before_cursor_execute", note)


class TestMatching:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            (Source.CALLBACK, EvidenceSource.CALLBACK),
            (Source.QUERY, EvidenceSource.GATEWAY_QUERY),
        ],
    )
    def test_the_proof_is_named_for_what_it_was(
        self, session: Session, source: Source, expected: EvidenceSource
    ) -> None:
        payment = paid(session, source)

        run = advance(session, start(session))

        found = fact(session, payment)
        assert (found.source, found.run_id, found.reconciled_by) == (expected, run.id, None)
        assert found.evidence["provider_reference"] == "RKT1"
        assert found.evidence["originator_reference"] == payment.originator_reference
        assert found.evidence["exchange_id"]
        assert run.counts["matched"] == 1
        assert run.mismatches == []

    def test_the_rails_own_answer_is_the_stronger_proof(self, session: Session) -> None:
        """A callback brings its proof to us; an answer is what we went and asked for."""
        payment = paid(session)
        prove(session, payment, Source.QUERY)

        advance(session, start(session))

        assert fact(session, payment).source is EvidenceSource.GATEWAY_QUERY

    def test_cash_is_matched_with_its_recipients_acknowledgement(self, session: Session) -> None:
        payment = making.cash(session)
        making.released(session, payment, by="custodian")
        waiting = session.execute(
            select(CashAcknowledgement.id).where(CashAcknowledgement.payment_id == payment.id)
        ).scalar_one()
        message = payments.make_acknowledgement_code(
            session, acknowledgement_id=waiting, now=session.info["now"]
        )
        assert message is not None
        code = re.findall(r"\b[0-9]{6}\b", message.text)[0]
        refusal = payments.acknowledge(
            Uow.of(session, acting(session, "custodian")), payment_id=payment.id, code=code
        )
        assert refusal is None

        run = advance(session, start(session))

        assert fact(session, payment).source is EvidenceSource.ACKNOWLEDGEMENT
        assert run.mismatches == []

    def test_many_payments_take_one_statement_and_are_matched_once(self, session: Session) -> None:
        for number in range(4):
            paid(session, receipt=f"RKT{number}")
        first, second = start(session), start(session, today(session) - clock.ONE_DAY)
        until = clock.day_bounds(today(session), "Africa/Nairobi")[1]
        session.flush()

        with counted(session) as sent:
            assert match_day(session, run_id=first.id, until=until) == 4
        again = match_day(session, run_id=second.id, until=until)

        assert len(sent) == 2, "its turn, and all of them at once"
        assert again == 0

    def test_what_was_paid_after_the_day_waits_for_its_own_run(self, session: Session) -> None:
        payment = paid(session)

        run = advance(session, start(session, today(session) - clock.ONE_DAY))

        assert run.counts["matched"] == 0
        assert run.mismatches == []
        assert advance(session, start(session)).counts["matched"] == 1
        assert fact(session, payment)

    def test_a_success_without_proof_is_flagged(self, session: Session) -> None:
        payment = books.pay(session, "100.00")

        run = advance(session, start(session))

        (mismatch,) = run.mismatches
        assert (mismatch["kind"], mismatch["payment_id"]) == (
            "success_without_evidence",
            str(payment.id),
        )
        assert run.counts["broken"] == 1
        assert mismatch_case(session, payment.id).summary.endswith("success_without_evidence")

    def test_what_was_matched_while_the_run_waited_is_not_flagged(self, session: Session) -> None:
        payment, silent = books.pay(session, "100.00"), in_doubt(session)
        run = advance(session, start(session))
        by_hand(session, payment)
        making.said(session, silent, proven(session, silent), Source.QUERY)

        closed = advance(session, run)

        assert closed.status.value == "closed"
        assert closed.mismatches == []

    def test_an_answer_that_leaves_no_proof_is_flagged(self, session: Session) -> None:
        """Whatever made it a success while the run waited, it has to be proven as well."""
        payment = in_doubt(session)
        run = advance(session, start(session))
        making.said(session, payment, proven(session, payment), Source.QUERY)
        session.execute(
            text("UPDATE payments SET provider_reference = 'ANOTHER' WHERE id = :id"),
            {"id": payment.id},
        )

        closed = advance(session, run)

        kinds = {each["kind"] for each in closed.mismatches}
        assert kinds == {"success_without_evidence"}


class TestByHand:
    def test_evidence_that_a_person_names_matches_it(self, session: Session) -> None:
        payment = books.pay(session, "100.00")

        found = by_hand(session, payment)

        assert (found.source, found.evidence) == (EvidenceSource.MANUAL, BY_HAND)
        assert found.reconciled_by == user_id(session, "cfo")
        run = advance(session, start(session))
        assert (run.counts["matched"], run.mismatches) == (0, [])

    def test_who_released_it_does_not_match_it(self, session: Session) -> None:
        payment = paid(session)

        with pytest.raises(ReconcilerIsExecutor):
            by_hand(session, payment, making.EXECUTOR)

        assert by_hand(session, payment, making.MAKER)

    def test_the_database_says_so_too(self, session: Session) -> None:
        payment = paid(session)

        session.add(
            PaymentReconciliation(
                company_id=payment.company_id,
                payment_id=payment.id,
                source=EvidenceSource.MANUAL,
                reconciled_by=user_id(session, making.EXECUTOR),
                evidence=BY_HAND,
            )
        )

        with pytest.raises(DBAPIError) as refused:
            session.flush()

        assert db.sqlstate(refused.value) == "PC004"

    def test_only_what_settled_is_matched(self, session: Session) -> None:
        with pytest.raises(NotSettled):
            by_hand(session, accepted(session))

    def test_nothing_is_matched_twice(self, session: Session) -> None:
        payment = paid(session)
        advance(session, start(session))

        with pytest.raises(AlreadyReconciled):
            by_hand(session, payment)

        assert fact(session, payment).source is EvidenceSource.CALLBACK

    def test_what_is_not_there_is_not_found(self, session: Session) -> None:
        with pytest.raises(visibility.PaymentNotFound):
            reconciliation.reconcile_by_hand(
                Uow.of(session, acting(session, "cfo")), payment_id=uuid4(), evidence=BY_HAND
            )


def test_money_that_nothing_explains_is_a_severe_case(session: Session) -> None:
    fund = books.fund(session)
    store = books.store(session).account_id
    suspense = books.account(session, AccountKind.SUSPENSE).id
    unexplained = posting.Entry(
        source="unexplained",
        rule="test",
        description="unexplained",
        occurred_at=session.info["now"],
        currency="KES",
        postings=[
            posting.debit(store, books.Decimal("10.00")),
            posting.credit(suspense, books.Decimal("10.00")),
        ],
    )
    posting.post(session, [unexplained])

    run = advance(session, start(session))

    (mismatch,) = run.mismatches
    assert (mismatch["kind"], mismatch["fund_id"]) == ("imprest_identity", str(fund.id))
    assert (mismatch["difference"], mismatch["stores"]) == ("-10.00", "50010.00")
    assert run.counts["book_findings"] == 1
    case = mismatch_case(session, fund.id)
    assert case.severity is Severity.SEVERE
    assert case.alerted_at is None, "people are yet to be told"
    again = advance(session, start(session))
    assert len(again.mismatches) == 1
    assert mismatch_case(session, fund.id).id == case.id, "the same break is the same case"
