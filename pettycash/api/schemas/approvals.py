"""The inbox of those who decide."""

import marshmallow as ma

from pettycash.api.schemas.fields import Choices, Schema, SearchQuery
from pettycash.api.schemas.requisitions import ApprovalStepSchema, RequisitionSchema
from pettycash.money import Currency


class InboxQuery(SearchQuery):
    """Filters of the inbox; days are those of the submission."""

    currency = Choices(Currency)
    is_urgent = ma.fields.Boolean(load_default=None)
    branch_id = ma.fields.UUID(load_default=None)
    department_id = ma.fields.UUID(load_default=None)


class InboxItemSchema(Schema):
    """A step that waits for you."""

    requisition = ma.fields.Nested(RequisitionSchema)
    step = ma.fields.Nested(ApprovalStepSchema)
    asks_urgency = ma.fields.Boolean(
        metadata={"description": "True: answer with confirm_urgency before anything else."}
    )
    decision_digest = ma.fields.String(
        metadata={"description": "Send it back with a decision: it says what you decided on."}
    )
