"""Role assignments. Giving and ending one is proposed here and confirmed at `changes/`."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.admission import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.headers import sends
from pettycash.api.idempotency import idempotent
from pettycash.api.operations.changes import Located, located, warned
from pettycash.api.pages import example_page, page_of, query_of
from pettycash.api.refusals import refuses
from pettycash.api.schemas.changes import EXAMPLE_CHANGE, ChangeSchema
from pettycash.api.schemas.people import (
    EXAMPLE_ASSIGNMENT,
    EXAMPLE_NEW_ROLE,
    NewRoleSchema,
    RoleAssignmentSchema,
    RoleEndSchema,
)
from pettycash.runtime.db import transaction
from pettycash.services.access import role_assignments
from pettycash.services.access.people_lists import ROLE_ASSIGNMENTS
from pettycash.services.access.role_assignments import (
    InvalidRole,
    RoleAssignmentNotFound,
    RoleEnded,
    RoleHeldAlready,
    RolesIncompatible,
)
from pettycash.services.foundation.decisions import AboutYourself
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow

blp = Blueprint(
    "role_assignments",
    __name__,
    url_prefix="/api/role-assignments",
    description="Roles of people, with both names behind each.",
)

EXAMPLE_ROLE_CHANGE = {
    **EXAMPLE_CHANGE,
    "kind": "role_assignment",
    "reason": EXAMPLE_NEW_ROLE["reason"],
    "payload": {
        **{name: value for name, value in EXAMPLE_NEW_ROLE.items() if name != "reason"},
        "valid_from": None,
        "valid_until": None,
    },
}


@blp.route("/")
class RoleAssignments(MethodView):
    @operation("role_assignments.list")
    @blp.arguments(query_of(ROLE_ASSIGNMENTS), location="query")
    @blp.response(200, page_of(RoleAssignmentSchema), example=example_page(EXAMPLE_ASSIGNMENT))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List role assignments, the newest first, those that have ended included."""
        with transaction() as session:
            return page(Uow.of(session, current_actor()), ROLE_ASSIGNMENTS, arguments)

    @operation("role_assignments.propose", step_up=True)
    @idempotent()
    @blp.arguments(NewRoleSchema, example=EXAMPLE_NEW_ROLE)
    @blp.response(202, ChangeSchema, example=EXAMPLE_ROLE_CHANGE)
    @refuses(AboutYourself, InvalidRole, RoleHeldAlready, RolesIncompatible)
    @sends("Location")
    def post(self, body: dict[str, Any]) -> Located:
        """Propose that somebody holds a role."""
        with transaction() as session:
            now = session.info["now"]
            made = role_assignments.propose(Uow(session, current_actor(), now), **body)
            return located(warned(session, made, now))


@blp.route("/<uuid:assignment_id>/end/")
class RoleAssignmentEnd(MethodView):
    @operation("role_assignments.end", step_up=True)
    @idempotent()
    @blp.arguments(RoleEndSchema, example={"reason": "Has left the branch."})
    @blp.response(202, ChangeSchema, example={**EXAMPLE_ROLE_CHANGE, "kind": "role_end"})
    @refuses(RoleAssignmentNotFound, RoleEnded)
    @sends("Location")
    def post(self, body: dict[str, Any], assignment_id: UUID) -> Located:
        """Propose that a role ends; `warnings` name what nobody else could do then."""
        with transaction() as session:
            now = session.info["now"]
            made = role_assignments.propose_end(
                Uow(session, current_actor(), now), assignment_id=assignment_id, **body
            )
            return located(warned(session, made, now))
