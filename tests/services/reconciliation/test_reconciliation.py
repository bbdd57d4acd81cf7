"""Runs of reconciliation: started once, advanced until nothing is left to wait for, closed."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pettycash.models.operations import Case, CaseKind, Severity
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.reconciliation import (
    ItemState,
    ReconciliationItem,
    ReconciliationRun,
    RunStatus,
)
from pettycash.runtime import clock, db, settings
from pettycash.services import payments, reconciliation
from pettycash.services.payments.results import Source
from pettycash.services.reconciliation import Step
from pettycash.services.reconciliation.runs import DEADLINE, DayNotOver
from tests import books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.evidence import accepted, proven, unknown
from tests.factories.people import company_id, user_id
from tests.races import together
from tests.servers import Database

NAIROBI = "Africa/Nairobi"
ONE_DAY = timedelta(days=1)


def today(session: Session) -> date:
    return clock.business_date(session.info["now"], NAIROBI)


def start(session: Session, day: date | None = None, **facts: Any) -> ReconciliationRun:
    return reconciliation.start(
        session, business_date=day or today(session), **{"now": session.info["now"]} | facts
    )


def advance(
    session: Session, run: ReconciliationRun, *, later: timedelta = timedelta(0)
) -> ReconciliationRun:
    """All of its steps in one unit of work; a task gives each one of its own."""
    now = session.info["now"] + later
    while (step := reconciliation.advance(session, run_id=run.id, now=now)) is Step.ASKED:
        pass
    if step is Step.DUE:
        reconciliation.match(session, run_id=run.id)
        report = reconciliation.examine(session, run_id=run.id)
        reconciliation.close(session, run_id=run.id, report=report, now=now)
    session.flush()
    return reconciliation.find_run(session, run.id)


def items(session: Session, run: ReconciliationRun) -> dict[UUID, tuple[ItemState, str | None]]:
    rows = session.execute(
        select(ReconciliationItem)
        .where(ReconciliationItem.run_id == run.id)
        .execution_options(populate_existing=True)
    ).scalars()
    return {row.payment_id: (row.state, row.finding) for row in rows}


def mismatch_case(session: Session, object_id: UUID) -> Case:
    return session.execute(
        select(Case).where(Case.object_id == object_id, Case.kind == CaseKind.MISMATCH)
    ).scalar_one()


def in_doubt(session: Session) -> Payment:
    """Its answer was lost, its time is over, and it was asked a moment ago."""
    payment = unknown(session)
    attempt = making.attempt_of(session, payment)
    making.set_attempt(session, attempt, decide_by=attempt.created_at)
    payments.next_question(session, attempt_id=attempt.id, now=session.info["now"])
    assert payment.status is PaymentStatus.IN_DOUBT
    return payment


class TestStart:
    def test_runs_of_a_day_are_numbered_and_the_newest_counts(self, session: Session) -> None:
        first = advance(session, start(session))
        second = advance(session, start(session, started_by=user_id(session, "treasury")))
        other_day = start(session, today(session) - ONE_DAY)

        assert [first.sequence, second.sequence, other_day.sequence] == [1, 2, 1]
        assert [first.started_by, second.started_by] == [None, user_id(session, "treasury")]
        found = reconciliation.newest(session, today(session))
        assert found is not None
        assert found.id == second.id

    def test_starting_joins_the_run_that_is_open(self, session: Session) -> None:
        first = start(session)

        assert start(session).id == first.id
        enqueued = making.outbox_message(session, reconciliation.RUN_TOPIC, first.id)
        assert enqueued is not None
        assert enqueued.completed_at is None

    def test_a_day_begins_at_midnight_of_the_company(self, session: Session) -> None:
        the_21st = date(2026, 11, 21)
        midnight = datetime(2026, 11, 20, 21, tzinfo=UTC)  # three hours east of Greenwich

        with pytest.raises(DayNotOver) as refused:
            start(session, the_21st, now=midnight - timedelta(microseconds=1))

        assert refused.value.code == "reconciliation.day_not_begun"
        assert start(session, the_21st, now=midnight).business_date == the_21st

    def test_what_does_not_exist_is_not_found(self, session: Session) -> None:
        with pytest.raises(reconciliation.RunNotFound):
            reconciliation.advance(session, run_id=uuid4(), now=session.info["now"])
        with pytest.raises(reconciliation.RunNotFound):
            reconciliation.find_run(session, uuid4())
        assert reconciliation.newest(session, date(2020, 1, 1)) is None


@pytest.fixture
def company(live: Database) -> Iterator[UUID]:
    rails.serve(rails.FakeGateway())
    found = company_id("DEMO")
    with db.scope(company_id=found, source="test"):
        yield found


class TestAtOnce:
    def test_twenty_starts_make_one_run(self, company: UUID) -> None:
        def call() -> UUID:
            return db.in_transaction(lambda session: start(session).id)

        results = together([call] * 20)

        assert len(set(results)) == 1
        with db.transaction() as session:
            (run,) = session.execute(select(ReconciliationRun)).scalars()
            assert (run.id, run.sequence) == (results[0], 1)

    def test_a_run_that_closes_in_between_is_no_error_for_the_next(self, company: UUID) -> None:
        def call() -> int:
            return db.in_transaction(lambda session: advance(session, start(session)).sequence)

        assert sorted(together([call] * 10)) == list(range(1, 11))

    def test_two_workers_on_one_run_close_it_once(self, company: UUID) -> None:
        with db.transaction() as session:
            run = start(session)
            books.pay(session, "100.00")

        def call() -> datetime | None:
            return db.in_transaction(lambda session: advance(session, run).closed_at)

        assert len(set(together([call] * 5))) == 1

    def test_a_run_that_was_killed_goes_on(self, company: UUID) -> None:
        with db.transaction() as session:
            payment = in_doubt(session)
            run = start(session)

        class Killed(BaseException):
            pass

        def killed() -> None:
            with db.transaction() as session:
                advance(session, run)
                session.flush()
                raise Killed

        with pytest.raises(Killed):
            killed()

        with db.transaction() as session:
            assert reconciliation.find_run(session, run.id).status is RunStatus.RUNNING
            assert items(session, run) == {}
            enqueued = making.outbox_message(session, reconciliation.RUN_TOPIC, run.id)
            assert enqueued is not None
            assert enqueued.completed_at is None
        for _ in range(2):
            with db.transaction() as session:
                assert advance(session, run).status is RunStatus.WAITING
                assert items(session, run) == {payment.id: (ItemState.WAITING, None)}


@pytest.mark.usefixtures("rail")
class TestAsking:
    def test_who_is_in_doubt_is_asked_now_whatever_its_next_turn_was(
        self, session: Session
    ) -> None:
        payment = in_doubt(session)
        attempt = making.attempt_of(session, payment)
        now = session.info["now"]
        later = now + timedelta(minutes=10)
        making.set_attempt(session, attempt, next_query_at=later)
        assert payments.next_question(session, attempt_id=attempt.id, now=now) is None

        run = advance(session, start(session))

        assert run.status is RunStatus.WAITING
        assert items(session, run) == {payment.id: (ItemState.WAITING, None)}
        enqueued = making.outbox_message(session, "payments.resolve", attempt.id)
        assert enqueued is not None
        assert enqueued.due_at <= now
        assert payments.next_question(session, attempt_id=attempt.id, now=now) is not None

    def test_an_old_doubt_is_asked_about_and_keeps_no_run_waiting(self, session: Session) -> None:
        payment, now = in_doubt(session), session.info["now"]
        attempt = making.attempt_of(session, payment)
        a_minute_ago = now - timedelta(minutes=1)
        making.set_attempt(session, attempt, next_query_at=now, last_query_at=a_minute_ago)
        payment.status_changed_at = now - timedelta(hours=3)
        session.flush()
        run = advance(session, start(session))
        assert run.status is RunStatus.WAITING, "the question has not left yet"

        assert payments.next_question(session, attempt_id=attempt.id, now=now) is not None
        session.flush()
        run = advance(session, run)

        assert run.status is RunStatus.CLOSED
        assert items(session, run) == {payment.id: (ItemState.BROKEN, "no_answer_from_rail")}

    def test_cash_that_waits_for_its_recipient_keeps_no_run_waiting(self, session: Session) -> None:
        payment = making.cash(session)
        making.released(session, payment, by="custodian")
        payment.status_changed_at = session.info["now"] - ONE_DAY
        session.flush()

        run = advance(session, start(session))

        assert (run.status, items(session, run)) == (RunStatus.CLOSED, {})

    def test_it_is_asked_once_per_run(self, session: Session) -> None:
        payment = in_doubt(session)
        run = advance(session, start(session))
        attempt = making.attempt_of(session, payment)
        now = session.info["now"]
        payments.next_question(session, attempt_id=attempt.id, now=now)
        asked = attempt.next_query_at

        advance(session, run, later=timedelta(minutes=1))

        assert making.attempt_of(session, payment).next_query_at == asked
        assert asked is not None
        assert asked > now

    def test_what_is_overdue_is_asked_and_what_was_just_sent_is_not(self, session: Session) -> None:
        overdue, fresh = accepted(session), accepted(session)
        long_ago = timedelta(seconds=settings.current().decide_by_seconds + 1)
        overdue.status_changed_at = session.info["now"] - long_ago

        run = advance(session, start(session))

        assert overdue.status is PaymentStatus.EXECUTING
        assert items(session, run) == {overdue.id: (ItemState.WAITING, None)}
        assert fresh.id not in items(session, run)

    def test_what_was_released_after_the_day_is_left_to_its_own_run(self, session: Session) -> None:
        in_doubt(session)

        run = advance(session, start(session, today(session) - ONE_DAY))

        assert run.status is RunStatus.CLOSED
        assert items(session, run) == {}

    def test_an_answer_closes_the_run(self, session: Session) -> None:
        paid, failed = in_doubt(session), in_doubt(session)
        run = advance(session, start(session))
        making.said(session, paid, proven(session, paid), Source.QUERY)
        still = advance(session, run)
        assert still.status is RunStatus.WAITING
        assert items(session, run)[paid.id] == (ItemState.MATCHED, "became_success")

        making.said(session, failed, rails.REJECTED, Source.QUERY)
        making.said(session, failed, rails.REJECTED, Source.QUERY)
        closed = advance(session, run)

        assert closed.status is RunStatus.CLOSED
        assert items(session, run)[failed.id] == (ItemState.MATCHED, "became_failed")
        assert closed.mismatches == []
        assert closed.counts == {
            "success": 1,
            "failed": 1,
            "matched": 1,
            "broken": 0,
            "book_findings": 0,
        }
        enqueued = making.outbox_message(session, reconciliation.RUN_TOPIC, run.id)
        assert enqueued is not None
        assert enqueued.completed_at is not None

    def test_silence_until_the_deadline_is_a_mismatch_with_a_case(self, session: Session) -> None:
        payment = in_doubt(session)
        run = advance(session, start(session))
        assert run.deadline_at == session.info["now"] + DEADLINE

        almost = advance(session, run, later=DEADLINE - timedelta(microseconds=1))
        assert almost.status is RunStatus.WAITING
        closed = advance(session, run, later=DEADLINE)

        assert closed.status is RunStatus.CLOSED
        assert closed.counts["broken"] == 1
        (mismatch,) = closed.mismatches
        assert mismatch == {
            "kind": "no_answer_from_rail",
            "payment_id": str(payment.id),
            "number": payment.number,
            "amount": "1500.00",
            "currency": "KES",
            "status": "in_doubt",
        }
        case = mismatch_case(session, payment.id)
        assert case.severity is Severity.WARNING
        assert case.evidence["run_id"] == str(run.id)
        assert payment.status is PaymentStatus.IN_DOUBT, "a run decides nothing"

    def test_a_closed_run_stays_as_it_is(self, session: Session) -> None:
        run = advance(session, start(session))
        before = (run.closed_at, dict(run.counts), dict(run.totals), list(run.mismatches))
        books.pay(session, "100.00")

        again = advance(session, run, later=timedelta(hours=1))

        assert (again.closed_at, again.counts, again.totals, again.mismatches) == before


class TestHistory:
    def forged(self, session: Session, by: str, *, ago: timedelta) -> UUID:
        """Settings in which one person has named who decides in the last resort."""
        made = uuid4()
        session.execute(
            text(
                "INSERT INTO company_settings (id, company_id, version, data, changed_by,"
                " created_at) SELECT :id, company_id, version + 1, data || jsonb_build_object("
                " 'escalation_approver_id', CAST(:by AS text)), :by, :at FROM company_settings"
                " WHERE company_id = current_company() ORDER BY version DESC LIMIT 1"
            ),
            {"id": made, "by": user_id(session, by), "at": session.info["now"] - ago},
        )
        return made

    def test_what_was_proven_by_a_run_that_found_nothing_is_not_proven_again(
        self, session: Session
    ) -> None:
        old = self.forged(session, "admin", ago=timedelta(days=3))
        first = advance(session, start(session))
        assert [each["company_settings_id"] for each in first.mismatches] == [str(old)]

        first.mismatches = []  # as if it had been clean
        session.flush()
        assert advance(session, start(session)).mismatches == []
        new = self.forged(session, "ceo", ago=timedelta(hours=23))
        run = advance(session, start(session))

        assert [each["company_settings_id"] for each in run.mismatches] == [str(new)]


class TestFigures:
    DAY = timedelta(days=1)

    def test_the_borders_of_a_day_are_midnights_in_nairobi(self, session: Session) -> None:
        day = today(session) - ONE_DAY
        since = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=3)
        until = since + self.DAY
        tick = timedelta(microseconds=1)
        for amount, instant in (
            ("100.00", since - tick),
            ("20.00", since),
            ("3.00", until - tick),
            ("1000.00", until),
        ):
            books.pay(session, amount, occurred_at=instant)

        figures = {
            offset: self._figures(session, day + timedelta(days=offset)) for offset in (-1, 0, 1)
        }

        assert figures == {
            -1: (1, {"KES": "100.00"}),
            0: (2, {"KES": "23.00"}),
            1: (1, {"KES": "1000.00"}),
        }

    @staticmethod
    def _figures(session: Session, day: date) -> tuple[int, dict[str, str]]:
        run = advance(session, start(session, day))
        assert run.status is RunStatus.CLOSED
        return run.counts.get("success", 0), run.totals

    @pytest.mark.usefixtures("rail")
    def test_other_ends_count_on_the_day_they_were_learned_of(self, session: Session) -> None:
        payment = making.executing(session)
        making.answered(session, payment, rails.REJECTED)
        assert payment.status is PaymentStatus.FAILED
        day = today(session)
        payment.status_changed_at = clock.day_bounds(day, NAIROBI)[0] - timedelta(seconds=1)

        counts = [
            advance(session, start(session, each)).counts.get("failed", 0)
            for each in (day - ONE_DAY, day)
        ]

        assert counts == [1, 0]

    def test_what_came_back_later_was_settled_all_the_same(self, session: Session) -> None:
        payment = books.pay(session, "100.00")
        payment.move_to(PaymentStatus.REVERSED, at=session.info["now"])

        run = advance(session, start(session))

        assert run.totals == {"KES": "100.00"}
        assert (run.counts.get("success"), run.counts["reversed"]) == (None, 1)

    def test_an_empty_day_has_nothing_but_noughts(self, session: Session) -> None:
        run = advance(session, start(session))

        assert run.counts == {"matched": 0, "broken": 0, "book_findings": 0}
        assert (run.totals, run.mismatches) == ({}, [])
