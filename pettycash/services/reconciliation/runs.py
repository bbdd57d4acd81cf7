"""Runs: started, advanced until nothing is left to wait for; one open run per company and day."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from pettycash.models.payments import LIVE, ON_THE_WAY, Payment, PaymentAttempt, PaymentStatus
from pettycash.models.reconciliation import (
    UNANSWERED,
    ItemState,
    ReconciliationItem,
    ReconciliationRun,
    RunStatus,
)
from pettycash.runtime import clock, db, errors, money, settings
from pettycash.runtime.crash_points import crash_point
from pettycash.services import payments
from pettycash.services.foundation import company_settings, outbox
from pettycash.services.foundation.listings import Listing, days, exact, many, since

RUN_TOPIC = "reconciliation.run"

DEADLINE = timedelta(minutes=15)
"""How long a run waits for rails to answer, once it has asked them all."""

LONGEST = timedelta(hours=2)
"""How long a question that could not leave (no worker, no rail) keeps a run waiting."""

PACE, SPREAD = timedelta(seconds=0.1), timedelta(minutes=5)
"""The time for each question of a run, and for all of them at most."""

TURN = "reconciliation.start:"
"""The name of the advisory lock of `lock_turn`."""


class RunNotFound(errors.NotFound):
    """There is no such reconciliation run."""

    code = "reconciliation.run_not_found"


class DayNotOver(errors.RuleViolation):
    """A business day that has not begun yet can't be reconciled."""

    code = "reconciliation.day_not_begun"


def start(
    session: Session,
    *,
    business_date: date,
    now: datetime,
    started_by: UUID | None = None,
) -> ReconciliationRun:
    """Open the next numbered run of a day, or return the one that is still open.

    Raises:
        DayNotOver: the day lies in the future, in company time.
    """
    company_id = session.info["scope"].company_id
    timezone = company_settings.current(session).timezone
    if business_date > clock.business_date(now, timezone):
        raise DayNotOver(f"{business_date} has not begun in {timezone}.")
    lock_turn(session)
    last = newest(session, business_date)
    if last is not None and last.status is not RunStatus.CLOSED:
        run = last
    else:
        run = ReconciliationRun(
            company_id=company_id,
            business_date=business_date,
            sequence=last.sequence + 1 if last is not None else 1,
            status=RunStatus.RUNNING,
            started_by=started_by,
            deadline_at=now + DEADLINE,
            counts={},
            totals={},
            mismatches=[],
        )
        session.add(run)
        session.flush()
    outbox.enqueue(session, topic=RUN_TOPIC, key=run.id)
    crash_point("reconciliation.started")
    return run


def lock_turn(session: Session) -> None:
    """Let one unit of work at a time decide which runs of this company to start.

    Unique constraints alone would let a run that closes in between become the loser's error, or a
    second run of the same day.
    """
    company_id = session.info["scope"].company_id
    name = func.hashtextextended(f"{TURN}{company_id}", 0)
    session.execute(select(func.pg_advisory_xact_lock(name)))


class Step(StrEnum):
    """The next step of a run."""

    ASKED = "asked"  # one payment; the next step asks the next one
    WAITS = "waits"  # for rails to answer
    DUE = "due"  # to be matched, examined and closed
    CLOSED = "closed"


def advance(session: Session, *, run_id: UUID, now: datetime) -> Step:
    """Do the next step of a run. Repeating it changes nothing that was done.

    RUNNING: have the rail asked about one payment whose end is open; WAITING where there is none
    left. Each in a unit of work of its own: callbacks and releases wait for no other's question.
    WAITING: due when every question has an answer, or had its time.

    Raises:
        RunNotFound: no such run in this company.
    """
    run = locked(session, run_id)
    if run.status is RunStatus.RUNNING:
        if _ask_next(session, run, now=now):
            return Step.ASKED
        run.status = RunStatus.WAITING
        run.deadline_at = now + DEADLINE
        crash_point("reconciliation.asked")
    if run.status is RunStatus.CLOSED:
        return Step.CLOSED
    apply_answers(session, run, now=now)
    return Step.WAITS if _waits(session, run, now=now) else Step.DUE


def find_run(session: Session, run_id: UUID) -> ReconciliationRun:
    """One run.

    Raises:
        RunNotFound: no such run in this company.
    """
    run = session.get(ReconciliationRun, run_id)
    if run is None:
        raise RunNotFound
    return run


def locked(session: Session, run_id: UUID) -> ReconciliationRun:
    """One run, locked.

    Raises:
        RunNotFound: no such run in this company.
    """
    run = db.lock(session, ReconciliationRun, run_id)
    if run is None:
        raise RunNotFound
    return run


def newest(session: Session, business_date: date) -> ReconciliationRun | None:
    """The run that counts for a day."""
    return session.execute(
        select(ReconciliationRun)
        .where(ReconciliationRun.business_date == business_date)
        .order_by(ReconciliationRun.sequence.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def bounds(session: Session, run: ReconciliationRun) -> tuple[datetime, datetime]:
    """First instant of a run's day and of the day after."""
    return clock.day_bounds(run.business_date, company_settings.current(session).timezone)


def _ask_next(session: Session, run: ReconciliationRun, *, now: datetime) -> bool:
    """Have one rail asked about a payment whose end is open and that the run has not noted yet."""
    _, until = bounds(session, run)
    overdue = now - timedelta(seconds=settings.current().decide_by_seconds)
    of_run = ReconciliationItem.run_id == run.id
    noted = select(ReconciliationItem.id).where(
        of_run, ReconciliationItem.payment_id == PaymentAttempt.payment_id
    )
    attempt_id = session.execute(
        select(PaymentAttempt.id)
        .join(Payment, Payment.id == PaymentAttempt.payment_id)
        .where(
            Payment.status.in_(ON_THE_WAY),
            PaymentAttempt.state.in_(LIVE),
            PaymentAttempt.provider_account_id.is_not(None),  # cash waits for its recipient
            PaymentAttempt.created_at < until,
            (Payment.status == PaymentStatus.IN_DOUBT) | (Payment.status_changed_at < overdue),
            ~noted.exists(),
        )
        .order_by(Payment.id)
        .limit(1)
    ).scalar_one_or_none()
    if attempt_id is None:
        return False
    asked = session.execute(
        select(func.count()).select_from(ReconciliationItem).where(of_run)
    ).scalar_one()
    payment = payments.ask_within(
        session, attempt_id=attempt_id, longest=min(asked * PACE, SPREAD), now=now
    )
    # The payment is locked by now: the key that the item refers to is nobody else's to wait for.
    if payment is not None:
        note(
            session,
            run,
            payment_id=payment.id,
            state=ItemState.ASKING,
            finding=None,
            detail=detail_of(payment),
            now=now,
        )
    return True


def detail_of(payment: Any) -> dict[str, str]:
    """The facts of a payment, or of a row with its columns, for a mismatch."""
    return {
        "number": payment.number,
        "amount": money.text(payment.amount, payment.currency),
        "currency": payment.currency,
        "status": str(payment.status),
    }


def note(
    session: Session,
    run: ReconciliationRun,
    *,
    payment_id: UUID,
    state: ItemState,
    finding: str | None,
    detail: dict[str, str],
    now: datetime,
) -> None:
    """Keep what the run knows of a payment."""
    session.execute(
        insert(ReconciliationItem)
        .values(
            company_id=run.company_id,
            created_at=now,
            run_id=run.id,
            payment_id=payment_id,
            state=state,
            finding=finding,
            detail=detail,
        )
        .on_conflict_do_update(
            index_elements=["run_id", "payment_id"], set_={"state": state, "finding": finding}
        )
    )


def apply_answers(session: Session, run: ReconciliationRun, *, now: datetime) -> None:
    """See which questions have been answered since: a final status is an answer."""
    is_open = Payment.status.in_(ON_THE_WAY)
    session.execute(
        update(ReconciliationItem)
        .where(
            ReconciliationItem.run_id == run.id,
            ReconciliationItem.state.in_(UNANSWERED),
            ReconciliationItem.payment_id == Payment.id,
            ~is_open | (ReconciliationItem.state == ItemState.ASKING),
        )
        .values(
            state=case((is_open, ItemState.WAITING), else_=ItemState.MATCHED),
            finding=case((is_open, None), else_=func.concat("became_", Payment.status)),
            settled_at=case((is_open, None), else_=now),
        )
        .execution_options(synchronize_session=False)
    )
    crash_point("reconciliation.answered")


def _waits(session: Session, run: ReconciliationRun, *, now: datetime) -> bool:
    """Whether an answer may still come: it is not the deadline, or a question has not left yet.

    What was in doubt for hours before it was asked about keeps no run waiting: it is a case.
    """
    is_old = (
        select(Payment.id)
        .where(
            Payment.id == ReconciliationItem.payment_id,
            Payment.status == PaymentStatus.IN_DOUBT,
            Payment.status_changed_at < ReconciliationItem.created_at - LONGEST,
        )
        .exists()
    )
    unanswered = session.execute(
        select(
            func.count().filter(~is_old),
            func.min(ReconciliationItem.created_at).filter(
                PaymentAttempt.first_sent_at.is_not(None),
                func.coalesce(PaymentAttempt.last_query_at < ReconciliationItem.created_at, true()),
            ),
        )
        .select_from(ReconciliationItem)
        .outerjoin(
            PaymentAttempt,
            (PaymentAttempt.payment_id == ReconciliationItem.payment_id)
            & PaymentAttempt.state.in_(LIVE),
        )
        .where(ReconciliationItem.run_id == run.id, ReconciliationItem.state.in_(UNANSWERED))
    ).one()
    waiting, unasked_since = unanswered
    if waiting and now < run.deadline_at:
        return True
    if unasked_since is None or now >= unasked_since + LONGEST:
        return False
    run.deadline_at = now + DEADLINE
    return True


RUNS = Listing(
    name="reconciliation.list",
    query=select(ReconciliationRun),
    filters={
        "business_date": exact(ReconciliationRun.business_date),
        "status": many(ReconciliationRun.status),
        **days(ReconciliationRun.business_date),
        "updated_since": since(ReconciliationRun.updated_at),
    },
    orders={"newest": (ReconciliationRun.id.desc(),), "oldest": (ReconciliationRun.id,)},
    columns=("business_date", "sequence", "status", "created_at", "closed_at", "started_by"),
    people=("started_by",),
)
