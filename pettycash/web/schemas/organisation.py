"""Companies and their units on the wire."""

import marshmallow as ma

from pettycash.services.access import organisation
from pettycash.web.schemas.fields import Name, Schema, Text, UtcDateTime, taken

CODE = ma.validate.Regexp(organisation.CODE, error=organisation.CODE_RULE)


def code_field(**kwargs: object) -> Text:
    """A unit's code: unique within the company, kept as it is typed."""
    return Text(shortest=1, longest=organisation.CODE_MAX, validate=CODE, **kwargs)


class CompanySchema(Schema):
    """The tenant. Code and currency stay for ever."""

    id = ma.fields.UUID(dump_only=True)
    code = ma.fields.String(dump_only=True)
    name = ma.fields.String(dump_only=True)
    currency = ma.fields.String(dump_only=True)
    is_active = ma.fields.Boolean(dump_only=True)
    created_at = UtcDateTime(dump_only=True)
    bootstrapped_at = UtcDateTime(
        dump_only=True,
        allow_none=True,
        metadata={"description": "When its first people were admitted without a second person."},
    )


class CompanyChangeSchema(Schema):
    """The fields of a company that can be changed."""

    name = Name(shortest=1, longest=200, required=True)


class UnitSchema(Schema):
    """The fields that every unit has."""

    id = ma.fields.UUID(dump_only=True)
    company_id = ma.fields.UUID(dump_only=True)
    code = code_field(required=True)
    name = Name(shortest=1, longest=200, required=True)
    is_active = ma.fields.Boolean()
    created_at = UtcDateTime(dump_only=True)


class RegionSchema(UnitSchema):
    """A group of branches."""


class BranchSchema(UnitSchema):
    """A place where money is spent."""

    region_id = ma.fields.UUID(required=True)
    address = Text(longest=500, allow_none=True)
    is_head_office = ma.fields.Boolean(
        dump_only=True,
        metadata={
            "description": "Its members raise requisitions of origin hq. Two people change it:"
            " `POST /api/changes/`, kind `head_office`."
        },
    )


class DepartmentSchema(UnitSchema):
    """A department, over all branches."""


class CostCenterSchema(UnitSchema):
    """Where a cost is charged to."""

    branch_id = ma.fields.UUID(allow_none=True)
    department_id = ma.fields.UUID(allow_none=True)


class PositionSchema(Schema):
    """A job title with a level."""

    id = ma.fields.UUID(dump_only=True)
    company_id = ma.fields.UUID(dump_only=True)
    code = code_field(required=True)
    title = Name(shortest=1, longest=200, required=True)
    level = ma.fields.Integer(strict=True, validate=ma.validate.Range(min=0, max=1000))
    is_active = ma.fields.Boolean()
    created_at = UtcDateTime(dump_only=True)


def change_of(schema: type[ma.Schema]) -> ma.Schema:
    """The shape of a PATCH: every field may be left out."""
    return taken(schema, "Change")(partial=True)


ID = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b01"
COMPANY_ID = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b00"
MADE_AT = "2026-11-20T08:00:00+00:00"

EXAMPLE_COMPANY = {
    "id": COMPANY_ID,
    "code": "DEMO",
    "name": "Demo organisation",
    "currency": "KES",
    "is_active": True,
    "created_at": MADE_AT,
    "bootstrapped_at": MADE_AT,
}

_KEPT = {"id": ID, "company_id": COMPANY_ID, "is_active": True, "created_at": MADE_AT}

EXAMPLE_REGION = {"code": "NAIROBI", "name": "Nairobi region"}
EXAMPLE_BRANCH = {
    "code": "WESTLANDS",
    "name": "Westlands",
    "region_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b02",
    "address": "Woodvale Grove",
}
EXAMPLE_DEPARTMENT = {"code": "OPS", "name": "Operations"}
EXAMPLE_COST_CENTER = {
    "code": "WESTLANDS-OPS",
    "name": "Westlands, Operations",
    "branch_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b03",
    "department_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b04",
}
EXAMPLE_POSITION = {"code": "OFFICER", "title": "Officer", "level": 1}


def example_of(body: dict[str, object]) -> dict[str, object]:
    """The answer that belongs to a request's example."""
    of_branch = {"is_head_office": False} if "region_id" in body else {}
    return {**_KEPT, **of_branch, **body}
