"""Cases: read them, give them to somebody. How one ends is proposed and confirmed elsewhere."""

from typing import Any
from uuid import UUID

from pettycash.services.foundation.listings import detailed
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import cases
from pettycash.services.operations.case_lists import CASES, to_response
from pettycash.services.payments import case_resolutions
from pettycash.web.operations import list_of, operation
from pettycash.web.pages import detail_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas import cases as shapes

list_all = list_of(
    "cases.list",
    CASES,
    "List cases, the newest first.",
    answers=shapes.CaseSchema,
    example=shapes.EXAMPLE_CASE,
)


@operation(
    "cases.get",
    answers=detail_of(shapes.CaseDetailSchema),
    example={**shapes.EXAMPLE_DETAIL, "people": {}},
    etag=True,
)
@refuses(cases.CaseNotFound)
def get(uow: Uow, *, case_id: UUID) -> dict[str, Any]:
    """Read a case, with what the rail says of the payment that it is about."""
    case = cases.get(uow.session, case_id=case_id, actor=uow.actor)
    rail = case_resolutions.rails_report(uow.session, case=case, now=uow.now)
    return {
        **detailed(uow, CASES, to_response(case, uow.actor)),
        "rail": rail,
        "endings": case_resolutions.fitting(case),
    }


@operation(
    "cases.assign",
    takes=shapes.CaseOwnerSchema,
    given={"owner_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0f04"},
    answers=shapes.CaseSchema,
    example={**shapes.EXAMPLE_CASE, "owner_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0f04"},
    etag=True,
)
@refuses(cases.CaseNotFound, cases.CaseResolved, cases.NotAnOwner)
def assign(uow: Uow, *, case_id: UUID, owner_id: UUID | None) -> dict[str, Any]:
    """Give a case to somebody, or to nobody."""
    case = cases.assign(uow, case_id=case_id, owner_id=owner_id)
    return to_response(case, uow.actor)
