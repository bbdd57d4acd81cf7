"""Role assignments. Giving and ending one is proposed here and confirmed at `changes/`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pettycash.services.access import role_assignments
from pettycash.services.access.people_lists import ROLE_ASSIGNMENTS
from pettycash.services.foundation import decisions
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations import list_of, one_of, operation
from pettycash.web.operations.operations.changes import Shown, warned
from pettycash.web.refusals import refuses
from pettycash.web.schemas import people as shapes
from pettycash.web.schemas.changes import EXAMPLE_CHANGE, ChangeSchema

EXAMPLE_ROLE_CHANGE = {
    **EXAMPLE_CHANGE,
    "kind": "role_assignment",
    "reason": shapes.EXAMPLE_NEW_ROLE["reason"],
    "payload": {
        **{name: value for name, value in shapes.EXAMPLE_NEW_ROLE.items() if name != "reason"},
        "valid_from": None,
        "valid_until": None,
    },
}

list_all = list_of(
    "role_assignments.list",
    ROLE_ASSIGNMENTS,
    "List role assignments, the newest first, those that have ended included.",
    answers=shapes.RoleAssignmentSchema,
    example=shapes.EXAMPLE_ASSIGNMENT,
)

get = one_of(
    "role_assignments.get",
    ROLE_ASSIGNMENTS,
    role_assignments.RoleAssignmentNotFound,
    "Read a role assignment.",
    answers=shapes.RoleAssignmentSchema,
    example=shapes.EXAMPLE_ASSIGNMENT,
)


@operation(
    "role_assignments.propose",
    takes=shapes.NewRoleSchema,
    given=shapes.EXAMPLE_NEW_ROLE,
    step_up=True,
    status=202,
    answers=ChangeSchema,
    example=EXAMPLE_ROLE_CHANGE,
)
@refuses(
    role_assignments.InvalidRole,
    decisions.AboutYourself,
    role_assignments.RoleHeldAlready,
    role_assignments.RolesIncompatible,
)
def propose(uow: Uow, /, **facts: Any) -> Shown:
    """Propose that somebody holds a role."""
    made = role_assignments.propose(uow, **facts)
    return warned(uow, made)


@operation(
    "role_assignments.end",
    takes=shapes.RoleEndSchema,
    given={"reason": "Has left the branch."},
    step_up=True,
    status=202,
    answers=ChangeSchema,
    example={**EXAMPLE_ROLE_CHANGE, "kind": "role_end"},
)
@refuses(role_assignments.RoleAssignmentNotFound, role_assignments.RoleEnded)
def end(uow: Uow, *, assignment_id: UUID, valid_until: datetime | None, reason: str) -> Shown:
    """Propose that a role ends; `warnings` name what nobody else could do then."""
    made = role_assignments.propose_end(
        uow, assignment_id=assignment_id, valid_until=valid_until, reason=reason
    )
    return warned(uow, made)
