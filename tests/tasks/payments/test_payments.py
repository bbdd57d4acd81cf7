"""Tasks of payments: run twice, run at once, killed at any line; one movement, one entry."""

import contextvars
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.gateways.base import Asked, Outcome, OutcomeKind, PayoutInstruction
from pettycash.gateways.flight import Deadline
from pettycash.models.imprest import ProviderAccount
from pettycash.models.ledger import Hold, JournalEntry, LedgerAccount
from pettycash.models.operations import PauseScope
from pettycash.models.payments import AttemptState, CallbackPurpose, Payment, PaymentStatus
from pettycash.runtime import db
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import pauses
from pettycash.services.payments import (
    callback_addresses,
    callbacks,
    case_resolutions,
    provider_accounts,
    settlement,
)
from pettycash.services.payments.callback_addresses import About
from pettycash.services.payments.case_resolutions import CaseProposal, Ending
from pettycash.tasks import payments as tasks
from tests.factories import payments as making
from tests.factories import rails, working
from tests.factories.people import acting, company_id
from tests.races import together
from tests.servers import Database

S, A = PaymentStatus, AttemptState


class Killed(BaseException):
    """What SIGKILL is to a process: nothing of ours runs after it."""


class HonestRail(rails.FakeGateway):
    """Moves money once per reference, as B2C v3 does, and tells the truth when it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.moved: dict[str, int] = {}
        self.dies: str = ""
        self.seconds_left: float | None = None
        self.answer = rails.ACCEPTED

    def submit(
        self, instruction: PayoutInstruction, *, leave_by: Deadline | None = None
    ) -> Outcome:
        self.sent.append(instruction)
        self.seconds_left = leave_by.remaining() if leave_by else None
        if self.dies == "before":
            raise Killed
        known = instruction.originator_reference in self.moved
        self.moved.setdefault(instruction.originator_reference, 1)
        if self.dies == "after":
            raise Killed
        return rails.LOST if known else self.answer

    def query(self, instruction: PayoutInstruction, **_ids: str | None) -> Outcome | Asked:
        self.asked.append(instruction)
        if instruction.originator_reference not in self.moved:
            return rails.outcome(OutcomeKind.IN_DOUBT, code="unknown_id")
        return rails.proof(
            instruction,
            receipt=f"R{instruction.originator_reference[-9:]}".upper(),
            fee=Decimal(0),
        )


@pytest.fixture
def rail(live: Database) -> HonestRail:
    gateway = HonestRail()
    rails.serve(gateway)
    return gateway


@pytest.fixture
def company(rail: HonestRail) -> Iterator[UUID]:
    found = company_id("DEMO")
    with db.scope(company_id=found, source="test"):
        yield found


@pytest.fixture
def payment(company: UUID) -> Payment:
    with db.transaction() as session:
        return making.executing(session)


def now_of(payment: Payment) -> Payment:
    with db.transaction() as session:
        return session.get_one(Payment, payment.id)


def attempt_id(payment: Payment) -> UUID:
    with db.transaction() as session:
        return making.attempt_of(session, payment).id


def state(payment: Payment) -> AttemptState:
    with db.transaction() as session:
        return making.attempt_of(session, payment).state


def check_books(payment: Payment, rail: HonestRail) -> None:
    """One movement at the rail, one entry, nothing held, balances as postings say."""
    assert list(rail.moved.values()) == [1]
    references = {each.originator_reference for each in rail.sent}
    assert len(references) == 1, "never under a new reference"
    with db.transaction() as session:
        assert making.entries(session, payment) == ["expense"]
        assert making.open_holds(session, payment) == 0
        held = session.execute(select(LedgerAccount.held)).scalars()
        assert sum(held, Decimal(0)) == sum(
            session.execute(select(Hold.amount).where(Hold.state == "open")).scalars(), Decimal(0)
        )
        assert session.execute(
            select(JournalEntry.id).where(JournalEntry.source == f"payment:{payment.id}:settled")
        ).scalar_one()


def test_time_that_passes_before_the_first_byte_is_taken_from_the_call(
    rail: HonestRail, payment: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standing still after `sending` was committed: whoever comes back late sends nothing."""
    frozen = 40.0

    def stand_still(point: str) -> None:
        if point == "payments.sending":
            now = time.time()
            monkeypatch.setattr(time, "time", lambda: now + frozen)

    monkeypatch.setattr(tasks, "crash_point", stand_still)
    working.work("payments.submit")

    assert [each.amount for each in rail.sent] == [payment.amount]
    assert rail.seconds_left is not None
    assert -7.25 < rail.seconds_left <= -6.25, "33.75 s from before the commit, less the 40 s"


def deliver(payment: Payment, purpose: CallbackPurpose, body: bytes) -> UUID:
    """Put a callback into the inbox, as the API does."""
    attempt = attempt_id(payment)
    assert payment.provider_account_id is not None
    about = About(attempt_id=attempt, account_id=payment.provider_account_id, purpose=purpose)
    slug, secret = callback_addresses.slug_of(about), callback_addresses.secret_of(about)
    with db.system_transaction() as session:
        address = callbacks.locate(session, slug=slug, secret=secret, remote_address=None)
    with db.scope(company_id=address.company_id), db.transaction() as session:
        return callbacks.receive(
            session,
            address=address,
            body=body,
            content_type="application/json",
            remote_address="192.0.2.1",
        )


def success_body(payment: Payment, **more: Any) -> bytes:
    facts = {
        "kind": "settled",
        "provider_reference": f"R{(payment.originator_reference or '')[-9:]}".upper(),
        "originator_reference": payment.originator_reference,
        "amount": str(payment.amount),
        "destination": payment.destination,
    }
    return json.dumps(facts | more).encode()


def test_a_payment_goes_from_release_to_proof(payment: Payment, rail: HonestRail) -> None:
    ran = working.work("payments.submit", "payments.resolve")
    assert (ran, state(payment)) == (["payments.submit"], A.ACCEPTED)

    working.wait(21)
    ran = working.work("payments.resolve")

    assert ran == ["payments.resolve"]
    assert now_of(payment).status is S.SUCCESS
    check_books(payment, rail)
    assert working.work("payments.submit", "payments.resolve") == []


def test_run_again_a_sending_sends_nothing(payment: Payment, rail: HonestRail) -> None:
    key = attempt_id(payment)
    for _ in range(3):
        working.run_one("payments.submit", key)

    assert len(rail.sent) == 1


def test_two_workers_and_eight_send_once(payment: Payment, rail: HonestRail) -> None:
    key = attempt_id(payment)

    results = together([partial(working.run_one, "payments.submit", key) for _ in range(8)])

    assert [each for each in results if each is not None] == []
    assert len(rail.sent) == 1


def test_callbacks_and_questions_at_once_have_one_effect(
    payment: Payment, rail: HonestRail
) -> None:
    working.work("payments.submit")
    key = attempt_id(payment)
    first = deliver(payment, CallbackPurpose.RESULT, success_body(payment))
    second = deliver(payment, CallbackPurpose.RESULT, success_body(payment, code="again"))
    third = deliver(payment, CallbackPurpose.QUERY_RESULT, success_body(payment))
    working.wait(21)

    together(
        [
            partial(working.run_one, topic, about)
            for topic, about in (
                ("callbacks.process", first),
                ("callbacks.process", second),
                ("callbacks.process", third),
                ("payments.resolve", key),
            )
            for _ in range(3)
        ]
    )
    working.work("callbacks.process", "payments.resolve")

    assert now_of(payment).status is S.SUCCESS
    check_books(payment, rail)


def test_a_paused_payment_is_not_sent_and_goes_on_afterwards(
    payment: Payment, rail: HonestRail
) -> None:
    with db.transaction() as session:
        stopped = pauses.pause(
            Uow.of(session, acting(session, "operator")),
            scope=PauseScope.COMPANY,
            object_id=None,
            reason="test",
        )
    working.work("payments.submit")
    assert (rail.sent, state(payment)) == ([], A.QUEUED)

    for who in ("operator", "cfo"):
        with db.transaction() as session:
            pauses.resume(Uow.of(session, acting(session, who)), pause_id=stopped.id)
    working.work("payments.submit")

    assert len(rail.sent) == 1


Stop = Callable[[Payment], Callable[[], None]]
"""Lets a payment stand still; what it returns lets it go on."""


def stop_by_pause(scope: PauseScope) -> Stop:
    def stop(payment: Payment) -> Callable[[], None]:
        object_id = {
            PauseScope.COMPANY: None,
            PauseScope.STORE: payment.store_id,
            PauseScope.PROVIDER_ACCOUNT: payment.provider_account_id,
        }[scope]
        with db.transaction() as session:
            stopped = pauses.pause(
                Uow.of(session, acting(session, "operator")),
                scope=scope,
                object_id=object_id,
                reason="test",
            ).id

        def resume() -> None:
            for who in ("operator", "cfo"):
                with db.transaction() as session:
                    pauses.resume(Uow.of(session, acting(session, who)), pause_id=stopped)

        return resume

    return stop


def stop_everything(_payment: Payment) -> Callable[[], None]:
    with db.system_transaction() as session:
        pauses.pause_everything(session, reason="test", by="one")

    def resume() -> None:
        for who in ("one", "two"):
            with db.system_transaction() as session:
                pauses.resume_everything(session, by=who, now=session.info["now"])

    return resume


def switch_off(payment: Payment) -> Callable[[], None]:
    def switch(is_active: bool) -> None:
        with db.transaction() as session:
            account = db.lock(session, ProviderAccount, payment.provider_account_id)
            assert account is not None
            provider_accounts.change(
                Uow.of(session, acting(session, "admin")),
                account=account,
                changes={"is_active": is_active, "base_url": "https://sandbox.safaricom.co.ke"},
            )

    switch(False)
    return partial(switch, True)


def block(payment: Payment) -> Callable[[], None]:
    with db.transaction() as session:
        settlement.contradict(
            session, payment=session.get_one(Payment, payment.id), summary="Look.", evidence={}
        )

    def end_the_case() -> None:
        proposal = CaseProposal(ending=Ending.NOTED, note="A mistake of ours.")
        with db.transaction() as session:
            case_id = session.get_one(Payment, payment.id).blocked_by_case_id
            assert case_id is not None
            now = session.info["now"]
            case = case_resolutions.propose(
                Uow(session, acting(session, "treasury_3"), now), case_id=case_id, proposal=proposal
            )
        with db.transaction() as session:
            now = session.info["now"]
            case_resolutions.confirm(
                Uow(session, acting(session, "cfo"), now), case_id=case.id, version=case.version
            )

    return end_the_case


STOPS: Mapping[str, Stop] = {
    **{each.value: stop_by_pause(each) for each in PauseScope},
    "all": stop_everything,
    "kill switch": switch_off,
    "case": block,
}


@pytest.mark.parametrize("how", STOPS)
def test_what_stands_still_is_left_alone_and_goes_on_at_once(
    payment: Payment, rail: HonestRail, how: str
) -> None:
    """It was looked at seven times a minute, for as long as the pause was."""
    go_on = STOPS[how](payment)
    ran: list[str] = []
    for _ in range(60):
        ran += working.work("payments.submit", "payments.resolve")
        working.wait(10)
    assert len(ran) <= 4, f"{len(ran)} tasks in ten minutes"
    assert (rail.sent, state(payment)) == ([], A.QUEUED)

    go_on()
    working.work("payments.submit", "payments.resolve")
    assert (len(rail.sent), state(payment)) == (1, A.ACCEPTED)

    working.wait(21)
    working.work("payments.submit", "payments.resolve")
    assert now_of(payment).status is S.SUCCESS, "it is asked about as soon as any other"


def test_who_puts_it_off_waits_for_who_lets_it_go_on(payment: Payment, rail: HonestRail) -> None:
    """A sending that has read of the pause, while the second person ends it."""
    with db.transaction() as session:
        stopped = pauses.pause(
            Uow.of(session, acting(session, "operator")),
            scope=PauseScope.COMPANY,
            object_id=None,
            reason="test",
        ).id
    with db.transaction() as session:
        pauses.resume(Uow.of(session, acting(session, "operator")), pause_id=stopped)
    looked = threading.Event()
    worker = threading.Thread(
        target=contextvars.copy_context().run,
        args=(lambda: (looked.set(), working.run_one("payments.submit", attempt_id(payment))),),
    )
    with db.transaction() as session:
        pauses.resume(Uow.of(session, acting(session, "cfo")), pause_id=stopped)
        session.flush()
        worker.start()
        assert looked.wait(5)
        time.sleep(0.7)  # it has found the pause that is not over yet
    worker.join(10)

    assert len(rail.sent) == 1


def test_questions_and_callbacks_go_on_while_paused(payment: Payment, rail: HonestRail) -> None:
    working.work("payments.submit")
    with db.transaction() as session:
        pauses.pause(
            Uow.of(session, acting(session, "operator")),
            scope=PauseScope.COMPANY,
            object_id=None,
            reason="test",
        )
    deliver(payment, CallbackPurpose.RESULT, success_body(payment))

    working.work("callbacks.process")

    assert now_of(payment).status is S.SUCCESS


PERMUTATIONS = 12


def test_callback_permutations_of_early_dup_late_drop_and_forge_have_one_effect(
    company: UUID, rail: HonestRail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some before the answer to the sending, some after it, one never: as the rail says at last."""
    send = rail.submit
    for seed in range(PERMUTATIONS):
        chance = random.Random(seed)
        with db.transaction() as session:
            payment = making.executing(session, "100.00")
        bodies = calls(payment)
        chance.shuffle(bodies)
        bodies.pop()
        early = chance.randrange(len(bodies))

        def submit(
            instruction: PayoutInstruction,
            *,
            leave_by: Deadline | None = None,
            payment: Payment = payment,
            calls: Sequence[bytes] = bodies[:early],
        ) -> Outcome:
            answer = send(instruction, leave_by=leave_by)
            for body in calls:
                deliver(payment, CallbackPurpose.RESULT, body)
            return answer

        monkeypatch.setattr(rail, "submit", submit)
        rail.moved.clear()
        rail.sent.clear()
        working.work("payments.submit")
        for body in bodies[early:]:
            deliver(payment, CallbackPurpose.RESULT, body)
            if chance.random() < 0.5:
                working.work("callbacks.process", "payments.resolve")
        working.wait(60)
        working.work("callbacks.process", "payments.resolve")
        check_books(payment, rail)


def calls(payment: Payment) -> list[bytes]:
    """What may be said of a payment that was made: true, twice, wrong, forged, unreadable."""
    truth = success_body(payment)
    return [
        truth,
        truth,
        success_body(payment, amount="5.00"),
        success_body(payment, destination="254799999999"),
        success_body(payment, originator_reference="T-unknown"),
        success_body(payment, kind="rejected"),
        success_body(payment, kind="in_doubt"),
        b"{",
    ]


def test_callback_before_the_answer_waits_for_it(payment: Payment, rail: HonestRail) -> None:
    """Its own id is all it names, and that is learned from the answer."""
    body = success_body(payment, originator_reference=None, conversation_id="AG_1")
    original = rail.submit

    def early(instruction: PayoutInstruction, **_: object) -> Outcome:
        inbox = deliver(payment, CallbackPurpose.RESULT, body)
        working.run_one("callbacks.process", inbox)
        return original(instruction)

    rail.submit = early  # type: ignore[method-assign]
    working.work("payments.submit")
    assert now_of(payment).status is S.EXECUTING

    working.wait(3)
    working.work("callbacks.process")

    assert now_of(payment).status is S.SUCCESS


# crashes


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, *, at: int, when: str) -> Iterator[None]:
    """Die before or after the commit of the n-th transaction of a task."""
    count = 0
    original = db.transaction

    @contextmanager
    def transaction() -> Iterator[Session]:
        nonlocal count
        count += 1
        is_it = count == at
        with original() as session:
            yield session
            if is_it and when == "before":
                raise Killed
        if is_it:
            raise Killed

    def in_transaction(work: Callable[[Session], Any]) -> Any:
        with transaction() as session:
            return work(session)

    with monkeypatch.context() as patched:
        patched.setattr(tasks.db, "transaction", transaction)
        patched.setattr(tasks.db, "in_transaction", in_transaction)
        yield


CRASHES = [(at, when) for at in (1, 2, 3) for when in ("before", "after")]


def recover(payment: Payment) -> None:
    """Let leases end, questions be asked, and silence be met with a repeat."""
    for seconds in (60, 60, 300, 600, 900):
        if now_of(payment).status is S.SUCCESS:
            return
        working.wait(seconds)
        working.work("payments.submit", "payments.resolve")


@pytest.mark.parametrize(("at", "when"), CRASHES)
def test_killed_at_any_commit_of_the_sending_it_is_paid_once(
    payment: Payment, rail: HonestRail, monkeypatch: pytest.MonkeyPatch, at: int, when: str
) -> None:
    with dying(monkeypatch, at=at, when=when), pytest.raises(Killed):
        working.run_one("payments.submit", attempt_id(payment))

    recover(payment)

    assert now_of(payment).status is S.SUCCESS
    check_books(payment, rail)


@pytest.mark.parametrize("dies", ["before", "after"])
def test_killed_while_the_bytes_leave_it_is_paid_once(
    payment: Payment, rail: HonestRail, dies: str
) -> None:
    rail.dies = dies
    with pytest.raises(Killed):
        working.run_one("payments.submit", attempt_id(payment))
    assert state(payment) is A.SENDING
    rail.dies = ""

    recover(payment)

    assert now_of(payment).status is S.SUCCESS
    check_books(payment, rail)
    if dies == "after":
        assert len(rail.sent) == 1, "what may have been paid is asked about, not sent again"


@pytest.mark.parametrize(("at", "when"), [(1, "before"), (1, "after"), (2, "before"), (2, "after")])
def test_killed_while_asking_it_is_paid_once(
    payment: Payment, rail: HonestRail, monkeypatch: pytest.MonkeyPatch, at: int, when: str
) -> None:
    working.work("payments.submit")
    working.wait(21)
    with dying(monkeypatch, at=at, when=when), pytest.raises(Killed):
        working.run_one("payments.resolve", attempt_id(payment))

    recover(payment)

    assert now_of(payment).status is S.SUCCESS
    check_books(payment, rail)


def test_poison_message_is_dead_lettered_with_a_case(payment: Payment, rail: HonestRail) -> None:
    rail.dies = "before"
    key = attempt_id(payment)
    job = working.message_id("payments.resolve", key)
    working.wait(400)

    def killed(instruction: PayoutInstruction, **_ids: str | None) -> Outcome:
        raise Killed

    with pytest.raises(Killed):
        working.run_one("payments.submit", key)
    rail.query = killed  # type: ignore[method-assign,assignment]
    working.wait(60)
    for _ in range(50):
        working.wait(901)
        with pytest.raises(Killed):
            tasks.resolve(messages=[str(job)])
    working.wait(901)
    tasks.resolve(messages=[str(job)])

    with db.transaction() as session:
        dead = making.outbox_message(session, "payments.resolve", key)
        assert dead is not None
        assert dead.dead_lettered_at is not None
        assert "dead_letter" in making.open_cases(session, dead.id)


def test_an_error_is_kept_and_comes_again(payment: Payment, rail: HonestRail) -> None:
    def broken(instruction: PayoutInstruction, **_: object) -> Outcome:
        raise RuntimeError("the adapter has a bug")

    healthy, rail.submit = rail.submit, broken  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        working.run_one("payments.submit", attempt_id(payment))
    with db.transaction() as session:
        enqueued = making.outbox_message(session, "payments.submit", attempt_id(payment))
        assert enqueued is not None
        assert (enqueued.failures, enqueued.last_error) == (
            1,
            "RuntimeError: the adapter has a bug",
        )
    rail.submit = healthy  # type: ignore[method-assign]

    recover(payment)

    assert now_of(payment).status is S.SUCCESS
    check_books(payment, rail)
