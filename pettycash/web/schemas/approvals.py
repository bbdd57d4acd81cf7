"""The inbox of those who decide."""

import marshmallow as ma

from pettycash.web.schemas.changes import ChangeSchema
from pettycash.web.schemas.fields import Schema
from pettycash.web.schemas.requisitions import ApprovalStepSchema, RequisitionSchema, WarningSchema


class InboxItemSchema(Schema):
    """A step that waits for you, or a redirect."""

    requisition = ma.fields.Nested(RequisitionSchema)
    step = ma.fields.Nested(ApprovalStepSchema, allow_none=True)
    redirect = ma.fields.Nested(
        ChangeSchema,
        allow_none=True,
        metadata={
            "description": "Confirm or reject it under /api/changes/; your step-up must be fresh."
        },
    )
    warnings = ma.fields.List(ma.fields.Nested(WarningSchema))
    asks_urgency = ma.fields.Boolean(
        metadata={"description": "True: answer with confirm_urgency before anything else."}
    )
    decision_digest = ma.fields.String(
        metadata={"description": "Send it back with a decision: it says what you decided on."}
    )
