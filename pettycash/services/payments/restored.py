"""After a restore: what the rail may have had in the time that this database does not remember.

References are derived, so a release of an old requisition meets the reference that was sent then.
Such an attempt asks before its first byte; and what the rail tells of an attempt that is gone keeps
the same money from being paid under another reference (reliability.md §2, restore).
"""

from datetime import datetime, timedelta

from sqlalchemy import Numeric, Text, bindparam, func, select
from sqlalchemy.orm import Session

from pettycash import db, errors, settings
from pettycash.models.attempts import AttemptState, Callback, PaymentAttempt
from pettycash.models.payments import Payment
from pettycash.models.platform import Case, CaseKind, CaseStatus, Restore
from pettycash.services import cases

CALLBACK = "callback"
"""What a case about a lost callback is about."""


class BlockedByLostCallback(errors.Conflict):
    """The rail reports the same amount to the same payee for a payment that was lost in a restore.

    Two people end that case first: it may be this very payment.
    """

    code = "payment.blocked_by_lost_callback"


def must_ask(attempt: PaymentAttempt) -> bool:
    """Whether the rail has to say first that it knows nothing under the attempt's reference."""
    waits = attempt.state in (AttemptState.QUEUED, AttemptState.CLAIMED)
    return attempt.asks_first and attempt.not_known_at is None and waits


def may_have_left(attempt: PaymentAttempt) -> bool:
    """Whether the rail may have the instruction: sent by us, or in the time that was lost."""
    return attempt.first_sent_at is not None or (
        attempt.asks_first and attempt.not_known_at is None
    )


def asked_since(attempt: PaymentAttempt) -> datetime:
    """From when on its outcome has been open: its first byte, or else its release."""
    return attempt.first_sent_at or attempt.created_at


def is_quiet(session: Session, now: datetime) -> bool:
    """Whether what was sent before the restore has had its time to arrive at the rail.

    Until then "never heard of it" may only mean that it is still on its way.
    """
    stamped_at = session.execute(select(func.max(Restore.stamped_at))).scalar_one()
    wait = timedelta(seconds=settings.current().resend_after_seconds)
    return stamped_at is None or stamped_at + wait <= now


def check_not_told(session: Session, *, payment: Payment, reference: str) -> None:
    """Refuse to release what a lost callback may be about.

    Under the same reference it may go on: it is asked about, and becomes what the rail says.

    Raises:
        BlockedByLostCallback: there is an open case about the same amount to the same payee.
    """
    told = session.execute(
        TOLD, {"destination": payment.destination, "amount": payment.amount}
    ).scalars()
    if any(each != reference for each in told):
        raise BlockedByLostCallback


_IS_OPEN = (
    select(Case.id)
    .where(
        Case.kind == CaseKind.UNMATCHED_CALLBACK,
        Case.object_type == CALLBACK,
        Case.object_id == Callback.id,
        Case.status != CaseStatus.RESOLVED,
    )
    .exists()
)

TOLD = (
    select(func.coalesce(Callback.told_reference, ""))
    .where(
        Callback.told_destination == bindparam("destination", type_=Text),
        Callback.told_amount == bindparam("amount", type_=Numeric),
        _IS_OPEN,
    )
    .execution_options(**db.PREPARED)
)


def close_told(session: Session, *, attempt: PaymentAttempt, now: datetime) -> None:
    """An attempt is proven paid: lost callbacks under its reference were about it."""
    told = session.execute(
        select(Callback.id).where(
            Callback.provider_account_id == attempt.provider_account_id,
            Callback.told_reference == attempt.originator_reference,
        )
    ).scalars()
    for callback_id in told:
        cases.close(
            session,
            kind=CaseKind.UNMATCHED_CALLBACK,
            object_type=CALLBACK,
            object_id=callback_id,
            resolved_by=None,
            note="The rail has said that it was this payment.",
            now=now,
        )
