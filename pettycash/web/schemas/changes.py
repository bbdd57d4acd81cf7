"""Two-person changes on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.models.operations import ChangeStatus
from pettycash.runtime.rails import Method
from pettycash.services.operations import changes
from pettycash.web.schemas.fields import (
    SOMETIMES,
    Choice,
    Schema,
    Text,
    UtcDateTime,
)
from pettycash.web.schemas.people import LeavingWarningSchema


class ChangeSchema(Schema):
    """A proposal and what became of it."""

    id = ma.fields.UUID(dump_only=True)
    kind = ma.fields.String(dump_only=True)
    status = Choice(ChangeStatus, dump_only=True)
    object_id = ma.fields.UUID(dump_only=True, allow_none=True)
    payload: ma.fields.Field[Any] = ma.fields.Function(
        changes.without_rows,
        metadata={
            "type": "object",
            "description": "What would be so then; rows of an import are left out in lists.",
        },
    )
    reason = ma.fields.String(dump_only=True)
    decision_digest = ma.fields.Function(
        lambda change: change.digest.hex() if change.digest else None,
        metadata={
            "type": ["string", "null"],
            "description": "If there is one, send it back with a decision.",
        },
    )
    decider_id = ma.fields.UUID(
        dump_only=True, allow_none=True, metadata={"description": "The one person who is asked."}
    )
    proposed_by_id = ma.fields.UUID(attribute="proposed_by", dump_only=True)
    decided_by_id = ma.fields.UUID(attribute="decided_by", dump_only=True, allow_none=True)
    decided_at = UtcDateTime(dump_only=True, allow_none=True)
    comment = ma.fields.String(attribute="decision_reason", dump_only=True, allow_none=True)
    created_at = UtcDateTime(dump_only=True)
    updated_at = UtcDateTime(dump_only=True)
    warnings = ma.fields.List(
        ma.fields.Nested(LeavingWarningSchema),
        dump_only=True,
        metadata={
            SOMETIMES: True,
            "description": "Of the end of a role alone, and not in lists.",
        },
    )


class OneChangeSchema(ChangeSchema):
    """A proposal with all that it holds."""

    payload = ma.fields.Dict(dump_only=True, metadata={"description": "What would be so then."})
    old = ma.fields.Dict(
        dump_only=True,
        allow_none=True,
        metadata={
            "description": "What stands now instead, while it waits; null where nothing does."
        },
    )
    names = ma.fields.Dict(
        keys=ma.fields.UUID(),
        values=ma.fields.String(),
        dump_only=True,
        metadata={"description": "Of the people, units and accounts whose ids stand in it."},
    )


class ProposalSchema(Schema):
    """A change that has no endpoint of its own, such as `escalation_approver`."""

    kind = Text(shortest=1, longest=64, required=True)
    object_id = ma.fields.UUID(load_default=None, allow_none=True)
    payload = ma.fields.Dict(keys=ma.fields.String(), required=True)
    reason = Text(shortest=1, longest=1000, required=True)


def _digest() -> ma.fields.String:
    return ma.fields.String(
        load_default=None,
        allow_none=True,
        validate=ma.validate.Regexp(r"^[0-9a-fA-F]{64}$"),
        metadata={"description": "`decision_digest` of what you read, if it has one."},
    )


class ConfirmationSchema(Schema):
    """The second person may add a comment."""

    decision_digest = _digest()
    comment = Text(longest=1000, load_default=None, allow_none=True)


class RejectionSchema(Schema):
    """The second person says why not."""

    decision_digest = _digest()
    comment = Text(shortest=1, longest=1000, required=True)


EXAMPLE_PROPOSAL: dict[str, Any] = {
    "kind": "escalation_approver",
    "payload": {"user_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0d01"},
    "reason": "The chief executive is on leave.",
}
EXAMPLE_CHANGE: dict[str, Any] = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0d02",
    **EXAMPLE_PROPOSAL,
    "status": "proposed",
    "object_id": None,
    "decision_digest": None,
    "decider_id": None,
    "proposed_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0d03",
    "decided_by_id": None,
    "decided_at": None,
    "comment": None,
    "created_at": "2026-11-20T08:00:00+00:00",
    "updated_at": "2026-11-20T08:00:00+00:00",
}
EXAMPLE_DECIDED = {
    **EXAMPLE_CHANGE,
    "status": "effective",
    "decided_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0d04",
    "decided_at": "2026-11-20T09:00:00+00:00",
}

EXAMPLE_REDIRECT: dict[str, Any] = {
    **EXAMPLE_CHANGE,
    "kind": "redirect",
    "object_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0d05",
    "payload": {
        "requisition_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0d06",
        "requisition_number": "REQ-2026-000123",
        "payment_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0d05",
        "payment_number": "PAY-2026-000123",
        "amount": "1500.00",
        "currency": "KES",
        "payee_name": "Spring Water",
        "old": {
            "method": "mpesa",
            "destination": "254712345678",
            "store_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0d07",
        },
        "new": {
            "method": "mpesa",
            "destination": "254722000000",
            "store_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0d07",
        },
    },
    "reason": "The shop has a new number.",
    "decision_digest": "1f" * 32,
    "decider_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0d08",
}


class RedirectSchema(Schema):
    """Where it shall go instead; what is left out stays."""

    method = Choice(Method)
    destination = Text(shortest=1, longest=254)
    reason = Text(shortest=1, longest=1000, required=True)

    @ma.validates_schema
    def _something(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if not {"method", "destination"} & set(data):
            raise ma.ValidationError("Name another destination or method.")


class PaymentRedirectSchema(RedirectSchema):
    """Where a payment shall go instead; what is left out stays."""

    store_id = ma.fields.UUID(
        metadata={"description": "Left out: the same, or by place where the method changes."}
    )
