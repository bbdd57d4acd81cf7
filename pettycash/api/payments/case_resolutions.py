"""How a case ends: one person proposes with evidence, another one confirms or declines."""

from typing import Any
from uuid import UUID

import marshmallow as ma
from flask.views import MethodView

from pettycash.api.admission import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.etags import set_etag
from pettycash.api.headers import sends
from pettycash.api.idempotency import idempotent
from pettycash.api.refusals import refuses
from pettycash.api.schemas.cases import EXAMPLE_CASE, CaseSchema
from pettycash.api.schemas.fields import Choice, Schema, Text, UtcDateTime
from pettycash.models.operations import Case
from pettycash.runtime.db import transaction
from pettycash.services.foundation.decisions import (
    AlreadyDecided,
    NotADecider,
    NotAProposer,
    NothingProposed,
    OwnProposal,
    ProposalStands,
    StaleDecision,
)
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations.case_lists import to_response
from pettycash.services.operations.cases import (
    CaseNotFound,
)
from pettycash.services.payments import case_resolutions
from pettycash.services.payments.case_resolutions import CaseProposal, Ending
from pettycash.services.payments.case_resolutions.judging import HeadRequired, JudgeMissing
from pettycash.services.payments.case_resolutions.proposals import (
    EndingDoesNotFit,
    EvidenceMissing,
    ReferenceTaken,
    TooEarly,
)

blp = Blueprint(
    "case_resolutions",
    __name__,
    url_prefix="/api/cases",
    description="How cases end.",
)

ACTIONS = ("propose", "confirm", "decline")
ONLY_PROPOSED = frozenset(
    {"ending", "provider_reference", "occurred_at", "evidence_id", "attempt_number"}
)


class ResolutionSchema(Schema):
    """A step towards a case's end."""

    action = ma.fields.String(required=True, validate=ma.validate.OneOf(ACTIONS))
    ending = Choice(
        Ending,
        metadata={"description": "With propose: what happened. `noted`: nothing follows."},
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


@blp.route("/<uuid:case_id>/resolve/")
class CaseResolution(MethodView):
    @operation("cases.resolve")
    @idempotent()
    @blp.arguments(
        ResolutionSchema,
        example={
            "action": "propose",
            "ending": "paid",
            "provider_reference": "RKT1234567",
            "occurred_at": "2026-11-20T08:00:00+00:00",
            "evidence_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0f06",
            "note": "M-Pesa organisation statement of 2026-11-20, line 14",
        },
    )
    @blp.response(
        200,
        CaseSchema,
        example={
            **EXAMPLE_CASE,
            "status": "proposed",
            "proposal": {
                "ending": "paid",
                "note": "M-Pesa organisation statement of 2026-11-20, line 14",
                "provider_reference": "RKT1234567",
                "occurred_at": "2026-11-20T08:00:00+00:00",
                "evidence_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0f06",
                "attempt_number": None,
            },
            "proposed_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0f04",
            "proposed_at": "2026-11-20T09:00:00+00:00",
            "version": 2,
        },
    )
    @refuses(
        AlreadyDecided,
        CaseNotFound,
        EndingDoesNotFit,
        EvidenceMissing,
        HeadRequired,
        JudgeMissing,
        NotADecider,
        NotAProposer,
        NotSeparate,
        NothingProposed,
        OwnProposal,
        ProposalStands,
        ReferenceTaken,
        StaleDecision,
        TooEarly,
    )
    @sends("ETag")
    def post(self, body: dict[str, Any], case_id: UUID) -> dict[str, Any]:
        """Propose how a case ends, confirm it as a second person, or decline.

        Whoever confirms or declines names the `version` of the case that they saw.
        About money, `paid` settles the attempt for its own amount, `not_paid` fails it and has it
        asked about for 30 days, `returned` reverses the payment. Neither person raised, gets, made
        or released it, one of the two may have approved it, and who recorded the evidence does not
        confirm. One is the cfo or ceo above `cfo_limit`, about an amount that the rail told
        differently, and for `not_paid`; the cfo for `returned` that the rail does not tell.
        """
        actor = current_actor()
        action = body.pop("action")
        with transaction() as session:
            now = session.info["now"]
            case: Case
            uow = Uow(session, actor, now)
            if action == "propose":
                case = case_resolutions.propose(uow, case_id=case_id, proposal=CaseProposal(**body))
            elif action == "confirm":
                case = case_resolutions.confirm(uow, case_id=case_id, version=body["version"])
            else:
                case = case_resolutions.decline(
                    Uow.of(session, actor),
                    case_id=case_id,
                    version=body["version"],
                    reason=body["note"],
                )
            set_etag(case.version)
            return to_response(case, current_actor())
