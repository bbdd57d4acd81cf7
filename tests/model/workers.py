"""Rules of workers and of the relay: any step at any time, twice, late, or never."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.gateways.base import OutcomeKind
from pettycash.models.operations import OutboxMessage
from pettycash.models.payments import ON_THE_WAY, AttemptState, Payment, PaymentAttempt
from pettycash.runtime import db, settings
from pettycash.services import payments
from pettycash.services.payments.claiming import SENDING_SHARE
from pettycash.services.payments.results import ReportEffect
from pettycash.tasks import payments as callback_tasks
from pettycash.tasks import payments as payment_tasks
from pettycash.tasks import reconciliation as night_tasks
from pettycash.tasks import releases as otp_tasks
from tests.factories import rails, working
from tests.model.memory import Asking, Player, Released, Worker, pick, play, which
from tests.model.rail import Answering, Submitting, now

TASKS = {
    "payments.submit": payment_tasks.submit,
    "payments.resolve": payment_tasks.resolve,
    "callbacks.process": callback_tasks.process,
    "otp.expire": otp_tasks.expire,
    "reconciliation.run": night_tasks.run,
}
"""What runs without a network; codes are made and read by the rules of people."""

BEYOND_A_LEASE_SECONDS = 46.0
STANDS_STILL_SECONDS = (BEYOND_A_LEASE_SECONDS, 7 * 3_600.0, 25 * 3_600.0, 3 * 86_400.0)
UNTIL_SENT_AGAIN_SECONDS = (901.0, 901.0)
"""A question at the longest interval, and another one: then it may be sent again."""
UNTIL_A_CASE_SECONDS = (61.0, 6 * 60.0, 11 * 60.0, 61 * 60.0)

SENT_AGAIN = frozenset({AttemptState.UNKNOWN, AttemptState.QUEUED})

ROUNDS_MAX = 50
"""How often the relay may come round before what it runs must have come to an end for now."""

submitting = st.sampled_from(Submitting)
answering = st.sampled_from(Answering)


class Workers(Player):
    """Sending and asking, step by step."""

    @precondition(lambda self: self.sendings())
    @play(index=which)
    def a_worker_claims(self, index: int) -> None:
        """What waits to be sent; or else what was delivered twice, or long after it was wanted."""
        states = self.memory.states
        waits = [e for e in self.sendings() if states.get(e.attempt_id, "queued") == "queued"]
        self._claims(pick(waits or self.sendings(), index))

    @precondition(lambda self: self.at("claimed"))
    @play(index=which)
    def a_worker_marks_that_it_sends(self, index: int) -> None:
        """The last commit before the first byte, however long after the claim."""
        self._marks(pick(self.at("claimed"), index))

    @precondition(lambda self: self.at("sending"))
    @play(index=which, how=submitting)
    def a_worker_sends(self, index: int, how: Submitting) -> None:
        """The call itself; no transaction is open."""
        self._sends(pick(self.at("sending"), index), how)

    @precondition(lambda self: self.at("answered"))
    @play(index=which)
    def a_worker_records(self, index: int) -> None:
        """What it was answered, however long ago."""
        worker = pick(self.at("answered"), index)
        self.memory.workers.remove(worker)
        self._records(worker)

    # Hypothesis draws among names, and whoever has four is drawn four times as often: single steps
    # matter for as long as a worker is between two of them.
    claims_2 = a_worker_claims
    marks_2 = marks_3 = marks_4 = a_worker_marks_that_it_sends
    sends_2 = sends_3 = sends_4 = a_worker_sends
    records_2 = records_3 = records_4 = a_worker_records

    @precondition(lambda self: self.sendings())
    @play(
        index=which,
        has_marked=st.booleans(),
        seconds=st.sampled_from(STANDS_STILL_SECONDS),
        how=submitting,
        then=submitting,
    )
    def a_worker_sleeps_beyond_its_lease(
        self, index: int, has_marked: bool, seconds: float, how: Submitting, then: Submitting
    ) -> None:
        """Another one takes over meanwhile; the first wakes up and goes on where it was."""
        released = pick(self.sendings(), index)
        worker = self._claims(released)
        if worker is None:
            return
        if has_marked:
            self._marks(worker)
        self.ground.wait(seconds)
        self.rail.submitting = how
        self.run("payments.submit", released)
        if worker in self.at("claimed"):
            self._marks(worker)
        if worker in self.at("sending"):
            self._sends(worker, then)

    @precondition(lambda self: self.memory.workers)
    @play(index=which)
    def a_worker_dies(self, index: int) -> None:
        """Wherever it was; what it knew is gone."""
        self.memory.workers.remove(pick(self.memory.workers, index))

    @precondition(lambda self: self.sendings())
    @play(index=which, how=submitting)
    def a_worker_does_all_of_it(self, index: int, how: Submitting) -> None:
        """The task from its message to its record."""
        self.rail.submitting = how
        self.run("payments.submit", pick(self.sendings(), index))

    @precondition(lambda self: self.sendings())
    @play(index=which)
    def somebody_begins_to_ask(self, index: int) -> None:
        """Whether its turn has come or not."""
        attempt_id = pick(self.sendings(), index).attempt_id
        question = self.tries(
            lambda session: payments.next_question(
                session, attempt_id=attempt_id, now=session.info["now"]
            )
        )
        if question is not None:
            self.memory.questions.append(Asking(question=question))

    @precondition(lambda self: self.asked(is_answered=False))
    @play(index=which, how=answering)
    def a_question_is_answered(self, index: int, how: Answering) -> None:
        """However long after it was asked; nobody has read the answer yet."""
        asking = pick(self.asked(is_answered=False), index)
        self.rail.answering = how
        asking.answer = self.rail.query(asking.question.instruction)

    @precondition(lambda self: self.asked(is_answered=True))
    @play(index=which, is_heard=st.sampled_from((True, True, True, False)))
    def an_answer_is_recorded(self, index: int, is_heard: bool) -> None:
        """Whatever has happened since it was given; or whoever asked is gone."""
        asking = pick(self.asked(is_answered=True), index)
        self.memory.questions.remove(asking)
        if is_heard:
            self.tries(
                lambda session: payments.record_answer(
                    session,
                    question=asking.question,
                    answer=asking.answer,
                    now=session.info["now"],
                )
            )

    answers_2 = answers_3 = a_question_is_answered
    is_heard_2 = is_heard_3 = an_answer_is_recorded

    @precondition(lambda self: self.sendings())
    @play(index=which, seconds=st.sampled_from(STANDS_STILL_SECONDS), how=submitting)
    def a_repeat_leaves_late(self, index: int, seconds: float, how: Submitting) -> None:
        """The rail does not answer, so it is sent again: by a worker that has its time."""
        released = pick(self.sendings(), index)
        for passing in UNTIL_SENT_AGAIN_SECONDS:
            self.ground.wait(passing)
            self.rail.answering = Answering.LOST
            self.run("payments.resolve", released)
        self.ground.wait(seconds)
        self.rail.submitting = how
        self.run("payments.submit", released)

    @precondition(lambda self: self.sendings())
    @play()
    def the_rail_keeps_silent_until_people_look(self) -> None:
        """What is sent gets lost, and what is asked."""
        self.keep_silent()

    def keep_silent(self) -> None:
        """Until there is a case of everything that is on its way."""
        for passing in UNTIL_A_CASE_SECONDS:
            self.ground.wait(passing)
            self.rail.answering = Answering.LOST
            self.run_due(Submitting.LOST_BEFORE)

    @precondition(lambda self: self.sendings())
    @play(index=which, how=answering, by_hand=st.booleans())
    def the_rail_is_asked(self, index: int, how: Answering, by_hand: bool) -> None:
        """The whole task; now, if a person wants to know."""
        released = pick(self.sendings(), index)
        self.rail.answering = how
        if by_hand:
            self.tries(
                lambda session: payments.requery(
                    session,
                    payment_id=released.payment_id,
                    actor=self.actor("treasury"),
                    now=session.info["now"],
                )
            )
        self.run("payments.resolve", released)

    @play(how=submitting, answers=answering)
    def all_that_is_due_is_run(self, how: Submitting, answers: Answering) -> None:
        """The relay's round, and workers that are quick."""
        self.rail.answering = answers
        self.run_due(how)

    def _claims(self, released: Released) -> Worker | None:
        claim = self.tries(
            lambda session: payments.claim(
                session, attempt_id=released.attempt_id, now=session.info["now"]
            )
        )
        if claim is None:
            return None
        worker = Worker(claim=claim)
        self.memory.workers.append(worker)
        return worker

    def _marks(self, worker: Worker) -> None:
        released = self.memory.released[worker.claim.attempt_id]
        try:
            with db.transaction() as session:
                payments.mark_sending(session, claim=worker.claim, now=session.info["now"])
                status = session.get_one(Payment, released.payment_id).status
        except payments.ClaimLost:
            with db.transaction() as session:
                payments.return_claim(session, claim=worker.claim)
            self.memory.workers.remove(worker)
            return
        assert status in ON_THE_WAY, f"a payment that is {status} is about to be sent"
        self.has_happened = True
        worker.stage = "sending"
        worker.send_by = now() + settings.current().claim_lease_seconds * SENDING_SHARE

    def _sends(self, worker: Worker, how: Submitting) -> None:
        """The adapter looks at its clock just before the first byte (`Gateway.submit`)."""
        self.rail.submitting = how
        is_in_time = now() < worker.send_by
        worker.outcome = (
            self.rail.submit(worker.claim.instruction) if is_in_time else rails.NOT_SENT
        )
        worker.stage = "answered"

    def _records(self, worker: Worker) -> None:
        """What the rail has or may have is on its way, whoever said before that it is not."""
        attempt_id = worker.claim.attempt_id
        was_called_unpaid = attempt_id in self.memory.people_not_paid

        def work(session: Session) -> tuple[ReportEffect, AttemptState]:
            verdict = payments.record_outcome(
                session, claim=worker.claim, outcome=worker.outcome, now=session.info["now"]
            )
            return verdict, session.get_one(PaymentAttempt, attempt_id).state

        done = self.tries(work)
        kind = worker.outcome.kind
        if done is None or kind not in (OutcomeKind.ACCEPTED, OutcomeKind.IN_DOUBT):
            return
        verdict, state = done
        if verdict is ReportEffect.ACCEPTED:
            assert state not in SENT_AGAIN, f"the rail has accepted what is {state}"
        if was_called_unpaid:
            self.memory.doubted.add(attempt_id)

    def run_due(self, how: Submitting = Submitting.ACCEPTS) -> int:
        """Run what is due until nothing is; returns how many tasks ran."""
        self.has_happened = True
        ran = 0
        for _ in range(ROUNDS_MAX):
            due = [each for each in working.claimed() if each.topic in TASKS]
            if not due:
                return ran
            for each in due:
                self.rail.submitting = how
                TASKS[each.topic](messages=[str(each.id)])
                ran += 1
        raise AssertionError("there is no end of work")

    def run(self, topic: str, released: Released) -> None:
        """Run the task of an attempt, due or not; nothing where it was swept out long ago."""
        with db.system_transaction() as session:
            found = session.execute(
                select(OutboxMessage.id).where(
                    OutboxMessage.topic == topic, OutboxMessage.key == released.attempt_id
                )
            ).scalar_one_or_none()
        if found is not None:
            self.has_happened = True
            TASKS[topic](messages=[str(found)])

    def sendings(self) -> list[Released]:
        """Attempts that go over the rail; who still waits comes last."""
        return self.waiting_last(each for each in self.memory.released.values() if not each.is_cash)

    def asked(self, *, is_answered: bool) -> list[Asking]:
        """Questions on their way to the rail, or answers on their way back."""
        return [e for e in self.memory.questions if (e.answer is not None) is is_answered]

    def at(self, stage: str) -> list[Worker]:
        """Workers that have come so far."""
        return [each for each in self.memory.workers if each.stage == stage]
