"""Requisitions on the wire."""

from typing import Any

import marshmallow as ma
from flask_smorest.fields import Upload

from pettycash.models.access import Role
from pettycash.models.approvals import Origin, RoundStatus, StepStatus, TrailAction
from pettycash.models.payments import PaymentStatus
from pettycash.models.requisitions import RequisitionKind, RequisitionStatus
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services.requisitions.deciding import Urgency
from pettycash.web.schemas.fields import (
    Amount,
    Choice,
    Metadata,
    MixedScripts,
    People,
    Schema,
    Text,
    UtcDateTime,
)

REASON_LONGEST = 1000


def _unit(what: str) -> ma.fields.UUID:
    return ma.fields.UUID(
        allow_none=True, metadata={"description": f"{what}; left out: the requester's own."}
    )


class NewRequisitionLineSchema(Schema):
    """One thing that is bought."""

    description = Text(shortest=1, longest=500, required=True)
    amount = Amount(required=True, metadata={"description": "Gross."})
    category = Text(
        shortest=1,
        longest=40,
        required=True,
        metadata={"description": "One of the company's, such as travel: GET /api/categories/."},
    )
    cost_center_id = ma.fields.UUID(load_default=None, allow_none=True)


class RequisitionLineSchema(Schema):
    """One line of a requisition."""

    position = ma.fields.Integer()
    description = ma.fields.String()
    amount = Amount(dump_only=True)
    category = ma.fields.String()
    cost_center_id = ma.fields.UUID(allow_none=True)
    budget_line_id = ma.fields.UUID(allow_none=True)
    tax_code = ma.fields.String(allow_none=True)
    tax_amount = Amount(dump_only=True, allow_none=True)


class _DraftSchema(Schema):
    """The facts of a requisition, beside the currency."""

    kind = Choice(RequisitionKind)
    origin = Choice(
        Origin,
        metadata={
            "description": "Left out: your own (branch member: branch; of the head office or a"
            " department alone: hq; of a region alone: field). Another one needs a reason, and the"
            " approver of your own unit decides first."
        },
    )
    origin_reason = Text(
        longest=REASON_LONGEST,
        allow_none=True,
        metadata={"description": "Required where the origin is not your own."},
    )
    amount = Amount(metadata={"description": "The sum of the lines."})
    purpose = Text(shortest=1, longest=1000)
    payee_name = Text(shortest=1, longest=140)
    payee_user_id = ma.fields.UUID(
        allow_none=True, metadata={"description": "Where the payee is a member of the company."}
    )
    method = Choice(Method)
    destination = Text(
        shortest=1,
        longest=254,
        metadata={"description": "Per method: a phone number; for cash a phone or an e-mail."},
    )
    lines = ma.fields.List(
        ma.fields.Nested(NewRequisitionLineSchema), validate=ma.validate.Length(min=1, max=100)
    )
    region_id = _unit("The region")
    branch_id = _unit("The branch")
    department_id = _unit("The department")
    cost_center_id = _unit("The cost centre")
    is_urgent = ma.fields.Boolean()
    urgency_reason = Text(
        longest=REASON_LONGEST,
        allow_none=True,
        metadata={"description": "Required where it is urgent."},
    )
    external_reference = Text(
        longest=100,
        allow_none=True,
        metadata={"description": "The client's own key; unique per client and company."},
    )
    metadata = Metadata()


REQUIRED = ("kind", "amount", "purpose", "payee_name", "method", "destination", "lines")


class RequisitionCreateSchema(_DraftSchema):
    """A new requisition, as a draft."""

    currency = Choice(Currency, required=True)
    on_behalf_of = Text(
        longest=100,
        metadata={"description": "For machine clients: the requester's id or username."},
    )

    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field[Any]) -> None:
        """Require in a new requisition the fields that a change may leave out."""
        super().on_bind_field(field_name, field_obj)
        if field_name in REQUIRED:
            field_obj.required = True


class RequisitionChangeSchema(_DraftSchema):
    """A change of a requisition; fields left out stay."""

    @ma.validates_schema
    def _something(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if not data:
            raise ma.ValidationError("Name what to change.")


class RequisitionSchema(Schema):
    """A requisition as lists show it."""

    id = ma.fields.UUID()
    number = ma.fields.String()
    status = Choice(RequisitionStatus)
    status_changed_at = UtcDateTime()
    kind = Choice(RequisitionKind)
    origin = Choice(Origin)
    origin_reason = ma.fields.String(allow_none=True)
    requester_id = ma.fields.UUID()
    client_id = ma.fields.UUID(allow_none=True)
    external_reference = ma.fields.String(allow_none=True)
    metadata = ma.fields.Dict(attribute="client_metadata")
    region_id = ma.fields.UUID(allow_none=True)
    branch_id = ma.fields.UUID(allow_none=True)
    department_id = ma.fields.UUID(allow_none=True)
    cost_center_id = ma.fields.UUID(allow_none=True)
    amount = Amount(dump_only=True)
    currency = Choice(Currency)
    purpose = ma.fields.String()
    payee_name = ma.fields.String()
    payee_name_mixes_scripts = MixedScripts("payee_name")
    payee_user_id = ma.fields.UUID(allow_none=True)
    method = Choice(Method)
    destination = ma.fields.String()
    is_urgent = ma.fields.Boolean()
    urgency_reason = ma.fields.String(allow_none=True)
    tier = ma.fields.Integer(allow_none=True)
    approved_amount = Amount(dump_only=True, allow_none=True)
    submitted_at = UtcDateTime(allow_none=True)
    approved_at = UtcDateTime(allow_none=True)
    validated_at = UtcDateTime(allow_none=True)
    validated_by_id = ma.fields.UUID(attribute="validated_by", allow_none=True)
    held_at = UtcDateTime(allow_none=True)
    hold_reason = ma.fields.String(allow_none=True)
    open_redirect_id = ma.fields.UUID(
        allow_none=True,
        metadata={"description": "The change under /api/changes/ that the last approver decides."},
    )
    paid_at = UtcDateTime(allow_none=True)
    created_at = UtcDateTime()
    updated_at = UtcDateTime(dump_only=True)
    version = ma.fields.Integer()


class ApprovalStepSchema(Schema):
    """One place in the chain of approval."""

    id = ma.fields.UUID(attribute="step.id")
    position = ma.fields.Integer(attribute="step.position")
    role = ma.fields.String(
        attribute="step.role",
        metadata={"description": "The rank that decides, or escalation_approver."},
    )
    original_role = Choice(Role, attribute="step.original_role")
    status = Choice(StepStatus, attribute="step.status")
    assignee_ids = ma.fields.List(ma.fields.UUID())
    confirms_urgency = ma.fields.Boolean(attribute="step.confirms_urgency")
    auto_escalated = ma.fields.Boolean(attribute="step.auto_escalated")
    escalation_reason = ma.fields.String(attribute="step.escalation_reason", allow_none=True)
    opened_at = UtcDateTime(attribute="step.opened_at", allow_none=True)
    closed_at = UtcDateTime(attribute="step.closed_at", allow_none=True)


class ApprovalPolicySchema(Schema):
    """The tier as it stood when the round was opened."""

    threshold_id = ma.fields.UUID()
    version = ma.fields.Integer()
    name = ma.fields.String()
    tier = ma.fields.Integer()
    top_tier = ma.fields.Integer()
    origin = ma.fields.String()
    currency = ma.fields.String()
    min_amount = ma.fields.String()
    max_amount = ma.fields.String(allow_none=True)
    roles_sequence = ma.fields.List(ma.fields.String())
    requires_cfo = ma.fields.Boolean()
    allow_urgent_fasttrack = ma.fields.Boolean()


class ApprovalRoundSchema(Schema):
    """The newest round of approval."""

    round = ma.fields.Integer()
    status = Choice(RoundStatus)
    threshold_id = ma.fields.UUID()
    policy = ma.fields.Nested(ApprovalPolicySchema)
    override = ma.fields.String(allow_none=True)
    steps = ma.fields.List(ma.fields.Nested(ApprovalStepSchema))


class RequisitionPaymentSchema(Schema):
    """A payment of the requisition, in short."""

    id = ma.fields.UUID()
    number = ma.fields.String()
    ordinal = ma.fields.Integer()
    status = Choice(PaymentStatus)
    amount = Amount(dump_only=True)
    currency = Choice(Currency)
    method = Choice(Method)
    store_id = ma.fields.UUID()


class WarningSchema(Schema):
    """Something that whoever decides or pays should look at."""

    code = ma.fields.String(
        metadata={"description": "requisition.identical_of_day, requisition.later_files"}
    )
    detail = ma.fields.String()
    numbers = ma.fields.List(
        ma.fields.String(), metadata={"description": "Of other requisitions that you may see."}
    )


class RequisitionDetailSchema(RequisitionSchema):
    """A requisition with its lines, newest round and payments."""

    people = People(required=False)
    warnings = ma.fields.List(ma.fields.Nested(WarningSchema))
    lines = ma.fields.List(ma.fields.Nested(RequisitionLineSchema))
    approval = ma.fields.Nested(ApprovalRoundSchema, allow_none=True)
    payments = ma.fields.List(ma.fields.Nested(RequisitionPaymentSchema))
    payments_needed = ma.fields.Integer(
        allow_none=True,
        metadata={
            "description": "How many payments the rail needs for the amount: more than one where it"
            " is above what travels at a time, so that treasury splits it."
        },
    )
    decision_digest = ma.fields.String(
        allow_none=True,
        metadata={"description": "Send it back with a decision: it says what you decided on."},
    )


class RequisitionCommentSchema(Schema):
    """An optional comment for the trail."""

    comment = Text(longest=REASON_LONGEST, load_default=None, allow_none=True)


class RequisitionReasonSchema(Schema):
    """Why."""

    comment = Text(shortest=1, longest=REASON_LONGEST, required=True)


DIGEST_PATTERN = r"^[0-9a-fA-F]{64}$"


def _digest() -> ma.fields.String:
    return ma.fields.String(
        required=True,
        validate=ma.validate.Regexp(DIGEST_PATTERN),
        metadata={"description": "`decision_digest` of what you read."},
    )


class RequisitionApproveSchema(RequisitionCommentSchema):
    """A yes to what was read."""

    decision_digest = _digest()


class RequisitionRefuseSchema(RequisitionReasonSchema):
    """A no to what was read, and why."""

    decision_digest = _digest()


class RequisitionUrgencySchema(RequisitionCommentSchema):
    """The first approver's answer to an urgent requisition."""

    urgency = Choice(Urgency, required=True)
    decision_digest = _digest()


class PaymentPartSchema(Schema):
    """One payment to be made; what is left out comes from the requisition."""

    amount = Amount(required=True)
    store_id = ma.fields.UUID(allow_none=True, metadata={"description": "The store that pays."})
    method = Choice(Method, allow_none=True)
    destination = Text(
        shortest=1,
        longest=254,
        allow_none=True,
        metadata={"description": "One that was approved; another needs a redirect."},
    )
    external_reference = Text(longest=100, allow_none=True)
    metadata = Metadata()


class RequisitionValidateSchema(RequisitionCommentSchema):
    """Treasury takes it over; without parts one payment is made for all of it."""

    decision_digest = _digest()
    parts = ma.fields.List(
        ma.fields.Nested(PaymentPartSchema),
        load_default=None,
        allow_none=True,
        validate=ma.validate.Length(min=1, max=50),
    )


class RequisitionHoldSchema(RequisitionReasonSchema):
    """Put it on hold, or with `held: false` lift the hold; and why."""

    held = ma.fields.Boolean(load_default=True)


class ApprovalTrailSchema(Schema):
    """One line of a requisition's story."""

    id = ma.fields.UUID()
    action = Choice(TrailAction)
    user_id = ma.fields.UUID(allow_none=True, metadata={"description": "Null: the system."})
    on_behalf_of_id = ma.fields.UUID(allow_none=True)
    role = ma.fields.String(allow_none=True)
    comment = ma.fields.String(allow_none=True)
    timestamp = UtcDateTime()
    digest = ma.fields.String(allow_none=True)
    auto_escalated = ma.fields.Boolean()
    escalation_reason = ma.fields.String(allow_none=True)
    skipped_roles = ma.fields.List(ma.fields.String())
    override = ma.fields.String(allow_none=True)
    ip_address = ma.fields.String(allow_none=True, metadata={"description": "For auditors."})
    user_agent = ma.fields.String(allow_none=True, metadata={"description": "For auditors."})


class AttachmentUploadSchema(Schema):
    """The file."""

    file = Upload(required=True)


class AttachmentSchema(Schema):
    """An attachment; its bytes are read by themselves."""

    id = ma.fields.UUID(attribute="file.id")
    requisition_id = ma.fields.UUID(attribute="file.requisition_id", allow_none=True)
    payment_id = ma.fields.UUID(
        attribute="file.payment_id",
        allow_none=True,
        metadata={"description": "Of cash: what its recipient signed."},
    )
    case_id = ma.fields.UUID(
        attribute="file.case_id",
        allow_none=True,
        metadata={"description": "Of a case: what shows how it ended."},
    )
    filename = ma.fields.String(attribute="file.filename")
    content_type = ma.fields.String(
        attribute="file.content_type", metadata={"description": "Found in the file itself."}
    )
    size = ma.fields.Integer(attribute="file.size", metadata={"description": "Bytes."})
    sha256 = ma.fields.Function(lambda shown: shown.file.digest.hex())
    is_later = ma.fields.Boolean(
        metadata={"description": "It came after submit: no approval is about it."}
    )
    uploaded_by_id = ma.fields.UUID(attribute="file.uploaded_by")
    created_at = UtcDateTime(attribute="file.created_at")
