"""Steps towards a case's end, on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.services.payments.case_resolutions import Ending
from pettycash.web.schemas.fields import Choice, Schema, Text, UtcDateTime

ACTIONS = ("propose", "confirm", "decline")

ONLY_PROPOSED = frozenset(
    {"ending", "provider_reference", "occurred_at", "evidence_id", "attempt_number"}
)


class ResolutionSchema(Schema):
    """A step towards a case's end."""

    action = ma.fields.String(required=True, validate=ma.validate.OneOf(ACTIONS))
    ending = Choice(
        Ending, metadata={"description": "With propose: what happened. `noted`: nothing follows."}
    )
    note = Text(
        shortest=1,
        longest=500,
        metadata={"description": "With propose and decline: what was found, and where; why not."},
    )
    provider_reference = Text(
        shortest=1,
        longest=100,
        metadata={
            "description": "With paid: the rail's receipt; with returned: that of the return."
        },
    )
    occurred_at = UtcDateTime(
        metadata={"description": "With paid: when it happened, from the first send up to now."}
    )
    evidence_id = ma.fields.UUID(
        metadata={
            "description": "With paid, not_paid, returned: the file that shows it, at `evidence/`."
        }
    )
    version = ma.fields.Integer(
        validate=ma.validate.Range(min=1),
        metadata={"description": "With confirm and decline: the case's version that you saw."},
    )
    attempt_number = ma.fields.Integer(
        validate=ma.validate.Range(min=1),
        metadata={"description": "Which attempt; default the newest that is not proven paid."},
    )

    @ma.validates_schema
    def _fits(self, data: dict[str, Any], **_kwargs: Any) -> None:
        action = data.get("action")
        if action == "propose":
            missing = [name for name in ("ending", "note") if name not in data]
            if missing:
                raise ma.ValidationError("Needed to propose.", missing[0])
            if "version" in data:
                raise ma.ValidationError("Not with propose.", "version")
            return
        strange = ONLY_PROPOSED & set(data)
        if strange:
            raise ma.ValidationError("Only with propose.", min(strange))
        if action == "decline" and "note" not in data:
            raise ma.ValidationError("Say why.", "note")
        if action == "confirm" and "note" in data:
            raise ma.ValidationError("Not with confirm.", "note")
        if "version" not in data:
            raise ma.ValidationError("Say which version of the case you saw.", "version")
