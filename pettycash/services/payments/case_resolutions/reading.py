"""The rail's last answer about the payment of a case, for those who judge it."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.operations import Case
from pettycash.models.payments import PaymentAttempt
from pettycash.services.payments import gateway_exchanges, restored
from pettycash.services.payments.case_resolutions.endings import ABOUT_MONEY, not_paid_from


def rails_report(session: Session, *, case: Case, now: datetime) -> dict[str, Any] | None:
    """The rail's last answer about the newest attempt, or why none came; None where nothing left.

    With the time from which two people may call it unpaid.
    """
    if case.object_type != "payment" or case.kind not in ABOUT_MONEY:
        return None
    attempt = session.execute(
        select(PaymentAttempt)
        .where(PaymentAttempt.payment_id == case.object_id)
        .order_by(PaymentAttempt.number.desc())
        .limit(1)
    ).scalar_one_or_none()
    if attempt is None or not restored.may_have_left(attempt):
        return None
    last = gateway_exchanges.last_heard(session, attempt)
    return {
        "attempt_number": attempt.number,
        "state": attempt.state,
        "first_sent_at": attempt.first_sent_at,
        "decide_by": attempt.decide_by,
        "questions": attempt.queries,
        "asked_at": attempt.last_query_at,
        "answered_at": last.created_at if last else None,
        "answer": last.status if last else None,
        "code": last.code if last else None,
        "message": last.message if last else None,
        "not_paid_from": not_paid_from(attempt, now),
    }
