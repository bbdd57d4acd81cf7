"""Releasing a payment: a code is sent and verified, then it is executed; cash is acknowledged."""

import base64
import binascii
from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.approvals.conflicts import settled
from pettycash.api.blueprints import Blueprint
from pettycash.api.payments.payments import to_response
from pettycash.models.payments import IllegalTransition
from pettycash.runtime.db import transaction
from pettycash.services import payments
from pettycash.services.approvals.approved_facts import RedirectNeeded, RedirectOpen
from pettycash.services.foundation.duties import ApprovalVoid, NotSeparate
from pettycash.services.foundation.rail_limits import AboveCashLimit
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
from pettycash.services.requisitions.attachments import UploadQuotaUsed
from pettycash.web.admission import current_actor, operation
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent, refuse_and_store
from pettycash.web.refusals import refuses
from pettycash.web.schemas.payment_examples import (
    EXAMPLE_DETAIL,
    EXAMPLE_EXECUTING,
    EXAMPLE_LINES,
    EXAMPLE_PAID,
    EXAMPLE_RELEASE,
    EXAMPLE_VERIFIED,
)
from pettycash.web.schemas.payments import (
    AcknowledgementSchema,
    CodeSchema,
    ExecutorSchema,
    PaymentDetailSchema,
    ReleaseSchema,
)

blp = Blueprint(
    "releases",
    __name__,
    url_prefix="/api/payments",
    description="Who releases a payment, with which proof.",
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


@blp.route("/<uuid:payment_id>/send_otp/")
class CodeSending(MethodView):
    @operation("payments.send_otp")
    @idempotent()
    @blp.response(202, ReleaseSchema, example={**EXAMPLE_RELEASE, "otp_sent_timestamp": None})
    @refuses(*NOT_YOU, *NOT_NOW, ApprovalVoid, Paused, ReleaseClaimed, TooManyCodes)
    def post(self, payment_id: UUID) -> dict[str, Any] | None:
        """Become the executor and be sent a code with amount and payee; again replaces it."""
        with transaction() as session:
            now = session.info["now"]
            with settled(session, payment_id=payment_id):
                payments.send_code(session, payment_id=payment_id, actor=current_actor(), now=now)
            return reading.release_of(session, payment_id=payment_id, now=now)


@blp.route("/<uuid:payment_id>/verify_otp/")
class CodeVerification(MethodView):
    @operation("payments.verify_otp")
    @idempotent()
    @blp.arguments(CodeSchema, example={"code": "123456"})
    @blp.response(200, ReleaseSchema, example=EXAMPLE_VERIFIED)
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
    def post(self, body: dict[str, Any], payment_id: UUID) -> dict[str, Any] | None:
        """Verify the code, or one of your TOTP app. Each try counts; it releases for 5 minutes."""
        with transaction() as session:
            now = session.info["now"]
            with settled(session, payment_id=payment_id):
                result = payments.verify_code(
                    session,
                    payment_id=payment_id,
                    code=body["code"],
                    actor=current_actor(),
                    now=now,
                )
            if result.refusal is not None:
                raise refuse_and_store(result.refusal)
            session.flush()  # what is read back stands in the tables
            return reading.release_of(session, payment_id=payment_id, now=now)


@blp.route("/<uuid:payment_id>/execute/")
class Execution(MethodView):
    @operation("payments.execute")
    @idempotent(required=True)
    @blp.response(202, PaymentDetailSchema, example=EXAMPLE_EXECUTING)
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
        NotTheExecutor,
        Paused,
        RedirectNeeded,
        SubjectChanged,
    )
    @sends("Location", "ETag")
    def post(self, payment_id: UUID) -> tuple[dict[str, Any], dict[str, str]]:
        """Release the payment: its money is held and workers send it. Read it at `Location`."""
        with transaction() as session:
            with settled(session, payment_id=payment_id):
                payments.execute(
                    session,
                    payment_id=payment_id,
                    actor=current_actor(),
                    now=session.info["now"],
                )
            return to_response(session, payment_id), {"Location": f"/api/payments/{payment_id}/"}


@blp.route("/<uuid:payment_id>/assign_executor/")
class ExecutorAssignment(MethodView):
    @operation("payments.assign_executor")
    @idempotent()
    @blp.arguments(ExecutorSchema, example={"executor_id": EXAMPLE_RELEASE["executor_id"]})
    @blp.response(
        200,
        PaymentDetailSchema,
        example={**EXAMPLE_DETAIL, "executor_id": EXAMPLE_RELEASE["executor_id"]},
    )
    @refuses(*NOT_NOW, CannotRelease, NotSeparate)
    @sends("ETag")
    def post(self, body: dict[str, Any], payment_id: UUID) -> dict[str, Any]:
        """Name who releases the payment; whatever claim there was ends."""
        with transaction() as session:
            payments.assign_executor(
                session,
                payment_id=payment_id,
                executor_id=body["executor_id"],
                actor=current_actor(),
                now=session.info["now"],
            )
            return to_response(session, payment_id)


@blp.route("/<uuid:payment_id>/unlock_release/")
class ReleaseUnlocking(MethodView):
    @operation("payments.unlock_release")
    @idempotent()
    @blp.response(200, PaymentDetailSchema, example=EXAMPLE_DETAIL)
    @refuses(NotLocked, NotSeparate, PaymentNotFound)
    @sends("ETag")
    def post(self, payment_id: UUID) -> dict[str, Any]:
        """Unlock a release after too many failed codes; their executor may not do it."""
        with transaction() as session:
            payments.unlock_release(
                session,
                payment_id=payment_id,
                actor=current_actor(),
                now=session.info["now"],
            )
            return to_response(session, payment_id)


@blp.route("/<uuid:payment_id>/acknowledge/")
class Acknowledgement(MethodView):
    @operation("payments.acknowledge")
    @idempotent()
    @blp.arguments(AcknowledgementSchema, example={"code": "123456"})
    @blp.response(
        200,
        PaymentDetailSchema,
        example={
            **EXAMPLE_PAID,
            "method": "cash",
            "provider_account_id": None,
            "destination": "+254712345678",
            "lines": [*EXAMPLE_LINES[:2], "Cash +254712345678"],
            "phone_number": None,
        },
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
    @sends("ETag")
    def post(self, body: dict[str, Any], payment_id: UUID) -> dict[str, Any]:
        """Say that cash changed hands, or have a new code sent to the recipient.

        The custodian sends the recipient's code, or what they signed with the name of a witness;
        the witness confirms the picture that they have seen (`witnessed`). A recipient who is a
        member says so themselves (`received`).
        """
        with transaction() as session:
            about: dict[str, Any] = {
                "payment_id": payment_id,
                "actor": current_actor(),
                "now": session.info["now"],
            }
            if "code" in body:
                refusal = payments.acknowledge(session, code=body["code"], **about)
                if refusal is not None:
                    raise refuse_and_store(refusal)
            elif "signature" in body:
                payments.sign(
                    session,
                    image=_decoded(body["signature"]),
                    witness_id=body["witness_id"],
                    **about,
                )
            elif "witnessed" in body:
                payments.witness(session, attachment_id=body["witnessed"], **about)
            elif "received" in body:
                payments.acknowledge_by_sign_in(session, **about)
            else:
                payments.resend_acknowledgement(session, **about)
            return to_response(session, payment_id)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotASignature(errors={"signature": ["The signature must be base64."]}) from error
