"""Fifty payments that are released at once, and the one replenishment that they ask for."""

from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash.models.imprest import Replenishment
from pettycash.models.ledger import Hold
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.runtime import db
from pettycash.services import payments
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import float_identity, funds
from pettycash.services.payments.results import Source
from pettycash.services.reconciliation.invariants import check_books
from tests import books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.evidence import proven
from tests.factories.people import acting, company_id
from tests.races import together
from tests.servers import Database

FIFTY = 50
EACH = books.Decimal("300.00")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_fifty_payments_at_once_ask_for_one_replenishment(live: Database) -> None:
    """50,000 less 15,000 lies below the 40,000 at which the fund asks; no payment does alone."""
    rails.serve(rails.FakeGateway())
    with db.scope(company_id=company_id("DEMO"), source="test"):
        ready = []
        for _ in range(FIFTY):
            with db.transaction() as session:
                payment = making.pending(session, str(EACH))
                making.verified(session, payment)
                ready.append(payment.id)

        assert together([partial(release, each) for each in ready]) == [None] * FIFTY
        with db.transaction() as session:
            asked = session.execute(select(Replenishment)).scalars().all()
            assert len(asked) == 1
            assert asked[0].requested_amount > 50_000 - 40_000
            fund = books.fund(session)
            assert funds.available(session, fund.id) == 50_000 - FIFTY * EACH
            held = select(func.count()).where(Hold.state == "open")
            assert session.execute(held).scalar_one() == FIFTY

        for each in ready:  # one after the other, since an account has few calls at once
            with db.transaction() as session:
                making.answered(session, session.get_one(Payment, each), rails.ACCEPTED)
        assert together([partial(settle, each) for each in ready]) == [None] * FIFTY
        with db.transaction() as session:
            assert len(session.execute(select(Replenishment.id)).all()) == 1
            statuses = session.execute(select(Payment.status)).scalars()
            assert set(statuses) == {PaymentStatus.SUCCESS}
            assert float_identity.identity(session, fund.id).difference == 0
            assert check_books(session) == []


def release(payment_id: UUID) -> None:
    def work(session: Session) -> None:
        actor = acting(session, making.EXECUTOR)
        payments.execute(Uow.of(session, actor), payment_id=payment_id)

    db.in_transaction(work)


def settle(payment_id: UUID) -> None:
    def work(session: Session) -> None:
        payment = session.get_one(Payment, payment_id)
        receipt = f"R{making.attempt_of(session, payment).originator_reference[-9:]}"
        proof = proven(session, payment, receipt=receipt)
        making.said(session, payment, proof, Source.CALLBACK)

    db.in_transaction(work)
