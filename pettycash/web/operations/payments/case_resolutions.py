"""How a case ends: one person proposes with evidence, another one confirms or declines."""

from typing import Any
from uuid import UUID

from pettycash.models.operations import Case
from pettycash.services.foundation import decisions
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations.case_lists import to_response
from pettycash.services.operations.cases import CaseNotFound
from pettycash.services.payments import case_resolutions
from pettycash.services.payments.case_resolutions import CaseProposal
from pettycash.web.operations import operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas.case_resolutions import ResolutionSchema
from pettycash.web.schemas.cases import EXAMPLE_CASE, CaseSchema


@operation(
    "cases.resolve",
    takes=ResolutionSchema,
    given={
        "action": "propose",
        "ending": "paid",
        "provider_reference": "RKT1234567",
        "occurred_at": "2026-11-20T08:00:00+00:00",
        "evidence_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0f06",
        "note": "M-Pesa organisation statement of 2026-11-20, line 14",
    },
    answers=CaseSchema,
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
    etag=True,
)
@refuses(
    CaseNotFound,
    decisions.AlreadyDecided,
    decisions.NotADecider,
    decisions.NotAProposer,
    decisions.NothingProposed,
    decisions.OwnProposal,
    decisions.ProposalStands,
    decisions.StaleDecision,
    case_resolutions.EndingDoesNotFit,
    case_resolutions.EvidenceMissing,
    case_resolutions.HeadRequired,
    case_resolutions.JudgeMissing,
    NotSeparate,
    case_resolutions.ReferenceTaken,
    case_resolutions.TooEarly,
)
def resolve(uow: Uow, /, *, case_id: UUID, **facts: Any) -> dict[str, Any]:
    """Propose how a case ends, confirm it as a second person, or decline.

    Whoever confirms or declines names the `version` of the case that they saw.
    About money, `paid` settles the attempt for its own amount, `not_paid` fails it and has it
    asked about for 30 days, `returned` reverses the payment. Neither person raised, gets, made
    or released it, one of the two may have approved it, and who recorded the evidence does not
    confirm. One is the cfo or ceo above `cfo_limit`, about an amount that the rail told
    differently, and for `not_paid`; the cfo for `returned` that the rail does not tell.
    """
    action = facts.pop("action")
    case: Case
    if action == "propose":
        case = case_resolutions.propose(uow, case_id=case_id, proposal=CaseProposal(**facts))
    elif action == "confirm":
        case = case_resolutions.confirm(uow, case_id=case_id, version=facts["version"])
    else:
        case = case_resolutions.decline(
            uow, case_id=case_id, version=facts["version"], reason=facts["note"]
        )
    return to_response(case, uow.actor)
