"""Payments on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.models.payments import (
    AttemptState,
    EvidenceSource,
    GatewayExchangeType,
    PaymentStatus,
)
from pettycash.models.releases import ChallengeState, EndCause
from pettycash.models.requisitions import RequisitionKind
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services.payments.lists import REFERENCE_LENGTH_MAX
from pettycash.web.schemas.fields import (
    Amount,
    Choice,
    Code,
    Metadata,
    MixedScripts,
    People,
    Schema,
    Text,
    UtcDateTime,
)


class PaymentSchema(Schema):
    """One movement of money for a requisition, out of one store."""

    id = ma.fields.UUID(dump_only=True)
    number = ma.fields.String(dump_only=True)
    requisition_id = ma.fields.UUID(dump_only=True)
    requisition_number = ma.fields.String(dump_only=True)
    ordinal = ma.fields.Integer(dump_only=True)
    payment_type = Choice(RequisitionKind, dump_only=True)
    store_id = ma.fields.UUID(dump_only=True)
    provider_account_id = ma.fields.UUID(dump_only=True, allow_none=True)
    amount = Amount(dump_only=True)
    currency = ma.fields.String(dump_only=True)
    method = Choice(Method, dump_only=True)
    payee_name = ma.fields.String(dump_only=True)
    payee_name_mixes_scripts = MixedScripts("payee_name")
    payee_user_id = ma.fields.UUID(dump_only=True, allow_none=True)
    destination = ma.fields.String(dump_only=True)
    phone_number = ma.fields.String(dump_only=True, allow_none=True)
    status = Choice(PaymentStatus, dump_only=True)
    status_changed_at = UtcDateTime(dump_only=True)
    maker_id = ma.fields.UUID(dump_only=True, allow_none=True)
    standing_validation_id = ma.fields.UUID(
        dump_only=True,
        allow_none=True,
        metadata={"description": "Under which it goes out, where no person validated it."},
    )
    executor_id = ma.fields.UUID(dump_only=True, allow_none=True)
    otp_required = ma.fields.Boolean(dump_only=True)
    failure_confirmed = ma.fields.Boolean(dump_only=True)
    is_blocked = ma.fields.Boolean(
        dump_only=True, metadata={"description": "A contradiction waits for two people."}
    )
    blocked_by_case_id = ma.fields.UUID(dump_only=True, allow_none=True)
    open_redirect_id = ma.fields.UUID(
        dump_only=True,
        allow_none=True,
        metadata={"description": "The change under /api/changes/ that the last approver decides."},
    )
    is_release_locked = ma.fields.Boolean(dump_only=True)
    retry_count = ma.fields.Integer(dump_only=True)
    max_retries = ma.fields.Integer(dump_only=True)
    last_error = ma.fields.String(dump_only=True, allow_none=True)
    originator_reference = ma.fields.String(dump_only=True, allow_none=True)
    transaction_reference = ma.fields.String(
        attribute="originator_reference",
        dump_only=True,
        allow_none=True,
        metadata={"description": "The same as originator_reference."},
    )
    provider_reference = ma.fields.String(dump_only=True, allow_none=True)
    gateway_reference = ma.fields.String(
        attribute="provider_reference",
        dump_only=True,
        allow_none=True,
        metadata={"description": "The same as provider_reference."},
    )
    gateway_status = ma.fields.String(dump_only=True, allow_none=True)
    paid_at = UtcDateTime(dump_only=True, allow_none=True)
    paid_amount = Amount(dump_only=True, allow_none=True)
    reconciled = ma.fields.Boolean(dump_only=True)
    reconciled_at = UtcDateTime(dump_only=True, allow_none=True)
    reconciled_by_id = ma.fields.UUID(attribute="reconciled_by", dump_only=True, allow_none=True)
    reconciled_with = Choice(EvidenceSource, dump_only=True, allow_none=True)
    external_reference = ma.fields.String(dump_only=True, allow_none=True)
    metadata = ma.fields.Dict(attribute="client_metadata", dump_only=True)
    created_at = UtcDateTime(dump_only=True)
    updated_at = UtcDateTime(dump_only=True)
    version = ma.fields.Integer(dump_only=True)


def _lines() -> ma.fields.List[Any]:
    return ma.fields.List(
        ma.fields.String(),
        dump_only=True,
        metadata={
            "description": "What a code releases, as its message shows it: amount, payee in"
            " quotation marks, destination; what can't be seen stands as its code."
        },
    )


class ReleaseSchema(Schema):
    """The lines of the newest code, and where it stands."""

    lines = _lines()
    executor_id = ma.fields.UUID(dump_only=True)
    state = Choice(ChallengeState, dump_only=True)
    end_cause = Choice(EndCause, dump_only=True, allow_none=True)
    requested_at = UtcDateTime(dump_only=True)
    otp_sent_timestamp = UtcDateTime(dump_only=True, allow_none=True)
    expires_at = UtcDateTime(dump_only=True)
    tries_left = ma.fields.Integer(dump_only=True)
    otp_verified = ma.fields.Boolean(dump_only=True)
    otp_verified_timestamp = UtcDateTime(dump_only=True, allow_none=True)
    grant_expires_at = UtcDateTime(dump_only=True, allow_none=True)
    is_spendable = ma.fields.Boolean(dump_only=True)


class ShownAcknowledgementSchema(Schema):
    """How the recipient of cash said that they have it, and what came before."""

    proof = ma.fields.String(
        dump_only=True,
        allow_none=True,
        metadata={
            "description": "code, sign_in or signature (before a witness); null while it is"
            " awaited."
        },
    )
    acknowledged_at = UtcDateTime(dump_only=True, allow_none=True)
    wrong_codes = ma.fields.Integer(dump_only=True)
    attachment_id = ma.fields.UUID(
        dump_only=True,
        allow_none=True,
        metadata={"description": "What was signed, among the requisition's attachments."},
    )
    witness_id = ma.fields.UUID(dump_only=True, allow_none=True)
    witnessed_at = UtcDateTime(dump_only=True, allow_none=True)


class PaymentDetailSchema(PaymentSchema):
    """A payment with the state of its release and, of cash, of its acknowledgement."""

    people = People(required=False)
    lines = _lines()
    release = ma.fields.Nested(ReleaseSchema, dump_only=True, allow_none=True)
    acknowledgement = ma.fields.Nested(ShownAcknowledgementSchema, dump_only=True, allow_none=True)


class NewPaymentSchema(Schema):
    """A payment for what is left of a validated requisition."""

    requisition_id = ma.fields.UUID(required=True)
    amount = Amount(metadata={"description": "Left out: all that is left."})
    currency = Choice(Currency, metadata={"description": "If given, the requisition's."})
    store_id = ma.fields.UUID(metadata={"description": "Left out: by place and method."})
    method = Choice(Method, metadata={"description": "Left out: the requisition's."})
    destination = Text(
        longest=200,
        metadata={"description": "Left out: the requisition's; else one that was approved."},
    )
    external_reference = Text(shortest=1, longest=REFERENCE_LENGTH_MAX)
    metadata = Metadata()


class PaymentChangeSchema(Schema):
    """A change of a pending payment; the person who makes it is its maker."""

    amount = Amount()
    store_id = ma.fields.UUID(metadata={"description": "Of the same method."})
    metadata = Metadata()

    @ma.validates_schema
    def _something(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if not data:
            raise ma.ValidationError("Name what to change.")


class CodeSchema(Schema):
    """A one-time code."""

    code = Code(
        required=True,
        metadata={"description": "As sent, or from the executor's TOTP app."},
    )


class ExecutorSchema(Schema):
    """The person named to release a payment."""

    executor_id = ma.fields.UUID(required=True)


class AcknowledgementSchema(Schema):
    """One of: the recipient's code; what they signed, with who stood by; that witness's word; the
    recipient's own word; or the wish to send them a new code."""

    code = Code()
    signature = ma.fields.String(
        validate=ma.validate.Length(max=700_000),
        metadata={"description": "A picture (a photo of the signed voucher) in base64."},
    )
    witness_id = ma.fields.UUID(
        metadata={"description": "With signature: the member who stood by and will confirm it."}
    )
    witnessed = ma.fields.UUID(
        metadata={
            "description": "From the witness: they saw the recipient take the cash and sign what"
            " this picture shows (`acknowledgement.attachment_id`)."
        },
    )
    received = ma.fields.Boolean(
        validate=ma.validate.OneOf([True]),
        metadata={"description": "From the recipient, who is a member: they have the cash."},
    )
    resend = ma.fields.Boolean(validate=ma.validate.OneOf([True]))

    @ma.validates_schema
    def _one(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if len(set(data) - {"witness_id"}) != 1:
            raise ma.ValidationError(
                "Give exactly one of code, signature, witnessed, received, resend."
            )
        if ("signature" in data) is not ("witness_id" in data):
            raise ma.ValidationError("A signature needs a witness.", "witness_id")


class EvidenceSchema(Schema):
    """The evidence with which a person matched a payment."""

    provider_reference = Text(shortest=1, longest=REFERENCE_LENGTH_MAX, required=True)
    note = Text(
        shortest=1,
        longest=500,
        required=True,
        metadata={"description": "Where it was found, e.g. a statement and its line."},
    )
    amount = Amount(metadata={"description": "As the evidence says."})
    currency = Choice(Currency)


class ExecutionSchema(Schema):
    """A release of an attempt: its releaser, the proof and the outcome."""

    id = ma.fields.UUID(dump_only=True)
    payment_id = ma.fields.UUID(dump_only=True)
    attempt_number = ma.fields.Integer(dump_only=True)
    originator_reference = ma.fields.String(dump_only=True)
    executor_id = ma.fields.UUID(dump_only=True)
    amount = Amount(dump_only=True)
    currency = ma.fields.String(dump_only=True)
    proof = ma.fields.String(dump_only=True)
    otp_verified_at = UtcDateTime(dump_only=True, allow_none=True)
    ip_address = ma.fields.String(dump_only=True, allow_none=True)
    user_agent = ma.fields.String(dump_only=True, allow_none=True)
    executed_at = UtcDateTime(dump_only=True)
    state = Choice(AttemptState, dump_only=True)
    tries = ma.fields.Integer(dump_only=True)
    first_sent_at = UtcDateTime(dump_only=True, allow_none=True)
    last_sent_at = UtcDateTime(dump_only=True, allow_none=True)
    decide_by = UtcDateTime(dump_only=True)
    ever_unknown = ma.fields.Boolean(dump_only=True)
    questions = ma.fields.Integer(dump_only=True)
    next_question_at = UtcDateTime(dump_only=True, allow_none=True)
    provider_reference = ma.fields.String(dump_only=True, allow_none=True)
    settled_amount = Amount(dump_only=True, allow_none=True)
    fee = Amount(dump_only=True, allow_none=True, zero=True)
    outcome_code = ma.fields.String(dump_only=True, allow_none=True)
    outcome_message = ma.fields.String(dump_only=True, allow_none=True)


class TransactionSchema(Schema):
    """One conversation with the rail; no credentials, phone numbers masked."""

    id = ma.fields.UUID(dump_only=True)
    payment_id = ma.fields.UUID(dump_only=True)
    gateway = ma.fields.String(dump_only=True)
    request_type = Choice(GatewayExchangeType, dump_only=True)
    status = ma.fields.String(dump_only=True)
    success = ma.fields.Boolean(dump_only=True)
    code = ma.fields.String(dump_only=True, allow_none=True)
    message = ma.fields.String(dump_only=True, allow_none=True)
    http_status = ma.fields.Integer(dump_only=True, allow_none=True)
    processing_time_ms = ma.fields.Integer(dump_only=True, allow_none=True)
    request = ma.fields.Dict(dump_only=True)
    response = ma.fields.Dict(dump_only=True)
    request_id = ma.fields.String(
        dump_only=True,
        allow_none=True,
        metadata={"description": "Of the request that released it; every line of the log has it."},
    )
    created_at = UtcDateTime(dump_only=True)
