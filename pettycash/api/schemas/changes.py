"""Two-person changes on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.api.schemas.fields import Choice, Choices, DatedListQuery, Schema, Text, UtcDateTime
from pettycash.models.platform import ChangeStatus


class ChangeQuery(DatedListQuery):
    """Filters of the list of changes."""

    kind = Text(longest=64, load_default=None)
    status = Choices(ChangeStatus)
    object_id = ma.fields.UUID(load_default=None)
    proposed_by_id = ma.fields.UUID(load_default=None)


class ChangeSchema(Schema):
    """A proposal and what became of it."""

    id = ma.fields.UUID(dump_only=True)
    kind = ma.fields.String(dump_only=True)
    status = Choice(ChangeStatus, dump_only=True)
    object_id = ma.fields.UUID(dump_only=True, allow_none=True)
    payload = ma.fields.Dict(dump_only=True, metadata={"description": "What would be so then."})
    reason = ma.fields.String(dump_only=True)
    proposed_by_id = ma.fields.UUID(attribute="proposed_by", dump_only=True)
    decided_by_id = ma.fields.UUID(attribute="decided_by", dump_only=True, allow_none=True)
    decided_at = UtcDateTime(dump_only=True, allow_none=True)
    comment = ma.fields.String(dump_only=True, allow_none=True)
    created_at = UtcDateTime(dump_only=True)


class ProposalSchema(Schema):
    """A change that has no endpoint of its own, such as `escalation_approver`."""

    kind = Text(shortest=1, longest=64, required=True)
    object_id = ma.fields.UUID(load_default=None, allow_none=True)
    payload = ma.fields.Dict(keys=ma.fields.String(), required=True)
    reason = Text(shortest=1, longest=1000, required=True)


class ConfirmationSchema(Schema):
    """The second person may add a word."""

    comment = Text(longest=1000, load_default=None, allow_none=True)


class RejectionSchema(Schema):
    """The second person says why not."""

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
    "proposed_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0d03",
    "decided_by_id": None,
    "decided_at": None,
    "comment": None,
    "created_at": "2026-11-20T08:00:00+00:00",
}
EXAMPLE_DECIDED = {
    **EXAMPLE_CHANGE,
    "status": "effective",
    "decided_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0d04",
    "decided_at": "2026-11-20T09:00:00+00:00",
}
