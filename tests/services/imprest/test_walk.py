"""Whatever happens to a fund, in whatever order: its float is somewhere, its books balance."""

import random
from collections.abc import Callable
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.imprest import (
    Replenishment,
    ReplenishmentStatus,
    VarianceAdjustment,
    VarianceKind,
    VarianceStatus,
)
from pettycash.models.payments import AttemptState, Payment, PaymentAttempt, PaymentStatus
from pettycash.models.requisitions import RequisitionKind
from pettycash.services import reports
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import float_identity, replenishments, variances
from pettycash.services.ledger import posting, posting_rules
from pettycash.services.reports import TRIAL_BALANCE
from tests import books
from tests.factories.people import acting
from tests.replenishing import funded, receive

KES = Decimal
STORES = ("WESTLANDS-MPESA", "WESTLANDS-DRAWER")


class Walk:
    """A fund to which things happen."""

    def __init__(self, session: Session, seed: int) -> None:
        self.session = session
        self.chance = random.Random(seed)
        self.fund = books.fund(session)
        self.fund.maximum_balance = None
        self.now = session.info["now"]
        self.count = 0

    def amount(self, most: int) -> str:
        return f"{self.chance.randint(1, most * 100) / 100:.2f}"

    def paid(self) -> Payment | None:
        rows = self.session.execute(
            select(Payment).where(Payment.status == PaymentStatus.SUCCESS).order_by(Payment.id)
        ).scalars()
        return self.chance.choice([None, *rows])

    def replenishment(self, *statuses: ReplenishmentStatus) -> Replenishment | None:
        return self.session.execute(
            select(Replenishment)
            .where(Replenishment.status.in_(statuses))
            .order_by(Replenishment.id.desc())
            .limit(1)
        ).scalar_one_or_none()

    def pay(self) -> None:
        kind = self.chance.choice([RequisitionKind.EXPENSE, RequisitionKind.ADVANCE])
        store = self.chance.choice(STORES)
        failures = self.chance.choice([0, 1])
        books.pay(self.session, self.amount(9000), kind=kind, store_code=store, failures=failures)
        replenishments.consider(self.session, fund_id=self.fund.id, now=self.now)

    def hold(self) -> None:
        asked = books.requisition(self.session)
        payment = books.payment(self.session, asked)
        try:
            with self.session.begin_nested():
                posting.hold(
                    self.session,
                    account_id=books.store(self.session).account_id,
                    source=f"attempt:{payment.id}",
                    currency="KES",
                    amount=payment.amount,
                )
        except posting.InsufficientFunds:
            return
        payment.move_to(PaymentStatus.EXECUTING, at=self.now)

    def give_back(self) -> None:
        payment = self.paid()
        if payment is None or payment.paid_amount is None:
            return
        entry = posting_rules.returned(
            self.session,
            payment=payment,
            amount=payment.paid_amount,
            occurred_at=self.now,
            source=f"payment:{payment.id}:returned",
        )
        posting.post(self.session, [entry])
        payment.move_to(PaymentStatus.REVERSED, at=self.now)

    def pay_again(self) -> None:
        payment = self.paid()
        if payment is None:
            return
        lost = select(PaymentAttempt.id).where(
            PaymentAttempt.payment_id == payment.id, PaymentAttempt.state == AttemptState.REJECTED
        )
        if self.session.execute(lost).first() is None:
            return
        amount = self.amount(500)
        attempt = books.pays_after_all(self.session, payment, amount)
        entry = posting_rules.duplicate_payment(
            self.session,
            payment=payment,
            amount=KES(amount),
            occurred_at=self.now,
            source=f"attempt:{attempt.id}:second",
        )
        posting.post(self.session, [entry])

    def vary(self) -> None:
        payment = self.paid()
        if payment is None or payment.paid_amount is None:
            return
        self.count += 1  # each is more than what was accepted before it
        kind = self.chance.choice([VarianceKind.FEE, VarianceKind.OVERPAID])
        found: VarianceAdjustment = variances.record(
            Uow(self.session, acting(self.session, "treasury"), self.now),
            payment_id=payment.id,
            kind=kind,
            adjusted_amount=payment.paid_amount + KES(20 * self.count) + KES(self.amount(20)),
            reason="walk",
        )
        variances.approve(
            Uow(self.session, acting(self.session, "cfo"), self.now), variance_id=found.id
        )
        assert found.status is VarianceStatus.APPROVED

    def refill(self) -> None:
        found = self.replenishment(ReplenishmentStatus.PENDING)
        if found is None:
            return
        try:
            replenishments.approve(
                Uow(self.session, acting(self.session, "cfo"), self.now), replenishment_id=found.id
            )
        except replenishments.NothingToReplenish:
            replenishments.cancel(
                Uow(self.session, acting(self.session, "cfo"), self.now),
                replenishment_id=found.id,
                reason="walk",
            )
            return
        entry = posting_rules.top_up_sent(
            self.session,
            replenishment=found,
            bank_account_id=None,
            amount=found.approved_amount or KES(0),
            occurred_at=self.now,
            by=acting(self.session, "treasury").user_id,
        )
        found.funded_by = acting(self.session, "treasury").user_id
        found.move_to(ReplenishmentStatus.FUNDED, at=self.now)
        posting.post(self.session, [entry])

    def take(self) -> None:
        found = self.replenishment(ReplenishmentStatus.FUNDED, ReplenishmentStatus.RECEIVED)
        if found is None or found.approved_amount is None:
            return
        missing = found.approved_amount - (found.received_amount or 0) - found.lost_amount
        if missing == 0:
            return
        part = missing if self.chance.random() < 0.5 else (missing / 2).quantize(KES("0.01"))
        if part:
            receive(self.session, found, str(part))

    def lose(self) -> None:
        found = self.replenishment(ReplenishmentStatus.RECEIVED)
        if found is None:
            return
        try:
            replenishments.write_off_rest(
                Uow(self.session, acting(self.session, "cfo"), self.now), replenishment_id=found.id
            )
        except replenishments.NothingMissing:
            return

    def widen(self) -> None:
        self.fund.target_balance += KES(self.amount(1000))

    def step(self) -> Callable[[], None]:
        steps = [self.pay] * 4 + [self.refill, self.take] * 2
        steps += [self.hold, self.give_back, self.pay_again, self.vary, self.lose, self.widen]
        return self.chance.choice(steps)


@pytest.mark.parametrize("seed", range(6))
def test_the_float_is_always_somewhere(session: Session, seed: int) -> None:
    books.fund(session).cash_limit = None  # amounts are the dice's
    walk = Walk(session, seed)
    taken = []

    for _ in range(40):
        step = walk.step()
        taken.append(step.__name__)
        step()
        found = float_identity.identity(session, walk.fund.id)
        assert found.difference == 0, (taken, found.as_json())
        assert found.requested == (
            found.target - found.available - found.in_transit - found.advances_outstanding
        )

    for part in reports.parts(session, TRIAL_BALANCE, {"as_of": None, "currency": None}):
        assert list(part)
        assert part.foots


def test_a_refill_makes_the_fund_whole(session: Session) -> None:
    fund = books.fund(session)
    found = funded(session, fund)
    receive(session, found, str(found.approved_amount))

    state = float_identity.identity(session, fund.id)
    assert (state.available, state.vouchers, state.requested) == (fund.target_balance, 0, 0)
