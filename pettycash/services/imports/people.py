"""People and the units that they work in, from one sheet.

A row is a region, a branch, a department or a person, as its first column says. People get their
one-time link as if they were admitted singly. An import changes places, names and roles; how
somebody who is there is reached it leaves alone, and it reactivates nothing (control.md §6).
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any
from uuid import UUID

import marshmallow as ma
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import (
    SCOPE_OF,
    Branch,
    CostCenter,
    Department,
    Position,
    Region,
    Role,
    RoleAssignment,
    ScopeKind,
    User,
)
from pettycash.runtime import errors
from pettycash.services.access import organisation, people, role_assignments
from pettycash.services.access.identity import links, usernames
from pettycash.services.foundation import decisions, duties
from pettycash.services.foundation.permissions import ADMINISTRATORS
from pettycash.services.imports.declared import (
    By,
    Column,
    Import,
    NameColumn,
    Outcome,
    Result,
    Row,
    RowSchema,
    WordColumn,
    WordsColumn,
)
from pettycash.services.imports.runs import register


class Kind(StrEnum):
    """The kind of a row."""

    REGION = "region"
    BRANCH = "branch"
    DEPARTMENT = "department"
    PERSON = "person"


UNITS: Mapping[str, type[Region] | type[Branch] | type[Department]] = {
    Kind.REGION: Region,
    Kind.BRANCH: Branch,
    Kind.DEPARTMENT: Department,
}
PLACES: Mapping[str, type[Any]] = {
    **UNITS,
    "cost_center": CostCenter,
    "position": Position,
}
"""The columns of a person's places."""

COLUMNS_OF_A_UNIT = {"kind", "code", "name"}


IMPORTED_ROLES = frozenset(Role) - {Role.CUSTODIAN}
"""Roles that an import gives; a custodian is named with the fund."""


class ContactStands(errors.Conflict):
    """This person is reached otherwise, and an import changes no contact; do it singly."""

    code = "import.contact_stands"


class Deactivated(errors.Conflict):
    """This was deactivated, and an import reactivates nothing; do it singly, or leave it out."""

    code = "import.deactivated"


class PeopleRowSchema(RowSchema):
    """The columns."""

    kind = WordColumn("Kind", "region, branch, department or person", words=Kind, required=True)
    code = Column("Code", "the unit's code, or the person's user name", required=True, longest=64)
    name = NameColumn("Name", "as others read it", required=True)
    region = Column("Region", "code; where a branch belongs, or a person without branch")
    branch = Column("Branch", "code; where the person works")
    department = Column("Department", "code; where the person works")
    cost_center = Column("Cost centre", "code of one that is there already")
    position = Column("Position", "code of one that is there already")
    email = Column("E-mail", "a new person's own; the link to set a password goes there")
    phone = Column("Phone", "as text, so that it keeps its leading zero", longest=40)
    roles = WordsColumn(
        "Roles",
        "one or several, divided by commas; a manager's is for the unit in the same row",
        words=IMPORTED_ROLES,
    )

    @ma.post_load
    def _fits_its_kind(self, row: dict[str, Any], **_options: Any) -> dict[str, Any]:
        kind, wrong = row["kind"], {}
        if kind == Kind.PERSON:
            try:
                row["code"] = usernames.checked(row["code"])
            except usernames.InvalidPerson as error:
                wrong["Code"] = error.errors["username"]
        else:
            taken = COLUMNS_OF_A_UNIT | ({"region"} if kind == Kind.BRANCH else set())
            wrong |= {
                str(self.fields[name].data_key): [f"A {kind} has none."]
                for name in row.keys() - taken
            }
            if (
                not re.match(organisation.CODE, row["code"])
                or len(row["code"]) > organisation.CODE_MAX
            ):
                wrong["Code"] = [organisation.CODE_RULE]
            if kind == Kind.BRANCH and "region" not in row:
                wrong["Region"] = ["A branch belongs to one."]
        if wrong:
            raise ma.ValidationError(wrong)
        return row


class PeopleWork:
    """One run over such a sheet."""

    def __init__(self, session: Session, by: By) -> None:
        self.session = session
        self.by = by
        self.newcomers: list[UUID] = []
        self.units: dict[tuple[str, str], Any] = {}
        """By column and code: kept here, or the session would read them for each person."""

    def apply(self, row: Row) -> Result:
        """Do what one row says."""
        return self._person(row) if row["kind"] == Kind.PERSON else self._unit(row)

    def finish(self) -> None:
        """Send newcomers their links: after all members, as outbox messages are locked last."""
        links.enqueue_all(self.session, user_ids=self.newcomers, actor=self.by.actor)

    def _unit(self, row: Row) -> Result:
        model: Any = UNITS[row["kind"]]
        values: dict[str, Any] = {"name": row["name"]}
        if model is Branch:
            values["region_id"] = self._place("region", row["region"])
        found = self.session.execute(
            select(model).where(model.code == row["code"])
        ).scalar_one_or_none()
        if found is None:
            organisation.create(
                self.session, model, values={"code": row["code"], **values}, actor=self.by.actor
            )
            return Result(kind=row["kind"], outcome=Outcome.CREATED)
        if not found.is_active:
            raise Deactivated
        if self.by.change is not None:
            organisation.get(self.session, model, unit_id=found.id, lock=True)
        before = {name: getattr(found, name) for name in values}
        organisation.update(self.session, found, values=values, actor=self.by.actor)
        return self._result(row["kind"], before, values)

    def _person(self, row: Row) -> Result:
        places = {f"{name}_id": self._place(name, row[name]) for name in PLACES if name in row}
        user_id = self.session.execute(
            select(User.id).where(User.username == row["code"])
        ).scalar_one_or_none()
        if user_id is None:
            person = people.admit(
                self.session,
                username=row["code"],
                display_name=row["name"],
                email=row.get("email", ""),
                phone=row.get("phone"),
                places=places,
                actor=self.by.actor,
                is_invited=False,
            )
            note = self._note(row, self._give_roles(person, row))
            self.newcomers.append(person.user.id)
            return Result(kind=Kind.PERSON, outcome=Outcome.CREATED, note=note)
        is_locked = self.by.change is not None
        person = people.find(self.session, user_id=user_id, lock=is_locked)
        if not (person.user.is_active and person.membership.is_active):
            raise Deactivated
        self._check_contacts(person, row)
        wanted = {"display_name": row["name"], **places}
        before = {name: getattr(person.row_of(name), name) for name in wanted}
        people.update(
            self.session,
            person,
            values=wanted,
            actor=self.by.actor,
            now=self.session.info["now"],
        )
        given = self._give_roles(person, row)
        result = replace(
            self._result(Kind.PERSON, before, wanted, given), note=self._note(row, given)
        )
        if result.outcome is Outcome.UPDATED and user_id in self._deciders():
            raise decisions.AboutYourself
        return result

    def _deciders(self) -> set[UUID]:
        change, actor = self.by.change, self.by.actor
        found = set() if actor is None else {actor.user_id}
        return found if change is None else {*found, change.proposed_by}

    def _place(self, name: str, code: str) -> UUID:
        """The unit of a code, made by an earlier row or there before."""
        found = self.units.get((name, code))
        if found is None:
            model = PLACES[name]
            query = select(model).where(model.code == code, model.is_active)
            found = self.session.execute(query).scalar_one_or_none()
        if found is None:
            label = name.replace("_", " ")
            raise organisation.UnknownUnit(
                errors={name: [f"There is no active {label} with this code."]}
            )
        self.units[name, code] = found
        unit_id: UUID = found.id
        return unit_id

    def _check_contacts(self, person: people.Person, row: Row) -> None:
        wrong = {}
        if "email" in row and people.e_mail(row["email"]).lower() != person.user.email.lower():
            wrong["email"] = ["This person has another e-mail; an import changes none."]
        if "phone" in row and people.e164(self.session, row["phone"]) != person.membership.phone:
            wrong["phone"] = ["This person has another phone; an import changes none."]
        if wrong:
            raise ContactStands(errors=wrong)

    def _give_roles(self, person: people.Person, row: Row) -> list[str]:
        """Give the roles that the person has not; those that they have stay."""
        user_id, now = person.user.id, self.session.info["now"]
        pair = duties.incompatible(Role(each) for each in row.get("roles", ()))
        if pair is not None:
            said = f"One person can't hold {pair[0]} and {pair[1]} at one time."
            raise role_assignments.RolesIncompatible(said, errors={"role": [said]})
        held = set(
            self.session.execute(
                select(RoleAssignment.role, RoleAssignment.scope_id).where(
                    RoleAssignment.user_id == user_id, *role_assignments.overlaps(now, None)
                )
            ).all()
        )
        given = []
        for role in map(Role, row.get("roles", ())):
            scope_id = self._scope(person, role)
            if (role, scope_id) in held:
                continue
            given.append(role.value)
            if self.by.change is None or self.by.actor is None:
                role_assignments.check(
                    self.session, user_id=user_id, role=role, scope_id=scope_id, start=now
                )
                continue
            role_assignments.assign(
                self.session,
                user_id=user_id,
                role=role,
                scope_id=scope_id,
                start=now,
                proposed_by=self.by.change.proposed_by,
                confirmed_by=self.by.actor.user_id,
            )
        return given

    @staticmethod
    def _note(row: Row, given: list[str]) -> str | None:
        """Two persons who give roles by a sheet are seen by everybody who is told of it."""
        return f"{row['code']}: {', '.join(given)}" if given else None

    def _scope(self, person: people.Person, role: Role) -> UUID | None:
        """The unit of the row, or of the person, that a role of its kind is for."""
        scope = SCOPE_OF[role]
        if scope in (ScopeKind.SELF, ScopeKind.COMPANY):
            return None
        found: UUID | None = getattr(person.membership, f"{scope.value}_id")
        return found

    def _result(
        self,
        kind: str,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        roles: list[str] | None = None,
    ) -> Result:
        changed = {
            name.removesuffix("_id"): (self._text(name, before[name]), self._text(name, value))
            for name, value in after.items()
            if before[name] != value
        }
        if roles:
            changed["roles"] = (None, ", ".join(roles))
        outcome = Outcome.UPDATED if changed else Outcome.UNCHANGED
        return Result(kind=kind, outcome=outcome, changed=changed)

    def _text(self, name: str, value: Any) -> str | None:
        """A unit by its code, anything else as it is."""
        if not isinstance(value, UUID):
            return None if value is None else str(value)
        model = PLACES[name.removesuffix("_id")]
        return str(self.session.get_one(model, value).code)


PEOPLE = register(
    Import(
        name="people",
        title="People and units",
        columns=PeopleRowSchema,
        key=("kind", "code"),
        limit=1000,
        updates=True,
        rank=lambda row: list(Kind).index(Kind(row["kind"])),
        work=PeopleWork,
        deciders=ADMINISTRATORS,
        columns_of={
            "username": "code",
            "display_name": "name",
            "role": "roles",
            "scope_id": "roles",
        },
        examples=(
            {"kind": "region", "code": "LAKE", "name": "Lake region"},
            {"kind": "branch", "code": "KISUMU", "name": "Kisumu", "region": "LAKE"},
            {"kind": "department", "code": "LOGISTICS", "name": "Logistics"},
            {
                "kind": "person",
                "code": "amina.odhiambo",
                "name": "Amina Odhiambo",
                "branch": "KISUMU",
                "department": "LOGISTICS",
                "email": "amina@example.org",
                "phone": "0712345678",
                "roles": "staff, branch manager",
            },
        ),
    )
)
