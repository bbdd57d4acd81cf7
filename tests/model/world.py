"""Rules of the world: the rail decides and calls back, time passes, nights come, months close."""

from datetime import timedelta
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.gateways.base import PayoutInstruction
from pettycash.models.payments import AttemptState, CallbackPurpose, PaymentAttempt
from pettycash.runtime import clock, db
from pettycash.services import reconciliation
from pettycash.services.foundation import company_settings
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import periods
from pettycash.services.payments import callback_addresses, callbacks
from pettycash.tasks import imprest as replenishment_tasks
from pettycash.tasks import operations
from pettycash.tasks import reconciliation as night_tasks
from tests.model.memory import Player, Released, pick, play, which
from tests.model.rail import Calling

SECOND, MINUTE, HOUR, DAY = 1.0, 60.0, 3_600.0, 86_400.0
SPANS = (
    SECOND,
    6 * SECOND,
    21 * SECOND,
    46 * SECOND,
    2 * MINUTE,
    6 * MINUTE,
    11 * MINUTE,
    HOUR + SECOND,
    7 * HOUR,
    DAY,
    3 * DAY,
    32 * DAY,
)
"""Each is just past one of the times that the system waits for."""

CHORES = (
    "night",
    "night",
    "day",
    "day",
    "outbox",
    "replenishments",
    "soft_close",
    "hard_close",
    "reopen",
)

CALLINGS = (*Calling, *[Calling.FAILURE, Calling.WRONG_AMOUNT] * 2)
PURPOSES = (*CallbackPurpose, *[CallbackPurpose.RESULT] * 2)
"""Lies that would cost money are told more often than others, and where they may be believed."""

OF_ITS_OWN_ANSWER = frozenset(
    {Calling.TRUTH, Calling.WRONG_PAYEE, Calling.TOOK_TOO_LONG, Calling.RUBBISH}
)
"""What an answer to a question may be: a rail's own word about an order is never a lie."""


class World(Player):
    """The rail of its own accord, and time."""

    @precondition(lambda self: self.pending())
    @play(index=which, pays=st.booleans())
    def the_rail_decides(self, index: int, pays: bool) -> None:
        """What it accepted comes to its end; nobody is told yet."""
        order = self.rail.orders[pick(self.pending(), index).reference]
        self.rail.decide(order, pays=pays)

    decides_2 = decides_3 = the_rail_decides

    @precondition(lambda self: self.handed_over())
    @play(
        index=which,
        calling=st.sampled_from(CALLINGS),
        purpose=st.sampled_from(PURPOSES),
        repeats=st.booleans(),
        is_read=st.booleans(),
    )
    def the_rail_calls(
        self, index: int, calling: Calling, purpose: CallbackPurpose, repeats: bool, is_read: bool
    ) -> None:
        """Early, late, twice, truly or with rubbish, read now or later; the secret is right."""
        released = pick(self.handed_over(), index)
        if purpose in (CallbackPurpose.QUERY_RESULT, CallbackPurpose.QUERY_TIMEOUT):
            calling = calling if calling in OF_ITS_OWN_ANSWER else Calling.TRUTH
        order = self.order_of(released)
        may_be_wrong = self.rail.confirms_failure_by_query
        if (
            calling is Calling.FAILURE
            and not may_be_wrong
            and (order is None or order.state != "refused")
        ):
            calling = Calling.TRUTH
        callback_id = self.call(released, calling, purpose, repeats=repeats)
        if is_read:
            self._process(callback_id)

    # Drawn three times as often: a callback matters for the few steps in which a payment waits.
    the_rail_calls_again = the_rail_calls_once_more = the_rail_calls

    @precondition(lambda self: self.memory.callbacks)
    @play(index=which, again=st.booleans())
    def a_callback_is_processed(self, index: int, again: bool) -> None:
        """In any order, and again if somebody wants it so."""
        callback_id = pick(self.memory.callbacks, index)
        if again:
            self.tries(
                lambda session: callbacks.replay(
                    Uow.of(session, self.actor("operator")), callback_id=callback_id
                )
            )
        self._process(callback_id)

    def _process(self, callback_id: UUID) -> None:
        self.tries(
            lambda session: callbacks.process(
                session, callback_id=callback_id, now=session.info["now"]
            )
        )

    @play(seconds=st.sampled_from(SPANS))
    def time_passes(self, seconds: float) -> None:
        """And nobody does anything meanwhile."""
        self.ground.wait(seconds)

    @play(what=st.sampled_from(CHORES), days_ago=st.integers(min_value=0, max_value=3))
    def beat_or_a_clerk_has_a_turn(self, what: str, days_ago: int) -> None:
        """A night or any day is reconciled, what is old is swept, the last month is closed."""
        match what:
            case "night":
                night_tasks.run_nightly()
            case "day":
                self._reconcile(days_ago)
            case "outbox":
                operations.sweep_out()
            case "replenishments":
                replenishment_tasks.sweep()
            case _:
                self._close_month(what)

    def _reconcile(self, days_ago: int) -> None:
        def work(session: Session) -> UUID:
            now = session.info["now"]
            today = clock.business_date(now, company_settings.current(session).timezone)
            day = today - timedelta(days=days_ago)
            return reconciliation.start(session, business_date=day, now=now).id

        run_id = self.tries(work)
        assert run_id is not None, "a day that has begun can be reconciled"
        night_tasks.advance(run_id)

    def _close_month(self, step: str) -> None:
        def work(session: Session) -> None:
            now = session.info["now"]
            today = clock.business_date(now, company_settings.current(session).timezone)
            month = (today.replace(day=1) - clock.ONE_DAY).replace(day=1)
            close, who = {
                "soft_close": (periods.soft_close, "group_finance_manager"),
                "hard_close": (periods.hard_close, "cfo"),
                "reopen": (periods.reopen, "cfo"),
            }[step]
            close(Uow(session, self.actor(who), now), month=month)

        self.tries(work)

    def call(
        self, released: Released, calling: Calling, purpose: CallbackPurpose, *, repeats: bool
    ) -> UUID:
        """One callback to an attempt's own address, as the API takes it in; returns its id."""
        instruction = self.instruction_of(released)
        about = callback_addresses.About(
            attempt_id=released.attempt_id, account_id=instruction.account.id, purpose=purpose
        )
        slug, secret = callback_addresses.slug_of(about), callback_addresses.secret_of(about)
        body = self.rail.body(instruction, calling, repeats=repeats, booked=self._booked(released))
        with db.system_transaction() as session:
            address = callbacks.locate(session, slug=slug, secret=secret, remote_address=None)
        with db.transaction() as session:
            callback_id = callbacks.receive(
                session,
                address=address,
                body=body,
                content_type="application/json",
                remote_address="192.0.2.1",
            )
        if callback_id not in self.memory.callbacks:
            self.memory.callbacks.append(callback_id)
        return callback_id

    def handed_over(self) -> list[Released]:
        """Attempts that the rail has been told of, got there or not; who still waits comes last."""
        told = {each.originator_reference for each, _ in self.rail.instructions}
        return self.waiting_last(each for each in self._ever_released() if each.reference in told)

    def pending(self) -> list[Released]:
        """Attempts that the rail has and has not decided."""
        return [
            each
            for each in self._ever_released()
            if each.reference in self.rail.orders
            and self.rail.orders[each.reference].state == "pending"
        ]

    def _ever_released(self) -> list[Released]:
        """Also what a restore has lost: the rail does not know of that."""
        return [*self.memory.lost, *self.memory.released.values()]

    def instruction_of(self, released: Released) -> PayoutInstruction:
        """What the rail was told of an attempt, first."""
        return next(
            each
            for each, _ in self.rail.instructions
            if each.originator_reference == released.reference
        )

    def _booked(self, released: Released) -> str | None:
        """The receipt of another attempt, if the books have one."""
        with db.transaction() as session:
            return session.execute(
                select(PaymentAttempt.provider_reference)
                .where(
                    PaymentAttempt.state == AttemptState.SETTLED,
                    PaymentAttempt.provider_account_id.is_not(None),
                    PaymentAttempt.id != released.attempt_id,
                )
                .limit(1)
            ).scalar_one_or_none()
