"""Rules of people: they ask, approve, release, count and take back, in turn and out of turn."""

from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.imprest import Store
from pettycash.models.ledger import LedgerAccount
from pettycash.models.payments import Payment, PaymentAttempt
from pettycash.models.releases import CashAcknowledgement, PaymentExecution
from pettycash.models.requisitions import IN_APPROVAL, Requisition
from pettycash.runtime import db
from pettycash.runtime.rails import Method
from pettycash.services import payments, requisitions
from pettycash.services.approvals import rounds
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import treasury_validation
from pettycash.services.requisitions import deciding
from tests.factories import payments as making
from tests.factories import requisitions as asking
from tests.model.disaster import Disaster
from tests.model.memory import Ready, Released, pick, play, which

AMOUNTS = ("700.00", "1500.00", "4000.00", "9000.00", "21000.00")
"""The largest needs three approvals, and two of it are more than the store has."""

M, C = Method.MPESA, Method.CASH
STOCK = (
    *(("9000.00", M), ("1500.00", C), ("1500.00", M), ("21000.00", M), ("700.00", M)),
    *(("4000.00", C), ("4000.00", M), ("21000.00", M), ("9000.00", M)),
)

TREASURY = ("treasury_2", "treasury_3", "treasury", "cfo")
CUSTODIANS = ("custodian", "custodian_2", "custodian_mombasa")
OFFICERS = ("treasury", "treasury_2", "treasury_3")
KEEPERS = ("custodian", "custodian_2")
"""Who may release: the cfo only where no treasury officer is left, and others never."""

ANYBODY = (*TREASURY, *CUSTODIANS, "staff", "branch_manager", "operator")
RECIPIENT = "+254712345678"

STEPS = (
    "approve",
    "approve",
    "approve",
    "validate",
    "validate",
    "recall",
    "cancel",
    "put_on_hold",
    "take_off_hold",
    "return_to_requester",
    "close_short",
)

amounts = st.sampled_from(AMOUNTS)
strangers = st.sampled_from((None, None, None, "staff", "cfo", "treasury", "treasury_2"))
methods = st.sampled_from((Method.MPESA, Method.MPESA, Method.CASH))


class People(Disaster):
    """Requisitions, releases and cash."""

    @play(amount=amounts, method=methods, by=st.sampled_from(("staff", "staff_2")))
    def somebody_asks_for_money(self, amount: str, method: Method, by: str) -> None:
        """Raise and submit."""
        made = self.tries(partial(self._submitted, amount=amount, method=method, by=by))
        if made is not None:
            self.memory.requisitions.append(made.id)

    @precondition(lambda self: self.memory.requisitions)
    @play(index=which, step=st.sampled_from(STEPS), splits=st.booleans(), out_of_turn=strangers)
    def a_requisition_moves_on(
        self, index: int, step: str, splits: bool, out_of_turn: str | None
    ) -> None:
        """Approved by whose turn it is, validated, or taken back; or by somebody else."""
        requisition_id = pick(self.memory.requisitions, index)
        if step == "approve":
            self.tries(
                partial(self._approve, requisition_id=requisition_id, out_of_turn=out_of_turn)
            )
        elif step == "validate":
            by = out_of_turn or "treasury"
            work = partial(self._validate, requisition_id=requisition_id, splits=splits, by=by)
            self.memory.payments.extend(each.id for each in self.tries(work) or ())
        else:
            usual = "staff" if step in ("recall", "cancel") else "treasury"
            self.tries(
                lambda session: getattr(requisitions, step)(
                    Uow.of(session, self.actor(out_of_turn or usual)),
                    requisition_id=requisition_id,
                    comment="Because.",
                )
            )

    @precondition(lambda self: self.memory.stock)
    @play(index=which)
    def a_payment_is_ready(self, index: int) -> None:
        """One of those that waited for their release before the example began."""
        ready = pick(self.memory.stock, index)
        self.memory.stock.remove(ready)
        self.memory.requisitions.append(ready.requisition_id)
        self.memory.payments.append(ready.payment_id)

    def prepare(self) -> tuple[Ready, ...]:
        """Raise, approve and validate what the examples find ready."""
        with db.scope(company_id=self.company, source="model"), db.transaction() as session:
            return tuple(self._ready(session, amount, method) for amount, method in STOCK)

    def _ready(self, session: Session, amount: str, method: Method) -> Ready:
        made = self._submitted(session, amount=amount, method=method, by="staff")
        while made.status in IN_APPROVAL:
            self._approve(session, made.id)
        (payment,) = self._validate(session, made.id, splits=False, by="treasury")
        return Ready(requisition_id=made.id, payment_id=payment.id)

    @precondition(lambda self: self.memory.payments)
    @play(index=which, by=st.sampled_from(ANYBODY))
    def a_code_is_asked_for(self, index: int, by: str) -> None:
        """And sent, as the worker sends it."""
        payment_id = pick(self.memory.payments, index)
        code = self.tries(partial(self._code, payment_id=payment_id, by=by))
        if code is not None:
            self.memory.codes[payment_id] = code

    @precondition(lambda self: self.memory.codes)
    @play(index=which, is_right=st.booleans(), by=st.sampled_from(ANYBODY))
    def a_code_is_told(self, index: int, is_right: bool, by: str) -> None:
        """By who was sent it or by somebody else; right, or one off."""
        payment_id = pick(list(self.memory.codes), index)
        code = self.memory.codes[payment_id]
        if not is_right:
            code = f"{(int(code) + 1) % 1_000_000:06d}"
        if self.tries(partial(self._verify, payment_id=payment_id, code=code, by=by)):
            assert is_right, "a wrong code was taken for the right one"
            self.memory.grants[payment_id] = by

    @precondition(lambda self: self.memory.payments)
    @play(index=which, by=st.sampled_from(ANYBODY))
    def a_payment_is_executed(self, index: int, by: str) -> None:
        """By anybody, as often as they like; it takes a code that they told, and spends it."""
        payment_id = pick(self.memory.payments, index)
        released = self.tries(partial(self._execute, payment_id=payment_id, by=by))
        if released is not None:
            assert self.memory.grants.get(payment_id) == by, "released without one's own code"
        self._keep(released, by=by)

    @precondition(lambda self: self.memory.payments)
    @play(index=which, by=st.sampled_from(("treasury_2", "treasury_2", "treasury_3", "custodian")))
    def a_payment_is_released(self, index: int, by: str) -> None:
        """Code, grant and execution by one person, without a detour; also a further attempt."""
        self.release(pick(self.memory.payments, index), by)

    def release(self, payment_id: UUID, by: str) -> None:
        """All that it takes, in one unit of work."""

        def work(session: Session) -> Released:
            code = self._code(session, payment_id, by=by)
            self._verify(session, payment_id, code=code, by=by)
            return self._execute(session, payment_id, by=by)

        self._keep(self.tries(work), by=by)

    @precondition(lambda self: self.memory.payments)
    @play(
        index=which,
        how=st.sampled_from(("cancel", "unlock", "assign")),
        by=st.sampled_from((*TREASURY, *CUSTODIANS)),
        to=st.sampled_from(TREASURY),
    )
    def a_payment_is_seen_to(self, index: int, how: str, by: str, to: str) -> None:
        """Cancelled, also cash that nobody collects; unlocked; given to somebody to release."""
        payment_id = pick(self.memory.payments, index)
        if how == "cancel":
            self._act(payments.cancel, payment_id, by)
        elif how == "unlock":
            self._act(payments.unlock_release, payment_id, by)
        else:
            executor_id = self.actor(to).user_id
            self._act(payments.assign_executor, payment_id, by, executor_id=executor_id)

    @precondition(lambda self: any(each.is_cash for each in self.memory.released.values()))
    @play(index=which, is_right=st.booleans(), by=st.sampled_from(CUSTODIANS))
    def cash_is_acknowledged(self, index: int, is_right: bool, by: str) -> None:
        """The recipient tells their code, or another one."""
        released = pick([e for e in self.memory.released.values() if e.is_cash], index)

        def work(session: Session) -> bool:
            row = session.execute(
                select(CashAcknowledgement)
                .join(PaymentExecution, PaymentExecution.id == CashAcknowledgement.execution_id)
                .where(PaymentExecution.originator_reference == released.reference)
            ).scalar_one()
            row.claimed_at = None  # whoever sent the code before is long gone
            message = payments.make_acknowledgement_code(
                session, acknowledgement_id=row.id, now=session.info["now"]
            )
            code = message.text.split()[0] if message is not None and is_right else "000000"
            # Only the newest voucher of a payment can be waiting.
            refusal = payments.acknowledge(
                Uow.of(session, self.actor(by)), payment_id=released.payment_id, code=code
            )
            return refusal is None

        if self.tries(work):
            newest = self.newest_release(released.payment_id)
            assert newest == released, "a voucher that was void has been acknowledged"
            self.memory.acknowledged.add(released.attempt_id)

    def _act(self, service: Any, payment_id: UUID, by: str, **more: Any) -> Any:
        return self.tries(
            lambda session: service(Uow.of(session, self.actor(by)), payment_id=payment_id, **more)
        )

    def _submitted(self, session: Session, *, amount: str, method: Method, by: str) -> Requisition:
        actor, now = self.actor(by), session.info["now"]
        destination = RECIPIENT if method is Method.CASH else asking.PHONE
        draft = asking.a_draft(amount, method=method, destination=destination)
        uow = Uow(session, actor, now)
        made = requisitions.create(uow, draft=draft)
        return requisitions.submit(uow, requisition_id=made.id)

    def _approve(
        self, session: Session, requisition_id: UUID, out_of_turn: str | None = None
    ) -> None:
        requisition = session.get_one(Requisition, requisition_id, populate_existing=True)
        if rounds.latest(session, requisition_id) is None:
            return
        waits = requisition.status in IN_APPROVAL
        turn = asking.waiting_for(session, requisition) if waits else "branch_manager"
        deciding.approve(
            Uow.of(session, self.actor(out_of_turn or turn)),
            requisition_id=requisition_id,
            digest=asking.digest(session, requisition_id),
        )

    def _validate(
        self, session: Session, requisition_id: UUID, *, splits: bool, by: str
    ) -> list[Payment]:
        if rounds.latest(session, requisition_id) is None:
            return []
        amount = session.get_one(Requisition, requisition_id).amount
        part = Decimal(500)
        parts = [payments.PaymentPart(amount=part), payments.PaymentPart(amount=amount - part)]
        _, made = treasury_validation.validate(
            Uow.of(session, self.actor(by)),
            requisition_id=requisition_id,
            digest=asking.digest(session, requisition_id),
            parts=parts if splits else None,
        )
        return made

    def _code(self, session: Session, payment_id: UUID, *, by: str) -> str:
        challenge = payments.send_code(Uow.of(session, self.actor(by)), payment_id=payment_id)
        return making.sent_code(session, challenge.id)

    def _verify(self, session: Session, payment_id: UUID, *, code: str, by: str) -> bool:
        # A refusal is part of the result and its try is counted: it must not be rolled back.
        result = payments.verify_code(
            Uow.of(session, self.actor(by)), payment_id=payment_id, code=code
        )
        return result.refusal is None

    def _execute(self, session: Session, payment_id: UUID, *, by: str) -> Released:
        payment, execution = payments.execute(
            Uow.of(session, self.actor(by)), payment_id=payment_id
        )
        attempt_id = session.execute(
            select(PaymentAttempt.id).where(PaymentAttempt.execution_id == execution.id)
        ).scalar_one()
        account = session.execute(
            select(LedgerAccount)
            .join(Store, Store.account_id == LedgerAccount.id)
            .where(Store.id == payment.store_id)
            .execution_options(populate_existing=True)
        ).scalar_one()
        assert account.balance - account.held >= account.floor, "a hold went below the floor"
        self.check_lost(session, payment, execution.originator_reference)
        return Released(
            attempt_id=attempt_id,
            payment_id=payment.id,
            requisition_id=payment.requisition_id,
            number=execution.attempt_number,
            reference=execution.originator_reference,
            amount=execution.amount,
            destination=payment.destination,
            store_id=payment.store_id,
            is_cash=payment.method is Method.CASH,
        )

    def _keep(self, released: Released | None, *, by: str) -> None:
        if released is None:
            return
        may = KEEPERS if released.is_cash else OFFICERS
        assert by in may, f"released by {by}"
        for each in self.memory.doubted:
            order = self.order_of(self.memory.released[each])
            is_refused = order is not None and order.state == "refused"
            assert self.memory.released[each].payment_id != released.payment_id or is_refused, (
                "released anew while the rail may have what two people called unpaid"
            )
        self.memory.released[released.attempt_id] = released
        self.memory.grants.pop(released.payment_id, None)
