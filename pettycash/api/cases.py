"""Cases: read them, give them to somebody. How one ends is proposed and confirmed elsewhere."""

from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy import not_, select

from pettycash.api.access import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.etags import set_etag
from pettycash.api.idempotency import idempotent
from pettycash.api.pages import example_page, optional, page, page_of, within_days
from pettycash.api.schemas.cases import (
    EXAMPLE_CASE,
    EXAMPLE_DETAIL,
    CaseDetailSchema,
    CaseOwnerSchema,
    CaseQuery,
    CaseSchema,
)
from pettycash.db import transaction
from pettycash.gateways.sanitising import sanitise
from pettycash.models.platform import Case, CaseStatus
from pettycash.services import case_resolutions, cases, company_settings, permissions

blp = Blueprint(
    "cases",
    __name__,
    url_prefix="/api/cases",
    description="What the system can't decide alone, with evidence.",
)

WORDS = ("summary", "evidence", "proposal")
"""Fields that may hold a phone number or a payee."""


def to_response(case: Case) -> dict[str, Any]:
    """A case as its reader may see it: operators see masked data."""
    facts = {column.key: getattr(case, column.key) for column in Case.__table__.columns}
    actor = current_actor()
    if not actor.has(*permissions.FINANCE_READERS) and not actor.is_escalation_approver:
        facts |= {name: sanitise(facts[name]) for name in WORDS}
    return facts


@blp.route("/")
class Cases(MethodView):
    """All cases."""

    @operation("cases.list")
    @blp.arguments(CaseQuery, location="query")
    @blp.response(200, page_of(CaseSchema), example=example_page(EXAMPLE_CASE))
    def get(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """List cases, the newest first."""
        with transaction() as session:
            query = select(Case).where(
                cases.visible(current_actor()),
                optional(Case.kind, arguments["kind"]),
                optional(Case.status, arguments["status"]),
                optional(Case.severity, arguments["severity"]),
                optional(Case.object_type, arguments["object_type"]),
                optional(Case.object_id, arguments["object_id"]),
                optional(Case.owner_id, arguments["owner_id"]),
                within_days(Case.created_at, arguments, company_settings.current(session).timezone),
            )
            if arguments["is_overdue"] is not None:
                overdue = (
                    (Case.status != CaseStatus.RESOLVED)
                    & Case.due_at.is_not(None)
                    & (Case.due_at < session.info["now"])
                )
                query = query.where(overdue if arguments["is_overdue"] else not_(overdue))
            found = page(session, query, order=(Case.id.desc(),), arguments=arguments)
            return {**found, "items": [to_response(each) for each in found["items"]]}


@blp.route("/<uuid:case_id>/")
class OneCase(MethodView):
    """One case."""

    @operation("cases.get")
    @blp.response(200, CaseDetailSchema, example=EXAMPLE_DETAIL)
    def get(self, case_id: UUID) -> dict[str, Any]:
        """Read a case, with what the rail says of the payment that it is about."""
        with transaction() as session:
            case = cases.get(session, case_id=case_id, actor=current_actor())
            rail = case_resolutions.rails_report(session, case=case, now=session.info["now"])
            set_etag(case.version)
            return {**to_response(case), "rail": rail}


@blp.route("/<uuid:case_id>/assign/")
class CaseAssignment(MethodView):
    """Who looks after a case."""

    @operation("cases.assign")
    @idempotent()
    @blp.arguments(CaseOwnerSchema, example={"owner_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0f04"})
    @blp.response(
        200,
        CaseSchema,
        example={**EXAMPLE_CASE, "owner_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0f04"},
    )
    @blp.alt_response(409, description="case.already_resolved")
    @blp.alt_response(422, description="case.not_an_owner")
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
            return to_response(case)
