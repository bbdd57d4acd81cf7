"""Releasing a payment: a code is sent and verified, then it is executed; cash is acknowledged."""

import base64
import binascii
from typing import Any
from uuid import UUID

from pettycash.models.payments import IllegalTransition
from pettycash.services import payments
from pettycash.services.foundation.duties import ApprovalVoid, NotSeparate
from pettycash.services.foundation.rail_limits import AboveCashLimit
from pettycash.services.foundation.uow import Uow
from pettycash.services.foundation.visibility import PaymentNotFound
from pettycash.services.ledger.posting import InsufficientFunds
from pettycash.services.operations.pauses import Paused
from pettycash.services.payments import reading
from pettycash.services.payments.cash import (
    AcknowledgementExpired,
    AcknowledgementTriesExhausted,
    NotCash,
    NotTheRecipient,
    TooManyAcknowledgementCodes,
    WrongAcknowledgement,
)
from pettycash.services.payments.restored import BlockedByLostCallback, MayHaveBeenPaid
from pettycash.services.payments.rules import (
    UNFIT,
    BlockedByCase,
    ExceedsApproved,
    FailureUnconfirmed,
    RequisitionNotPayable,
    RetriesExhausted,
)
from pettycash.services.payments.signatures import (
    NotASignature,
    NotTheWitness,
    SignatureReplaced,
    SignatureUsed,
    WitnessDoesNotFit,
)
from pettycash.services.payments.standing import NotCovered
from pettycash.services.releases.challenges import (
    CannotRelease,
    NotLocked,
    ReleaseClaimed,
    TooManyCodes,
)
from pettycash.services.releases.checking import (
    CodeExpired,
    CodeRequired,
    CodeUsed,
    GrantExpired,
    GrantUsed,
    NoChallenge,
    SubjectChanged,
    TriesExhausted,
    WrongCode,
)
from pettycash.services.releases.subjects import NotTheExecutor, ReleaseLocked, TreasuryFirst
from pettycash.services.requisitions.approved_facts import RedirectNeeded, RedirectOpen
from pettycash.services.requisitions.attachments import UploadQuotaUsed
from pettycash.web.etags import Tagged
from pettycash.web.idempotency import refuse_and_store
from pettycash.web.operations import operation
from pettycash.web.operations.payments.conflicts import settled
from pettycash.web.operations.payments.payments import shown
from pettycash.web.refusals import refuses
from pettycash.web.schemas import payment_examples as shapes
from pettycash.web.schemas.payments import (
    AcknowledgementSchema,
    CodeSchema,
    ExecutorSchema,
    PaymentDetailSchema,
    ReleaseSchema,
)

NOT_YOU = (NotSeparate, TreasuryFirst)

NOT_NOW = (
    PaymentNotFound,
    BlockedByCase,
    FailureUnconfirmed,
    IllegalTransition,
    RedirectOpen,
    ReleaseLocked,
    RequisitionNotPayable,
    RetriesExhausted,
)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotASignature(errors={"signature": ["The signature must be base64."]}) from error


@operation(
    "payments.send_otp",
    status=202,
    answers=ReleaseSchema,
    example={**shapes.EXAMPLE_RELEASE, "otp_sent_timestamp": None},
)
@refuses(
    *NOT_YOU,
    *NOT_NOW,
    AboveCashLimit,
    ApprovalVoid,
    NotCovered,
    Paused,
    ReleaseClaimed,
    TooManyCodes,
)
def send_otp(uow: Uow, *, payment_id: UUID) -> dict[str, Any] | None:
    """Become the executor and be sent a code with amount and payee; again replaces it."""
    with settled(uow, payment_id=payment_id):
        payments.send_code(uow, payment_id=payment_id)
    return reading.release_of(uow.session, payment_id=payment_id, now=uow.now)


@operation(
    "payments.verify_otp",
    takes=CodeSchema,
    given={"code": "123456"},
    answers=ReleaseSchema,
    example=shapes.EXAMPLE_VERIFIED,
)
@refuses(
    *NOT_YOU,
    *NOT_NOW,
    ApprovalVoid,
    CodeExpired,
    CodeUsed,
    NoChallenge,
    NotTheExecutor,
    Paused,
    SubjectChanged,
    TriesExhausted,
    WrongCode,
)
def verify_otp(uow: Uow, *, payment_id: UUID, code: str) -> dict[str, Any] | None:
    """Verify the code, or one of your TOTP app. Each try counts; it releases for 5 minutes."""
    with settled(uow, payment_id=payment_id):
        result = payments.verify_code(uow, payment_id=payment_id, code=code)
    if result.refusal is not None:
        raise refuse_and_store(result.refusal)
    uow.session.flush()  # what is read back stands in the tables
    return reading.release_of(uow.session, payment_id=payment_id, now=uow.now)


@operation(
    "payments.execute",
    key="required",
    status=202,
    answers=PaymentDetailSchema,
    example=shapes.EXAMPLE_EXECUTING,
    etag=True,
)
@refuses(
    *NOT_YOU,
    *NOT_NOW,
    *UNFIT,
    ApprovalVoid,
    BlockedByLostCallback,
    CodeRequired,
    ExceedsApproved,
    GrantExpired,
    GrantUsed,
    InsufficientFunds,
    MayHaveBeenPaid,
    NotCovered,
    NotTheExecutor,
    Paused,
    RedirectNeeded,
    SubjectChanged,
)
def execute(uow: Uow, *, payment_id: UUID) -> Tagged:
    """Release the payment: its money is held and workers send it. Read it at `Location`."""
    with settled(uow, payment_id=payment_id):
        payments.execute(uow, payment_id=payment_id)
    return shown(uow, payment_id)


@operation(
    "payments.assign_executor",
    takes=ExecutorSchema,
    given={"executor_id": shapes.EXAMPLE_RELEASE["executor_id"]},
    answers=PaymentDetailSchema,
    example={**shapes.EXAMPLE_DETAIL, "executor_id": shapes.EXAMPLE_RELEASE["executor_id"]},
    etag=True,
)
@refuses(*NOT_NOW, CannotRelease, NotSeparate)
def assign_executor(uow: Uow, *, payment_id: UUID, executor_id: UUID) -> Tagged:
    """Name who releases the payment; whatever claim there was ends."""
    payments.assign_executor(uow, payment_id=payment_id, executor_id=executor_id)
    return shown(uow, payment_id)


@operation(
    "payments.unlock_release", answers=PaymentDetailSchema, example=shapes.EXAMPLE_DETAIL, etag=True
)
@refuses(NotLocked, NotSeparate, PaymentNotFound)
def unlock_release(uow: Uow, *, payment_id: UUID) -> Tagged:
    """Unlock a release after too many failed codes; their executor may not do it."""
    payments.unlock_release(uow, payment_id=payment_id)
    return shown(uow, payment_id)


@operation(
    "payments.acknowledge",
    takes=AcknowledgementSchema,
    given={"code": "123456"},
    answers=PaymentDetailSchema,
    example={
        **shapes.EXAMPLE_PAID,
        "method": "cash",
        "provider_account_id": None,
        "destination": "+254712345678",
        "lines": [*shapes.EXAMPLE_LINES[:2], "Cash +254712345678"],
        "phone_number": None,
    },
    etag=True,
)
@refuses(
    AboveCashLimit,
    AcknowledgementExpired,
    AcknowledgementTriesExhausted,
    IllegalTransition,
    NotASignature,
    NotCash,
    NotSeparate,
    NotTheRecipient,
    NotTheWitness,
    PaymentNotFound,
    SignatureReplaced,
    SignatureUsed,
    TooManyAcknowledgementCodes,
    UploadQuotaUsed,
    WitnessDoesNotFit,
    WrongAcknowledgement,
)
def acknowledge(uow: Uow, /, *, payment_id: UUID, **facts: Any) -> Tagged:
    """Say that cash changed hands, or have a new code sent to the recipient.

    The custodian sends the recipient's code, or what they signed with the name of a witness;
    the witness confirms the picture that they have seen (`witnessed`). A recipient who is a
    member says so themselves (`received`).
    """
    about: dict[str, Any] = {"payment_id": payment_id}
    if "code" in facts:
        refusal = payments.acknowledge(uow, code=facts["code"], **about)
        if refusal is not None:
            raise refuse_and_store(refusal)
    elif "signature" in facts:
        payments.sign(
            uow, image=_decoded(facts["signature"]), witness_id=facts["witness_id"], **about
        )
    elif "witnessed" in facts:
        payments.witness(uow, attachment_id=facts["witnessed"], **about)
    elif "received" in facts:
        payments.acknowledge_by_sign_in(uow, **about)
    else:
        payments.resend_acknowledgement(uow, **about)
    return shown(uow, payment_id)
