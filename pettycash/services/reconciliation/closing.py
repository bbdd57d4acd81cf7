"""The end of a run: matched, examined at one instant, closed. Each is a unit of work of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, case, func, select, update
from sqlalchemy.orm import Session

from pettycash.models.operations import CaseKind, Severity
from pettycash.models.payments import Payment, PaymentReconciliation, PaymentStatus
from pettycash.models.reconciliation import (
    UNANSWERED,
    ItemState,
    ReconciliationItem,
    ReconciliationRun,
    RunStatus,
)
from pettycash.runtime import money
from pettycash.runtime.crash_points import crash_point
from pettycash.services.foundation import outbox
from pettycash.services.operations import cases
from pettycash.services.reconciliation import runs
from pettycash.services.reconciliation.invariants import CHECKS, EVER, Finding, check_books
from pettycash.services.reconciliation.payment_proofs import match_day, unproven


@dataclass(frozen=True, kw_only=True)
class Report:
    """The figures of the books at one instant."""

    unproven: Sequence[Row[Any]]
    findings: Sequence[Finding]
    counts: dict[str, Any]
    totals: dict[str, Any]


def match(session: Session, *, run_id: UUID) -> None:
    """Match what has settled by the end of the run's day with its proof."""
    _, until = runs.bounds(session, runs.find_run(session, run_id))
    match_day(session, run_id=run_id, until=until)
    crash_point("reconciliation.matched")


def examine(session: Session, *, run_id: UUID) -> Report:
    """Read the books as they stand at one instant (`db.snapshot`): what settles between two
    statements would look like a mismatch.
    """
    run = runs.find_run(session, run_id)
    since, until = runs.bounds(session, run)
    counts, totals = _figures(session, run, since=since, until=until)
    return Report(
        unproven=unproven(session, until=until),
        # How late things are is for the health check to say: it would be a case each.
        findings=check_books(session, since=_last_clean(session)),
        counts=counts,
        totals=totals,
    )


def _last_clean(session: Session) -> datetime:
    """The newest run that found nothing has proven what stood a day before it; a transaction
    that was open when it looked is not a day old."""
    began = session.execute(
        select(func.max(ReconciliationRun.created_at)).where(
            ReconciliationRun.status == RunStatus.CLOSED,
            func.jsonb_array_length(ReconciliationRun.mismatches) == 0,
        )
    ).scalar_one()
    return EVER if began is None else began - timedelta(days=1)


def close(session: Session, *, run_id: UUID, report: Report, now: datetime) -> ReconciliationRun:
    """Write down what was found, and open a case for each mismatch. A closed run stays as it is.

    Raises:
        RunNotFound: no such run in this company.
    """
    run = runs.locked(session, run_id)
    if run.status is RunStatus.CLOSED:
        return run
    runs.apply_answers(session, run, now=now)
    session.execute(
        update(ReconciliationItem)
        .where(ReconciliationItem.run_id == run.id, ReconciliationItem.state.in_(UNANSWERED))
        .values(state=ItemState.BROKEN, finding="no_answer_from_rail", settled_at=now)
        .execution_options(synchronize_session=False)
    )
    for payment in report.unproven:
        runs.note(
            session,
            run,
            payment_id=payment.id,
            state=ItemState.BROKEN,
            finding="success_without_evidence",
            detail=runs.detail_of(payment),
            now=now,
        )
    crash_point("reconciliation.closing")
    broken = (
        session.execute(
            select(ReconciliationItem)
            .where(
                ReconciliationItem.run_id == run.id,
                ReconciliationItem.state == ItemState.BROKEN,
            )
            .order_by(ReconciliationItem.id)
            .execution_options(populate_existing=True)
        )
        .scalars()
        .all()
    )
    run.mismatches = [
        *(
            {"kind": each.finding, "payment_id": str(each.payment_id), **each.detail}
            for each in broken
        ),
        *(
            {"kind": each.check, each.object_type + "_id": each.object_id, **each.detail}
            for each in report.findings
        ),
    ]
    run.counts = report.counts | {"book_findings": len(report.findings), "broken": len(broken)}
    run.totals = report.totals
    run.status = RunStatus.CLOSED
    run.closed_at = now
    _open_cases(session, run, report.findings, broken)
    outbox.complete(session, topic=runs.RUN_TOPIC, key=run.id)
    crash_point("reconciliation.closed")
    return run


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
