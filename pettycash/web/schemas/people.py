"""People and role assignments on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.models.access import Role, ScopeKind
from pettycash.services.access.people_lists import ROLE_ALIASES
from pettycash.web.schemas.fields import SOMETIMES, Choice, Name, Schema, Text, UtcDateTime


class HeldRoleSchema(Schema):
    """A role that is held now."""

    role = Choice(Role)
    role_display = ma.fields.String()
    scope_kind = Choice(ScopeKind)
    scope_id = ma.fields.UUID(allow_none=True)


class UserSchema(Schema):
    """A person in the company. Only administrators see the phone number whole."""

    id = ma.fields.UUID(dump_only=True)
    company_id = ma.fields.UUID(dump_only=True)
    username = ma.fields.String(dump_only=True)
    display_name = ma.fields.String(dump_only=True)
    email = ma.fields.String(dump_only=True)
    phone = ma.fields.String(dump_only=True, allow_none=True)
    region_id = ma.fields.UUID(dump_only=True, allow_none=True)
    branch_id = ma.fields.UUID(dump_only=True, allow_none=True)
    department_id = ma.fields.UUID(dump_only=True, allow_none=True)
    cost_center_id = ma.fields.UUID(dump_only=True, allow_none=True)
    position_id = ma.fields.UUID(dump_only=True, allow_none=True)
    position_title = ma.fields.String(dump_only=True, allow_none=True)
    is_active = ma.fields.Boolean(dump_only=True)
    mfa_enrolled = ma.fields.Boolean(dump_only=True)
    must_change_password = ma.fields.Boolean(dump_only=True)
    is_centralized_approver = ma.fields.Boolean(
        dump_only=True, metadata={"description": "Holds a role that approves company-wide."}
    )
    roles = ma.fields.List(ma.fields.Nested(HeldRoleSchema), dump_only=True)
    created_at = UtcDateTime(dump_only=True)


class LeavingWarningSchema(Schema):
    """Something that only they could do; it refuses nothing."""

    code = ma.fields.String(
        metadata={
            "description": "leaving.last_of_role, leaving.last_approver, leaving.last_custodian,"
            " leaving.last_second, leaving.escalation_approver, leaving.raised"
        }
    )
    detail = ma.fields.String()
    ids = ma.fields.List(
        ma.fields.UUID(),
        metadata={"description": "Of the unit or fund, tiers, persons or requisitions."},
    )


class ChangedUserSchema(UserSchema):
    """A person who was changed and, where they were deactivated, what only they could do."""

    warnings = ma.fields.List(
        ma.fields.Nested(LeavingWarningSchema),
        dump_only=True,
        metadata={SOMETIMES: True, "description": "Where they were deactivated; else left out."},
    )


class PlacesSchema(Schema):
    """Where somebody works."""

    region_id = ma.fields.UUID(allow_none=True)
    branch_id = ma.fields.UUID(allow_none=True)
    department_id = ma.fields.UUID(allow_none=True)
    cost_center_id = ma.fields.UUID(allow_none=True)
    position_id = ma.fields.UUID(allow_none=True)


class NewUserSchema(PlacesSchema):
    """Somebody new. Roles are given afterwards, by two people."""

    username = ma.fields.String(
        required=True,
        validate=ma.validate.Length(min=3, max=64),
        metadata={
            "description": "Unique in the whole installation; kept in lower case. Letters, digits,"
            " dots, hyphens and underscores: no blanks, nothing that nobody sees."
        },
    )
    display_name = Name(shortest=1, longest=200, required=True)
    email = ma.fields.Email(required=True, validate=ma.validate.Length(max=254))
    phone = Text(longest=32, allow_none=True, metadata={"example": "+254712345678"})


class UserChangeSchema(PlacesSchema):
    """The fields of a person that can be changed; those left out stay."""

    display_name = Name(shortest=1, longest=200)
    email = ma.fields.Email(validate=ma.validate.Length(max=254))
    phone = Text(longest=32, allow_none=True)
    is_active = ma.fields.Boolean()


class RoleAssignmentSchema(Schema):
    """A role of a person for a time, with both names behind it."""

    id = ma.fields.UUID(dump_only=True)
    user_id = ma.fields.UUID(dump_only=True)
    role = Choice(Role, dump_only=True)
    scope_kind = Choice(ScopeKind, dump_only=True)
    scope_id = ma.fields.UUID(dump_only=True, allow_none=True)
    valid_from = UtcDateTime(dump_only=True)
    valid_until = UtcDateTime(dump_only=True, allow_none=True)
    proposed_by_id = ma.fields.UUID(
        attribute="proposed_by",
        dump_only=True,
        allow_none=True,
        metadata={"description": "Null: given when the company was set up."},
    )
    confirmed_by_id = ma.fields.UUID(attribute="confirmed_by", dump_only=True, allow_none=True)
    created_at = UtcDateTime(dump_only=True)


class NewRoleSchema(Schema):
    """A role to be given."""

    user_id = ma.fields.UUID(required=True)
    role = Choice(Role, aliases=ROLE_ALIASES, required=True)
    scope_id = ma.fields.UUID(
        load_default=None,
        allow_none=True,
        metadata={"description": "The department, branch, region or fund that the role is for."},
    )
    valid_from = UtcDateTime(load_default=None, allow_none=True)
    valid_until = UtcDateTime(load_default=None, allow_none=True)
    reason = Text(shortest=1, longest=1000, required=True)


class RoleEndSchema(Schema):
    """A role to be ended."""

    valid_until = UtcDateTime(
        load_default=None,
        allow_none=True,
        metadata={"description": "Left out: as soon as the change is confirmed."},
    )
    reason = Text(shortest=1, longest=1000, required=True)


USER_ID = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0c01"
BRANCH_ID = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0c02"
MADE_AT = "2026-11-20T08:00:00+00:00"

EXAMPLE_NEW_USER: dict[str, Any] = {
    "username": "cashier.westlands",
    "display_name": "Cashier, Westlands",
    "email": "cashier@demo.example",
    "phone": "+254712345678",
    "branch_id": BRANCH_ID,
}
EXAMPLE_USER: dict[str, Any] = {
    "id": USER_ID,
    "company_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0c00",
    **EXAMPLE_NEW_USER,
    "region_id": None,
    "department_id": None,
    "cost_center_id": None,
    "position_id": None,
    "position_title": None,
    "is_active": True,
    "mfa_enrolled": False,
    "must_change_password": True,
    "is_centralized_approver": False,
    "roles": [{"role": "staff", "role_display": "Staff", "scope_kind": "self", "scope_id": None}],
    "created_at": MADE_AT,
}
EXAMPLE_DEACTIVATED: dict[str, Any] = {
    **EXAMPLE_USER,
    "is_active": False,
    "warnings": [
        {
            "code": "leaving.last_custodian",
            "detail": "Nobody else keeps the fund of Westlands: name another custodian.",
            "ids": [BRANCH_ID],
        }
    ],
}
EXAMPLE_NEW_ROLE: dict[str, Any] = {
    "user_id": USER_ID,
    "role": "branch_manager",
    "scope_id": BRANCH_ID,
    "reason": "Takes over the branch in December.",
}
EXAMPLE_ASSIGNMENT: dict[str, Any] = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0c03",
    "user_id": USER_ID,
    "role": "branch_manager",
    "scope_kind": "branch",
    "scope_id": BRANCH_ID,
    "valid_from": MADE_AT,
    "valid_until": None,
    "proposed_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0c04",
    "confirmed_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0c05",
    "created_at": MADE_AT,
}
