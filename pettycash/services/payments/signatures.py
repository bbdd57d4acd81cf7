"""Cash for a recipient without a code or a login: they sign, and a witness says that they did.

The custodian keeps a picture of what was signed and names who stood by; that person confirms with
their own sign-in, and the cash is paid (control.md §5).
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash.models.access import Membership, User
from pettycash.models.imprest import Fund, Store
from pettycash.models.payments import Payment
from pettycash.models.releases import CashAcknowledgement, PaymentExecution
from pettycash.runtime import errors, money
from pettycash.services.foundation import duties, images, rail_limits, security_log
from pettycash.services.foundation.duties import Duty
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import cash, facts, rules
from pettycash.services.payments.facts import LockedAttempt
from pettycash.services.requisitions import attachments

BYTES_MAX = 500_000


class NotASignature(errors.RuleViolation):
    """A signature is a picture that decodes (a photo of the signed voucher) of at most 500 kB."""

    code = "acknowledgement.not_a_signature"


class SignatureUsed(errors.Conflict):
    """This image has been used before; take a new picture of the signature."""

    code = "acknowledgement.signature_used"


class WitnessDoesNotFit(errors.RuleViolation):
    """A witness must be an active member, and neither custodian, requester nor recipient."""

    code = "acknowledgement.witness_does_not_fit"


class NotTheWitness(errors.NotAllowed):
    """Only the person named as the witness of a signature may confirm it."""

    code = "acknowledgement.not_the_witness"


class SignatureReplaced(errors.Conflict):
    """Another picture has replaced the signed one: look at it, and confirm that one."""

    code = "acknowledgement.signature_replaced"


def sign(uow: Uow, *, payment_id: UUID, image: bytes, witness_id: UUID) -> Payment:
    """Keep what the recipient signed, and name who stood by; it is paid once they confirm.

    Raises:
        as `cash.kept`; NotASignature: no picture, or too large; SignatureUsed: seen before.
        WitnessDoesNotFit: they have a part in it.
        AboveCashLimit: it takes a code, or the recipient's own sign-in.
        UploadQuotaUsed: the actor has stored too much this company day.
    """
    locked, row = cash.kept(uow, payment_id=payment_id)
    _check_limit(uow.session, locked)
    if not _may_witness(uow.session, locked.payment, user_id=witness_id):
        raise WitnessDoesNotFit(errors={"witness_id": ["Name another member who stood by."]})
    if len(image) > BYTES_MAX:
        raise NotASignature(errors={"signature": ["Send a picture of at most 500 kB."]})
    try:
        content_type = images.check(image)
        kept = attachments.keep(
            uow,
            filename=f"signature-{locked.payment.number}.{content_type.rpartition('/')[2]}",
            content=image,
            payment_id=locked.payment.id,
        )
    except images.NotAnImage as error:
        raise NotASignature(errors={"signature": [error.detail]}) from error
    except attachments.DuplicateAttachment as error:
        raise SignatureUsed from error
    row.attachment_id = kept.id
    row.witness_id = witness_id
    locked.payment.version += 1
    security_log.record(
        uow.session,
        event="payment.signed",
        outcome="ok",
        detail={"payment_id": str(locked.payment.id), "witness_id": str(witness_id)},
        actor=uow.actor,
    )
    return locked.payment


def witness(uow: Uow, *, payment_id: UUID, attachment_id: UUID) -> Payment:
    """Say that one saw the recipient take the cash and sign what a picture shows: it is paid.

    Raises:
        PaymentNotFound, NotCash, IllegalTransition: as `cash.offered`.
        NotTheWitness: the actor was not named, or has a part in it by now.
        SignatureReplaced: another picture was kept since they looked.
    """
    locked, row = cash.offered(uow, payment_id=payment_id)
    check_witnessing(uow, locked.payment, row)
    if row.attachment_id != attachment_id:
        raise SignatureReplaced
    row.witnessed_at = uow.now
    cash.pay_out(uow, locked=locked, row=row, proof="signature")
    return locked.payment


def check_witnessing(uow: Uow, payment: Payment, row: CashAcknowledgement) -> None:
    """Refuse who may not witness the signature for cash as things stand.

    Raises:
        NotCash, IllegalTransition, NotTheWitness: see `witness`.
    """
    cash.check_offered(payment)
    if row.attachment_id is None or row.witness_id != uow.actor.user_id:
        raise NotTheWitness
    if not _may_witness(uow.session, payment, user_id=uow.actor.user_id):
        raise NotTheWitness(
            "You keep the fund, raised the requisition or get the money: you can't be its witness."
        )


def by_custodian(
    session: Session, *, since: datetime, until: datetime
) -> list[tuple[str, str, int, int, Decimal]]:
    """How much cash each custodian paid in a time, and how often against a signature alone.

    Username, currency, payments, those by signature, and what was paid by signature.
    """
    is_signed = CashAcknowledgement.proof == "signature"
    rows = session.execute(
        select(
            User.username,
            Payment.currency,
            func.count(),
            func.count().filter(is_signed),
            func.coalesce(func.sum(Payment.paid_amount).filter(is_signed), Decimal(0)),
        )
        .join(PaymentExecution, PaymentExecution.executor_id == User.id)
        .join(CashAcknowledgement, CashAcknowledgement.execution_id == PaymentExecution.id)
        .join(Payment, Payment.id == CashAcknowledgement.payment_id)
        .where(
            CashAcknowledgement.acknowledged_at >= since,
            CashAcknowledgement.acknowledged_at < until,
        )
        .group_by(User.username, Payment.currency)
        .order_by(User.username, Payment.currency)
    )
    return [(row[0], row[1], row[2], row[3], Decimal(row[4] or 0)) for row in rows]


def _may_witness(session: Session, payment: Payment, *, user_id: UUID) -> bool:
    known = duties.holders(session, requisition_id=payment.requisition_id)
    # Also who released it, though somebody else keeps the fund by now.
    out = facts.custodians(session, payment).union(
        *(known[each] for each in (Duty.REQUESTER, Duty.RECIPIENT, Duty.RELEASER))
    )
    member = session.execute(
        select(Membership.id)
        .join(User, User.id == Membership.user_id)
        .where(Membership.user_id == user_id, Membership.is_active, User.is_active)
    )
    return user_id not in out and member.first() is not None


def _check_limit(session: Session, locked: LockedAttempt) -> None:
    """The fund's cash limit holds for all cash of a requisition together, however it is split."""
    store = session.get_one(Store, locked.payment.store_id)
    limit = session.get_one(Fund, store.fund_id).cash_limit
    together = rules.cash_of(session, requisition_id=locked.requisition.id)
    if limit is not None and together > limit:
        shown = money.text(limit, locked.payment.currency)
        raise rail_limits.AboveCashLimit(
            f"Against a signature, at most {shown} of a requisition can be paid in cash.",
            errors={"signature": ["Use a code, or the recipient's own sign-in."]},
        )
