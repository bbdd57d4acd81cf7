"""Cases: read them, give them to somebody. How one ends is proposed and confirmed elsewhere."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.runtime.db import transaction
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.operations import cases
from pettycash.services.operations.case_lists import CASES, to_response
from pettycash.services.operations.cases import CaseNotFound, CaseResolved, NotAnOwner
from pettycash.services.payments import case_resolutions
from pettycash.web.admission import current_actor, operation
from pettycash.web.etags import set_etag
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas.cases import (
    EXAMPLE_CASE,
    EXAMPLE_DETAIL,
    CaseDetailSchema,
    CaseOwnerSchema,
    CaseSchema,
)

blp = Blueprint(
    "cases",
    __name__,
    url_prefix="/api/cases",
    description="What the system can't decide alone, with evidence.",
)


@blp.route("/")
class Cases(MethodView):
    @operation("cases.list")
    @blp.arguments(query_of(CASES), location="query")
    @blp.response(200, page_of(CaseSchema), example=example_page(EXAMPLE_CASE))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List cases, the newest first."""
        with transaction() as session:
            return page(session, CASES, current_actor(), arguments)


@blp.route("/<uuid:case_id>/")
class OneCase(MethodView):
    @operation("cases.get")
    @blp.response(200, CaseDetailSchema, example=EXAMPLE_DETAIL)
    @refuses(CaseNotFound)
    @sends("ETag")
    def get(self, case_id: UUID) -> dict[str, Any]:
        """Read a case, with what the rail says of the payment that it is about."""
        with transaction() as session:
            case = cases.get(session, case_id=case_id, actor=current_actor())
            rail = case_resolutions.rails_report(session, case=case, now=session.info["now"])
            set_etag(case.version)
            return {**to_response(case, current_actor()), "rail": rail}


@blp.route("/<uuid:case_id>/assign/")
class CaseAssignment(MethodView):
    @operation("cases.assign")
    @idempotent()
    @blp.arguments(CaseOwnerSchema, example={"owner_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0f04"})
    @blp.response(
        200,
        CaseSchema,
        example={**EXAMPLE_CASE, "owner_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0f04"},
    )
    @refuses(CaseNotFound, CaseResolved, NotAnOwner)
    @sends("ETag")
    def post(self, body: dict[str, Any], case_id: UUID) -> dict[str, Any]:
        """Give a case to somebody, or to nobody."""
        with transaction() as session:
            case = cases.assign(
                session,
                case_id=case_id,
                owner_id=body["owner_id"],
                actor=current_actor(),
                now=session.info["now"],
            )
            set_etag(case.version)
            return to_response(case, current_actor())
