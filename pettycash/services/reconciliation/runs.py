"""Runs: start, advance, close; one open run per company and business day."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from pettycash import clock, db, errors, money, settings
from pettycash.crash_points import reach
from pettycash.models.attempts import LIVE, PaymentAttempt
from pettycash.models.payments import ON_THE_WAY, Payment, PaymentReconciliation, PaymentStatus
from pettycash.models.platform import CaseKind, Severity
from pettycash.models.reconciliation import (
    ItemState,
    ReconciliationItem,
    ReconciliationRun,
    RunStatus,
)
from pettycash.services import cases, company_settings, outbox, payments
from pettycash.services.audit import CHECKS, Finding, check_books
from pettycash.services.reconciliation.evidence import match_day

RUN_TOPIC = "reconciliation.run"

DEADLINE = timedelta(minutes=15)
"""How long a run waits for rails to answer what it asked them."""


TURN = "reconciliation.start:"
"""What the advisory lock of `take_turn` is named after."""


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
    take_turn(session)
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
    outbox.owe(session, topic=RUN_TOPIC, key=run.id)
    reach("reconciliation.started")
    return run


def take_turn(session: Session) -> None:
    """Let one unit of work at a time decide which runs of this company to start.

    Unique constraints alone would let a run that closes in between become the loser's error, or a
    second run of the same night.
    """
    company_id = session.info["scope"].company_id
    name = func.hashtextextended(f"{TURN}{company_id}", 0)
    session.execute(select(func.pg_advisory_xact_lock(name)))


def advance(session: Session, *, run_id: UUID, now: datetime) -> ReconciliationRun:
    """Do the next step of a run. Repeating it changes nothing that was done.

    RUNNING: match proof, ask the rails about what is open, then WAITING.
    WAITING: when every question has an answer or the deadline has passed, match what was proven
    since, check the books, and close.

    Raises:
        RunNotFound: no such run in this company.
    """
    run = db.lock(session, ReconciliationRun, run_id)
    if run is None:
        raise RunNotFound
    if run.status is RunStatus.RUNNING:
        _ask(session, run, now=now)
        run.status = RunStatus.WAITING
        session.flush()  # the next step counts these rows
    if run.status is RunStatus.WAITING:
        _take_answers(session, run, now=now)
        waiting = _items(session, run, ItemState.ASKING, ItemState.WAITING)
        if not waiting or now >= run.deadline_at:
            _close(session, run, unanswered=waiting, now=now)
    return run


def find_run(session: Session, run_id: UUID) -> ReconciliationRun:
    """One run.

    Raises:
        RunNotFound: no such run in this company.
    """
    run = session.get(ReconciliationRun, run_id)
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


def _bounds(session: Session, run: ReconciliationRun) -> tuple[datetime, datetime]:
    return clock.day_bounds(run.business_date, company_settings.current(session).timezone)


def _ask(session: Session, run: ReconciliationRun, *, now: datetime) -> None:
    """Match what is proven, note every payment whose end is open, and have its rail asked now."""
    _, until = _bounds(session, run)
    match_day(session, run_id=run.id, until=until)
    reach("reconciliation.matched")
    overdue = now - timedelta(seconds=settings.current().decide_by_seconds)
    open_ends = session.execute(
        select(Payment, PaymentAttempt)
        .join(PaymentAttempt, PaymentAttempt.payment_id == Payment.id)
        .where(
            Payment.status.in_(ON_THE_WAY),
            PaymentAttempt.state.in_(LIVE),
            PaymentAttempt.created_at < until,
            (Payment.status == PaymentStatus.IN_DOUBT) | (Payment.status_changed_at < overdue),
        )
        .order_by(Payment.requisition_id, Payment.id)  # locked in this order, whoever comes along
    ).all()
    for payment, attempt in open_ends:
        _note(session, run, payment, ItemState.ASKING, finding=None)
        payments.ask_now(session, attempt_id=attempt.id, now=now)
    reach("reconciliation.asked")


def _without_proof(session: Session, until: datetime) -> Sequence[Payment]:
    proven = select(PaymentReconciliation.id).where(PaymentReconciliation.payment_id == Payment.id)
    return (
        session.execute(
            select(Payment).where(
                Payment.status == PaymentStatus.SUCCESS,
                Payment.paid_at < until,
                ~proven.exists(),
            )
        )
        .scalars()
        .all()
    )


def _note(
    session: Session,
    run: ReconciliationRun,
    payment: Payment,
    state: ItemState,
    *,
    finding: str | None,
) -> None:
    session.execute(
        insert(ReconciliationItem)
        .values(
            company_id=run.company_id,
            run_id=run.id,
            payment_id=payment.id,
            state=state,
            finding=finding,
            detail={
                "number": payment.number,
                "amount": money.text(payment.amount, payment.currency),
                "currency": payment.currency,
                "status": payment.status.value,
            },
        )
        .on_conflict_do_update(
            index_elements=["run_id", "payment_id"], set_={"state": state, "finding": finding}
        )
    )


def _items(
    session: Session, run: ReconciliationRun, *states: ItemState
) -> Sequence[ReconciliationItem]:
    return (
        session.execute(
            select(ReconciliationItem)
            .where(ReconciliationItem.run_id == run.id, ReconciliationItem.state.in_(states))
            .order_by(ReconciliationItem.id)
            .execution_options(populate_existing=True)
        )
        .scalars()
        .all()
    )


def _take_answers(session: Session, run: ReconciliationRun, *, now: datetime) -> None:
    """See which questions have been answered since: a final status is an answer."""
    for item in _items(session, run, ItemState.ASKING, ItemState.WAITING):
        payment = session.get_one(Payment, item.payment_id, populate_existing=True)
        if payment.status in ON_THE_WAY:
            item.state = ItemState.WAITING
            continue
        item.state = ItemState.MATCHED
        item.finding = f"became_{payment.status.value}"
        item.settled_at = now
    reach("reconciliation.answered")


def _close(
    session: Session,
    run: ReconciliationRun,
    *,
    unanswered: Sequence[ReconciliationItem],
    now: datetime,
) -> None:
    for item in unanswered:
        item.state = ItemState.BROKEN
        item.finding = "no_answer_from_rail"
        item.settled_at = now
    session.flush()
    since, until = _bounds(session, run)
    match_day(session, run_id=run.id, until=until)
    for payment in _without_proof(session, until):
        _note(session, run, payment, ItemState.BROKEN, finding="success_without_evidence")
    reach("reconciliation.closing")
    # How late things are is for the health check to say: after an outage it would be a case each.
    findings = check_books(session)
    broken = _items(session, run, ItemState.BROKEN)
    run.mismatches = [
        *(
            {"kind": each.finding, "payment_id": str(each.payment_id), **each.detail}
            for each in broken
        ),
        *(
            {"kind": each.check, each.object_type + "_id": each.object_id, **each.detail}
            for each in findings
        ),
    ]
    run.counts, run.totals = _figures(session, run, since=since, until=until)
    run.counts["book_findings"] = len(findings)
    run.counts["broken"] = len(broken)
    run.status = RunStatus.CLOSED
    run.closed_at = now
    _open_cases(session, run, findings, broken)
    outbox.done(session, topic=RUN_TOPIC, key=run.id)
    reach("reconciliation.closed")


def _figures(
    session: Session, run: ReconciliationRun, *, since: datetime, until: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    # What was paid belongs to the day on which the rail says so, as in the journal: a callback that
    # comes after midnight does not move it. Any other end belongs to the day we learned of it.
    happened = case(
        (Payment.status == PaymentStatus.SUCCESS, Payment.paid_at), else_=Payment.status_changed_at
    )
    counted = session.execute(
        select(Payment.status, func.count())
        .where(happened >= since, happened < until)
        .group_by(Payment.status)
    ).all()
    # What came back later was settled that day all the same; its return is an entry of its own day.
    settled = session.execute(
        select(Payment.currency, func.sum(Payment.paid_amount))
        .where(
            Payment.status.in_((PaymentStatus.SUCCESS, PaymentStatus.REVERSED)),
            Payment.paid_at >= since,
            Payment.paid_at < until,
        )
        .group_by(Payment.currency)
    ).all()
    matched = session.execute(
        select(func.count()).where(PaymentReconciliation.run_id == run.id)
    ).scalar_one()
    return (
        {**{status.value: number for status, number in counted}, "matched": matched},
        {currency: money.text(amount, currency) for currency, amount in settled if amount},
    )


def _open_cases(
    session: Session,
    run: ReconciliationRun,
    findings: Sequence[Finding],
    broken: Sequence[ReconciliationItem],
) -> None:
    for item in broken:
        cases.open_case(
            session,
            kind=CaseKind.MISMATCH,
            object_type="payment",
            object_id=item.payment_id,
            summary=f"Reconciliation of {run.business_date}: {item.finding}",
            evidence={"run_id": str(run.id), **item.detail},
            severity=Severity.WARNING,
        )
    for finding in findings:
        is_of_schema = CHECKS[finding.check].is_of_schema
        cases.open_case(
            session,
            kind=CaseKind.MISMATCH,
            # A table has no key of its own: the run that saw it without its guard stands for it.
            object_type="reconciliation_run" if is_of_schema else finding.object_type,
            object_id=run.id if is_of_schema else UUID(finding.object_id),
            summary=f"The books break their own rule: {finding.check}",
            evidence={"run_id": str(run.id), **finding.detail},
            severity=Severity.SEVERE,
        )
