"""The nightly run: begun where a company's night has come, once, and made up for where missed."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextvars import Context
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from pettycash.models.operations import Case, CaseKind
from pettycash.models.payments import AttemptState, Payment, PaymentStatus
from pettycash.models.reconciliation import ReconciliationRun, RunStatus
from pettycash.models.requisitions import Requisition
from pettycash.runtime import clock, db
from pettycash.services import payments
from pettycash.services import reconciliation as service
from pettycash.services.foundation import company_settings, outbox
from pettycash.services.payments.results import Source
from pettycash.services.reconciliation.nightly import CATCH_UP_DAYS
from pettycash.services.reconciliation.payment_proofs import match_day
from pettycash.services.reconciliation.runs import DEADLINE
from pettycash.tasks import reconciliation
from pettycash.tasks.schedule import SCHEDULE
from pettycash.worker_app import create_worker
from tests import books
from tests.factories import payments as making
from tests.factories import rails, working
from tests.factories.evidence import accepted, proven, unknown
from tests.factories.people import company_id
from tests.races import together
from tests.servers import Database

NAIROBI, AUCKLAND, LOS_ANGELES = "Africa/Nairobi", "Pacific/Auckland", "America/Los_Angeles"
DAY = timedelta(days=1)

Nights = list[tuple[date, int]]


@pytest.fixture
def companies(live: Database) -> dict[str, UUID]:
    rails.serve(rails.FakeGateway())
    return {code: company_id(code) for code in ("DEMO", "OTHER")}


@pytest.fixture
def demo(companies: dict[str, UUID]) -> Iterator[UUID]:
    with db.scope(company_id=companies["DEMO"], source="test"):
        yield companies["DEMO"]


def now() -> datetime:
    with db.system_transaction() as session:
        found: datetime = session.info["now"]
    return found


def tomorrow(timezone: str = NAIROBI) -> date:
    return clock.business_date(now(), timezone) + DAY


def travel(day: date, hour: int, minute: int = 0, timezone: str = NAIROBI) -> None:
    """Let it be this time of that day in a time zone; it may lie behind."""
    there = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(timezone))
    working.wait((there - now()).total_seconds())


def nights(company: UUID) -> Nights:
    """Day and sequence of every run of a company."""
    with db.scope(company_id=company, source="test"), db.transaction() as session:
        rows = session.execute(
            select(ReconciliationRun.business_date, ReconciliationRun.sequence).order_by(
                ReconciliationRun.business_date, ReconciliationRun.sequence
            )
        )
        return [(row.business_date, row.sequence) for row in rows]


def close_all(company: UUID) -> None:
    """The worker's part."""
    with db.scope(company_id=company, source="test"):
        with db.transaction() as session:
            keys = list(
                session.execute(
                    select(ReconciliationRun.id).where(ReconciliationRun.status != RunStatus.CLOSED)
                ).scalars()
            )
        for key in keys:
            run_task(key)


def run_task(key: UUID) -> None:
    enqueued = working.message_id(service.RUN_TOPIC, key)
    reconciliation.run(messages=[str(enqueued)])


def set_timezone(company: UUID, timezone: str) -> None:
    with db.scope(company_id=company, source="test"), db.transaction() as session:
        company_settings.update(
            session,
            values={"timezone": timezone},
            expected_version=company_settings.current(session).version,
            changed_by=None,
        )


def test_the_nightly_run_begins_at_one_in_company_time(demo: UUID) -> None:
    day = tomorrow()
    travel(day, 0, 59)

    reconciliation.run_nightly()
    assert nights(demo) == []

    travel(day, 1, 0)
    reconciliation.run_nightly()
    assert nights(demo) == [(day - DAY, 1)]


def test_each_company_has_its_own_nightly_hour(companies: dict[str, UUID]) -> None:
    set_timezone(companies["DEMO"], AUCKLAND)
    set_timezone(companies["OTHER"], LOS_ANGELES)
    day = tomorrow(AUCKLAND)
    travel(day, 1, 5, AUCKLAND)

    reconciliation.run_nightly()

    # One in the night there is the middle of the day before here.
    here = clock.business_date(now(), LOS_ANGELES)
    assert here < day
    assert nights(companies["DEMO"]) == [(day - DAY, 1)]
    assert nights(companies["OTHER"]) == [(here - DAY, 1)]


def test_called_all_day_long_it_runs_once(demo: UUID) -> None:
    day = tomorrow()
    travel(day, 1, 0)

    for _ in range(3):
        reconciliation.run_nightly()
        close_all(demo)
        working.wait(4 * 3600)

    assert nights(demo) == [(day - DAY, 1)]


def test_two_beats_at_once_make_one_run(companies: dict[str, UUID]) -> None:
    travel(tomorrow(), 1, 0)
    day = tomorrow() - 2 * DAY

    assert together([reconciliation.run_nightly] * 8) == [None] * 8

    assert nights(companies["DEMO"]) == [(day, 1)]
    assert nights(companies["OTHER"]) == [(day, 1)]


def test_a_beat_that_comes_when_the_run_has_closed_makes_no_second(demo: UUID) -> None:
    """Each begins and closes in its own unit of work, as fast as it can."""
    travel(tomorrow(), 1, 0)

    def night(session: Session) -> None:
        for run in service.start_due(session, now=session.info["now"]):
            service.advance(session, run_id=run.id, now=session.info["now"])

    assert together([lambda: db.in_transaction(night)] * 8) == [None] * 8

    assert len(nights(demo)) == 1


def test_a_late_call_catches_up(demo: UUID) -> None:
    day = tomorrow()
    travel(day, 23, 30)

    reconciliation.run_nightly()

    assert nights(demo) == [(day - DAY, 1)]


def test_missed_days_are_caught_up(demo: UUID) -> None:
    day = tomorrow()
    travel(day, 1, 0)
    reconciliation.run_nightly()
    close_all(demo)

    travel(day + 3 * DAY, 1, 0)
    reconciliation.run_nightly()

    assert nights(demo) == [(day + offset * DAY, 1) for offset in (-1, 0, 1, 2)]


def test_a_run_while_the_day_still_lasted_is_not_its_nightly_run(demo: UUID) -> None:
    day = tomorrow()
    travel(day, 12, 0)
    with db.transaction() as session:
        service.start(session, business_date=day, now=session.info["now"])
    close_all(demo)
    with db.transaction() as session:
        books.pay(session, "100.00")  # after lunch
    travel(day + DAY, 1, 0)

    reconciliation.run_nightly()
    close_all(demo)

    assert nights(demo)[-1] == (day, 2)
    with db.transaction() as session:
        newest = service.newest(session, day)
        assert newest is not None
        assert newest.totals == {"KES": "100.00"}


def test_one_company_in_trouble_does_not_keep_the_others_waiting(
    companies: dict[str, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    travel(tomorrow(), 1, 0)
    real, calls = service.start_due, []

    def first_fails(session: Session, **facts: datetime) -> object:
        calls.append(session.info["scope"].company_id)
        if len(calls) == 1:
            session.execute(text("SELECT 1 / 0"))
        return real(session, **facts)

    monkeypatch.setattr(service, "start_due", first_fails)

    reconciliation.run_nightly()

    assert set(calls) == set(companies.values())
    assert [len(nights(each)) for each in calls] == [0, 1]


def test_the_task_asks_waits_and_closes(demo: UUID) -> None:
    gateway = rails.FakeGateway()
    gateway.submits = [rails.LOST]
    rails.serve(gateway)
    with db.transaction() as session:
        payment = making.executing(session)
    working.work("payments.submit")
    working.wait(3600)
    working.work("payments.resolve")
    with db.transaction() as session:
        assert making.attempt_of(session, payment).queries > 0
        run = service.start(
            session,
            business_date=clock.business_date(session.info["now"], NAIROBI),
            now=session.info["now"],
        )
    asked = len(gateway.asked)

    run_task(run.id)

    with db.transaction() as session:
        waiting = service.find_run(session, run.id)
        enqueued = making.outbox_message(session, service.RUN_TOPIC, run.id)
        assert waiting.status is RunStatus.WAITING
        assert enqueued is not None
        assert enqueued.completed_at is None
        assert enqueued.due_at > session.info["now"], "it looks again in a moment"
    gateway.queries = [rails.proof]
    assert working.work("payments.resolve", limit=20)
    assert len(gateway.asked) > asked, "the rail is asked at once"
    with db.transaction() as session:
        assert making.attempt_of(session, payment).state is AttemptState.SETTLED

    run_task(run.id)
    run_task(run.id)

    with db.transaction() as session:
        closed = service.find_run(session, run.id)
        assert closed.status is RunStatus.CLOSED
        assert closed.counts["success"] == closed.counts["matched"] == 1
        assert closed.mismatches == []
        assert session.get_one(type(payment), payment.id).status is PaymentStatus.SUCCESS


def test_beat_calls_it_often_enough_and_a_worker_knows_it(live: Database) -> None:
    celery = create_worker(live.settings)
    celery.loader.import_default_modules()

    (entry,) = [each for each in SCHEDULE.values() if each["task"] == "reconciliation.run_nightly"]
    assert entry["schedule"] <= timedelta(minutes=15)
    assert {"reconciliation.run_nightly", service.RUN_TOPIC} <= set(celery.tasks)


def in_doubt(session: Session) -> Payment:
    """Its answer was lost, its time is over, and it was asked a moment ago."""
    payment = unknown(session)
    attempt = making.attempt_of(session, payment)
    making.set_attempt(session, attempt, decide_by=attempt.created_at)
    now = session.info["now"]
    question = payments.next_question(session, attempt_id=attempt.id, now=now)
    assert question is not None
    payments.record_answer(session, question=question, answer=rails.ASKED, now=now)
    assert payment.status is PaymentStatus.IN_DOUBT
    return payment


def doubtful_run(count: int = 1) -> tuple[list[Payment], ReconciliationRun]:
    """Payments of a long while ago whose rail is silent, and a run that was just started."""
    with db.transaction() as session:
        found = [in_doubt(session) for _ in range(count)]
    working.wait(3600)
    with db.transaction() as session:
        day = clock.business_date(session.info["now"], NAIROBI)
        return found, service.start(session, business_date=day, now=session.info["now"])


def run_again(run: ReconciliationRun) -> ReconciliationRun:
    """Deliver the run once more, and see what became of it."""
    run_task(run.id)
    with db.transaction() as session:
        return service.find_run(session, run.id)


def ask_and_hear_nothing(payment: Payment) -> None:
    gateway = rails.FakeGateway()
    gateway.queries = [rails.LOST]
    rails.serve(gateway)
    with db.transaction() as session:
        attempt_id = making.attempt_of(session, payment).id
    working.run_one("payments.resolve", attempt_id)
    assert gateway.asked


def mismatches(session: Session) -> list[Case]:
    return list(session.execute(select(Case).where(Case.kind == CaseKind.MISMATCH)).scalars().all())


class TestDeadline:
    def test_a_night_that_begins_after_its_deadline_asks_before_it_closes(self, demo: UUID) -> None:
        [payment], run = doubtful_run()
        working.wait(2 * DEADLINE.total_seconds())  # no worker was there for it

        begun = run_again(run)

        assert begun.status is RunStatus.WAITING
        assert begun.deadline_at > now()
        ask_and_hear_nothing(payment)
        working.wait(DEADLINE.total_seconds() - 10)
        assert run_again(run).status is RunStatus.WAITING
        working.wait(20)
        closed = run_again(run)
        assert closed.status is RunStatus.CLOSED
        assert [each["kind"] for each in closed.mismatches] == ["no_answer_from_rail"]

    def test_questions_that_could_not_leave_in_time_still_get_it(self, demo: UUID) -> None:
        """Everything stood still between the asking and the deadline."""
        [payment], run = doubtful_run()
        assert run_again(run).status is RunStatus.WAITING
        working.wait(DEADLINE.total_seconds() + 1)

        assert run_again(run).status is RunStatus.WAITING

        ask_and_hear_nothing(payment)
        working.wait(DEADLINE.total_seconds() + 1)
        assert run_again(run).status is RunStatus.CLOSED

    def test_a_question_that_never_leaves_is_not_waited_for_without_end(self, demo: UUID) -> None:
        _, run = doubtful_run()
        steps = 0
        while run_again(run).status is not RunStatus.CLOSED:
            working.wait(DEADLINE.total_seconds())
            steps += 1

        assert 2 < steps < 20


class TestMadeUp:
    def test_days_before_one_that_was_run_by_hand_are_caught_up(self, demo: UUID) -> None:
        day = tomorrow()
        travel(day, 1, 0)
        reconciliation.run_nightly()
        close_all(demo)
        travel(day + 3 * DAY, 23, 0)
        with db.transaction() as session:
            service.start(session, business_date=day + 2 * DAY, now=session.info["now"])
        close_all(demo)
        travel(day + 4 * DAY, 1, 0)

        reconciliation.run_nightly()

        assert nights(demo) == [(day + offset * DAY, 1) for offset in (-1, 0, 1, 2, 3)]

    def test_days_of_a_company_without_a_nightly_run_are_caught_up(self, demo: UUID) -> None:
        first = tomorrow() - DAY
        travel(first + 4 * DAY, 23, 0)
        with db.transaction() as session:
            service.start(session, business_date=first + 3 * DAY, now=session.info["now"])
        close_all(demo)
        travel(first + 5 * DAY, 1, 0)

        reconciliation.run_nightly()

        assert nights(demo) == [(first + offset * DAY, 1) for offset in range(5)]

    def test_no_day_is_caught_up_from_before_a_month_ago(self, demo: UUID) -> None:
        day = tomorrow()
        travel(day + 100 * DAY, 1, 0)

        reconciliation.run_nightly()

        made_up = [each for each, _ in nights(demo)]
        assert made_up[0] == day + (100 - CATCH_UP_DAYS - 1) * DAY
        assert len(made_up) == CATCH_UP_DAYS + 1


def elsewhere(company: UUID, call: Callable[[], Any]) -> Future[Any]:
    """Do something in a thread and a unit of work of its own, while another is open here."""
    done: Future[Any] = Future()

    def run() -> None:
        try:
            with db.scope(company_id=company, source="test"):
                done.set_result(call())
        except Exception as error:  # noqa: BLE001 - the test judges it
            done.set_exception(error)

    threading.Thread(target=Context().run, args=(run,), daemon=True).start()
    return done


def once_after(words: str, call: Callable[[], Any]) -> list[Any]:
    """Do something, and wait for it, after the first statement that contains these words."""
    results: list[Any] = []

    def between(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if words in statement and not results:
            results.append(None)
            results[0] = call()

    event.listen(db.engine(), "after_cursor_execute", between)
    return results


def settle(payment: Payment, receipt: str = "RKT1") -> PaymentStatus:
    with db.transaction() as session:
        found = session.get_one(Payment, payment.id)
        making.said(session, found, proven(session, found, receipt=receipt), Source.CALLBACK)
        return found.status


class TestAtOnce:
    @pytest.mark.parametrize("words", ["INSERT INTO payment_reconciliations", "GROUP BY payments"])
    def test_a_settlement_between_two_statements_of_the_closing_run_opens_no_case(
        self, demo: UUID, words: str
    ) -> None:
        with db.transaction() as session:
            payment = accepted(session)
            day = clock.business_date(session.info["now"], NAIROBI)
            run = service.start(session, business_date=day, now=session.info["now"])
        settled = once_after(words, lambda: elsewhere(demo, lambda: settle(payment)).result(30))

        closed = run_again(run)

        assert settled == [PaymentStatus.SUCCESS], "it settled in between"
        assert closed.status is RunStatus.CLOSED
        assert closed.mismatches == []
        assert bool(closed.counts.get("success")) is bool(closed.totals), "of one instant"
        with db.transaction() as session:
            assert mismatches(session) == []

    def test_two_nights_match_one_after_the_other(self, demo: UUID) -> None:
        """What each has matched, the other would wait for: in two orders that is a deadlock."""
        with db.transaction() as session:
            older, newer = accepted(session), accepted(session)
            today = clock.business_date(session.info["now"], NAIROBI)
            runs = [
                service.start(session, business_date=today - days * DAY, now=session.info["now"])
                for days in (1, 0)
            ]
        settle(newer, "RKT2")
        until = clock.day_bounds(today, NAIROBI)[1]

        def match(run: ReconciliationRun) -> int:
            with db.transaction() as session:
                return match_day(session, run_id=run.id, until=until)

        with db.transaction() as session:
            assert match_day(session, run_id=runs[0].id, until=until) == 1
            assert elsewhere(demo, lambda: settle(older)).result(30) is PaymentStatus.SUCCESS
            other = elsewhere(demo, lambda: match(runs[1]))
            time.sleep(0.5)
            assert match_day(session, run_id=runs[0].id, until=until) == 1

        assert other.result(30) == 0


class TestOneByOne:
    def test_what_the_night_has_asked_about_is_free_while_it_waits_for_the_next(
        self, demo: UUID
    ) -> None:
        found, run = doubtful_run(2)
        first, last = sorted(found, key=lambda each: each.id)
        with db.transaction() as session:
            assert db.lock(session, Requisition, last.requisition_id)
            night = elsewhere(demo, lambda: run_task(run.id))
            time.sleep(1)

            assert elsewhere(demo, lambda: lock_at_once(first)).result(30) == first.id
            # In the order of every writer; the night has to come after it, or before it.
            assert db.lock(session, Payment, last.id)

        night.result(30)
        with db.transaction() as session:
            assert service.find_run(session, run.id).status is RunStatus.WAITING
            assert db.lock(session, Payment, last.id)

    def test_many_questions_are_spread_over_the_first_minutes(self, demo: UUID) -> None:
        found, run = doubtful_run(12)
        later = now() + DEADLINE
        with db.transaction() as session:
            for payment in found:
                attempt = making.attempt_of(session, payment)
                making.set_attempt(session, attempt, next_query_at=later)
                outbox.reschedule(session, topic="payments.resolve", key=attempt.id, due_at=later)

        run_task(run.id)

        with db.transaction() as session:
            attempts = [making.attempt_of(session, each) for each in found]
            asked = sorted(each.next_query_at for each in attempts)
            enqueued = [
                making.outbox_message(session, "payments.resolve", each.id) for each in attempts
            ]
        assert asked[0] <= now(), "the first one at once"
        assert len(set(asked)) > 6
        assert asked[-1] < now() + DEADLINE / 2
        assert sorted(each.due_at for each in enqueued if each) == asked


def lock_at_once(payment: Payment) -> UUID:
    with db.transaction() as session:
        found = session.execute(
            select(Payment).where(Payment.id == payment.id).with_for_update(nowait=True)
        ).scalar_one()
        return found.id
