"""After a restore: what the rail may have had in the time that this database has lost.

References are derived, so a release of an old requisition meets the reference that was sent then.
Such an attempt asks before its first byte; and what the rail tells of an attempt that is gone keeps
the same money from being paid under another reference (reliability.md §2, restore).
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Numeric, Text, bindparam, func, or_, select
from sqlalchemy.orm import Session

from pettycash.gateways import registry
from pettycash.models.operations import Case, CaseKind, CaseStatus, Restore
from pettycash.models.payments import (
    UNPAID,
    AttemptState,
    Callback,
    Payment,
    PaymentAttempt,
    PaymentStatus,
)
from pettycash.runtime import db, errors, settings
from pettycash.services.foundation import duties
from pettycash.services.operations import cases
from pettycash.services.payments import facts
from pettycash.services.payments.facts import LockedAttempt

PAYMENTS_AHEAD = 2
"""How many payments of one requisition, beyond those that are here, the lost time is taken to have
made at most."""

CALLBACK = "callback"
"""The object type of a case about a lost callback."""


NOBODY = ""
"""Stands for a payee whom the rail did not name; it may have been anybody."""


class BlockedByLostCallback(errors.Conflict):
    """The rail reports the same amount to the same payee for a payment that was lost in a restore.

    Two people end that case first: it may be this very payment.
    """

    code = "payment.blocked_by_lost_callback"


class MayHaveBeenPaid(errors.Conflict):
    """A restore has lost a time in which this may have been paid from another provider account.

    Only that account can be asked: release it from there first, and it becomes what the rail says.
    """

    code = "payment.may_have_been_paid"


def must_ask(attempt: PaymentAttempt) -> bool:
    """Whether the rail has to say first that it knows nothing under the attempt's reference."""
    waits = attempt.state in (AttemptState.QUEUED, AttemptState.CLAIMED)
    return attempt.asks_first and attempt.not_known_at is None and waits


def reference_to_ask(session: Session, locked: LockedAttempt) -> str:
    """The reference of the next question: as a rule the attempt's own.

    Before the first byte that one, too, comes first. One that the rail refused at its door left no
    trace there, so the lost time may have gone on to a further attempt, or to another payment of
    the requisition.
    """
    if not must_ask(locked.attempt):
        return locked.attempt.originator_reference
    place = _place_to_ask(session, locked)
    if place == (locked.payment.ordinal, locked.attempt.number):
        return locked.attempt.originator_reference
    return _reference(locked.payment, place)


def goes_on(session: Session, locked: LockedAttempt) -> bool:
    """The rail knows nothing of what it was asked about: whether there is more to ask about."""
    payment, attempt = locked.payment, locked.attempt
    places = _places(session, payment, attempt.number)
    here = _ordinals(session, payment)
    known = {
        (row.ordinal, row.number)
        for row in session.execute(
            select(Payment.ordinal, PaymentAttempt.number)
            .join(PaymentAttempt, PaymentAttempt.payment_id == Payment.id)
            .where(Payment.requisition_id == payment.requisition_id)
        )
    }
    attempt.asked_ahead += 1
    attempt.asked_reference = None  # said once more, it would be about the next one
    while attempt.asked_ahead < len(places):
        ordinal, _ = place = places[attempt.asked_ahead]
        # A payment that counts asks for itself, once it is released; one that is over does not.
        asks_itself = (
            ordinal != payment.ordinal and here.get(ordinal, PaymentStatus.CANCELLED) not in UNPAID
        )
        if place not in known and not asks_itself:
            break
        attempt.asked_ahead += 1
    return attempt.asked_ahead < len(places)


def is_of_another(session: Session, locked: LockedAttempt) -> bool:
    """Whether the newest question is about a payment that is here beside this one, and over."""
    ordinal, _ = _place_to_ask(session, locked)
    return ordinal != locked.payment.ordinal and ordinal in _ordinals(session, locked.payment)


Place = tuple[int, int]
"""The number of a payment within its requisition, and of the attempt within it."""


def _place_to_ask(session: Session, locked: LockedAttempt) -> Place:
    attempt = locked.attempt
    return _places(session, locked.payment, attempt.number)[attempt.asked_ahead]


def _ordinals(session: Session, payment: Payment) -> dict[int, PaymentStatus]:
    """The payments of the requisition that are here."""
    rows = session.execute(
        select(Payment.ordinal, Payment.status).where(
            Payment.requisition_id == payment.requisition_id
        )
    )
    return {row.ordinal: row.status for row in rows}


def _places(session: Session, payment: Payment, number: int) -> list[Place]:
    """References that the lost time may have used: this payment from an attempt on, then others.

    Only its end grows, when a payment is made meanwhile: `asked_ahead` counts along it.
    """
    last = max(payment.max_retries + 1, number)
    newest = max(_ordinals(session, payment))
    others = (each for each in range(1, newest + 1 + PAYMENTS_AHEAD) if each != payment.ordinal)
    return [
        *((payment.ordinal, each) for each in range(number, last + 1)),
        *((ordinal, each) for ordinal in others for each in range(1, last + 1)),
    ]


def _reference(payment: Payment, place: Place) -> str:
    ordinal, number = place
    derived = facts.derived_reference(
        requisition_id=payment.requisition_id, ordinal=ordinal, number=number
    )
    return registry.for_rail(payment.method).shape_reference(derived)


def asks_ahead(locked: LockedAttempt) -> bool:
    """Whether the newest question is about another reference than the attempt's own."""
    return must_ask(locked.attempt) and locked.attempt.asked_ahead > 0


def is_asked(session: Session, payment: Payment) -> bool:
    """Whether the rail has said of a payment that it knows nothing that the books don't know.

    Since the newest restore: then no further attempt of it has to ask. Other payments of the
    requisition were left out, where they were here, and ask for themselves.
    """
    asked = session.execute(
        select(PaymentAttempt.id)
        .where(
            PaymentAttempt.payment_id == payment.id,
            PaymentAttempt.not_known_at > select(func.max(Restore.stamped_at)).scalar_subquery(),
        )
        .limit(1)
    )
    return asked.first() is not None


def check_elsewhere(
    session: Session, *, payment: Payment, account_id: UUID | None, until: datetime
) -> None:
    """Refuse to pay from an account, or in cash, what another one may have paid.

    `until` is `Restore.covers_until`; what the payment stands in the place of is over by now.

    Raises:
        MayHaveBeenPaid: an account that was to pay it before the restore has not been asked.
    """
    over = select(Payment.provider_account_id).where(
        Payment.requisition_id == payment.requisition_id,
        Payment.id != payment.id,
        Payment.status.in_(UNPAID),
        Payment.created_at <= until,
    )
    for each in session.execute(over.distinct()).scalars():
        _check_asked(session, payment, asked=each, account_id=account_id)


def check_moved(session: Session, *, payment: Payment, account_id: UUID | None) -> None:
    """Refuse to move a payment that was here before a restore to another account, or to cash.

    Raises:
        MayHaveBeenPaid: the account that it was to leave from has not been asked.
    """
    until = session.execute(select(func.max(Restore.covers_until))).scalar_one()
    if until is not None and payment.created_at <= until:
        _check_asked(session, payment, asked=payment.provider_account_id, account_id=account_id)


def _check_asked(
    session: Session, payment: Payment, *, asked: UUID | None, account_id: UUID | None
) -> None:
    if asked is None or asked == account_id:
        return
    answered = session.execute(
        select(PaymentAttempt.id)
        .join(Payment, Payment.id == PaymentAttempt.payment_id)
        .where(
            Payment.requisition_id == payment.requisition_id,
            PaymentAttempt.provider_account_id == asked,
            PaymentAttempt.not_known_at > select(func.max(Restore.stamped_at)).scalar_subquery(),
        )
        .limit(1)
    )
    if answered.first() is None:
        raise MayHaveBeenPaid


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


def check_not_told(session: Session, *, payment: Payment, number: int, asks_first: bool) -> None:
    """Refuse to release what a lost callback may be about.

    Under a reference that is asked about first it may go on, and becomes what the rail says.

    Raises:
        BlockedByLostCallback: there is an open case about the same amount to the same payee.
    """
    told = session.execute(
        # Cash is paid to a number with the plus that rails spell without.
        TOLD,
        {"destination": payment.destination.removeprefix("+"), "amount": payment.amount},
    ).scalars()
    told_of = set(told)
    if not told_of:
        return
    places = _places(session, payment, number) if asks_first else []
    if told_of - {_reference(payment, each) for each in places}:
        raise BlockedByLostCallback


def payees_told(session: Session, *, callback_id: UUID) -> frozenset[UUID]:
    """Members whose own contact is the destination that a lost callback names."""
    destination = session.execute(
        select(Callback.told_destination).where(Callback.id == callback_id)
    ).scalar_one()
    if not destination:
        return frozenset()
    return duties.reached_at(session, destination=destination)


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
        or_(
            Callback.told_destination == bindparam("destination", type_=Text),
            Callback.told_destination == NOBODY,
        ),
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
