"""People of the company, their roles, and people from a sheet."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from flask import Response, make_response, render_template, request

from pettycash.console import choices
from pettycash.console.acts import Act
from pettycash.console.columns import Table, flag, link, person, text, when, word
from pettycash.console.forms import Choices, asks
from pettycash.console.pages import Pages
from pettycash.console.reading import Shown, id_of, reaches, read, unit
from pettycash.console.words import word as in_words
from pettycash.services.foundation.file_formats import FileFormat
from pettycash.services.foundation.uow import Uow
from pettycash.web import transfers
from pettycash.web.operations.access import role_assignments, second_factors, users
from pettycash.web.operations.imports import OPERATIONS
from pettycash.web.operations.operations import changes

blp = Pages("people", __name__, section="Administration")

USER = "/console/admin/users/{id}/"
CHANGE = "/console/changes/{id}/"

PLACES = (
    asks("region_id", "Region", choices=choices.regions),
    asks("branch_id", "Branch", choices=choices.branches),
    asks("department_id", "Department", choices=choices.departments),
    asks("cost_center_id", "Cost centre", choices=choices.cost_centers),
    asks("position_id", "Position", choices=choices.positions),
)
CONTACTS = (
    asks("display_name", "Name"),
    asks("email", "E-mail"),
    asks("phone", "Phone", "Such as +254712345678."),
)

ADMIT = Act(
    operation=users.create,
    verb="new",
    label="Admit",
    done="Admitted. A link with which they set a password went to their own address.",
    fields=(
        asks(
            "username", "Username", "Letters, digits, dots, hyphens, underscores.", autofocus=True
        ),
        *CONTACTS,
        *PLACES,
    ),
    says="Roles are given afterwards, by two people.",
    to=USER,
)


def scopes(uow: Uow) -> Choices:
    """The units and funds that a role may be for."""
    named = (
        ("Branch", choices.branches),
        ("Region", choices.regions),
        ("Department", choices.departments),
        ("Fund", choices.funds_by_code),
    )
    return [(key, f"{kind}: {name}") for kind, of in named for key, name in of(uow)]


def about(kind: str, typed: dict[str, Any]) -> dict[str, Any]:
    """A proposal of this kind."""
    return {"payload": {}} | typed | {"kind": kind}


REASON = asks("reason", "Reason", is_long=True)
ACTS = (
    Act(
        operation=role_assignments.propose,
        verb="role",
        label="Propose a role",
        done="Proposed.",
        fields=(
            asks("role", "Role"),
            asks("scope_id", "For which place?", "Blank for the whole company.", choices=scopes),
            asks("valid_from", "From", "Blank: as soon as it is confirmed."),
            asks("valid_until", "Until", "Blank: for ever."),
            REASON,
        ),
        sends={"user_id": "id"},
        argument="",
        tone="primary",
        says="A second administrator confirms it, or the CFO.",
        to=CHANGE,
    ),
    Act(
        operation=users.update,
        verb="edit",
        label="Edit",
        done="Changed.",
        fields=(
            *CONTACTS,
            *PLACES,
            asks("is_active", "Works here", "Whoever no longer does is signed out at once."),
        ),
        sends={"expected": "_version"},
    ),
    Act(
        operation=changes.propose,
        verb="contact",
        label="Propose another contact",
        done="Proposed.",
        fields=(
            asks(
                "payload",
                "New contact",
                "What is left blank stays.",
                fields=(asks("email", "E-mail"), asks("phone", "Phone")),
            ),
            REASON,
        ),
        sends={"object_id": "id"},
        argument="",
        prepare=partial(about, "contact"),
        says="Contacts of anybody above staff are changed by two people: codes go there.",
        to=CHANGE,
    ),
    Act(
        operation=users.link,
        verb="link",
        label="Send a link",
        done="Sent to their own address; earlier links are worthless now.",
        says="With it they set a new password.",
    ),
    Act(
        operation=second_factors.reset,
        verb="app",
        label="Take their app away",
        done="They enrol a new app when they sign in next.",
        sends={"user_id": "id"},
        argument="",
        tone="danger",
        says="Their sessions end. Of those who release money two people do it: propose it then.",
    ),
    Act(
        operation=changes.propose,
        verb="propose-app",
        label="Propose to take their app away",
        done="Proposed.",
        fields=(REASON,),
        sends={"object_id": "id"},
        argument="",
        prepare=partial(about, "second_factor"),
        to=CHANGE,
    ),
)


def placed(uow: Uow, shown: Shown) -> Mapping[str, Any]:
    """Where they work in words, and the roles that they hold or will hold."""
    known = {each.name: each.choices for each in PLACES if each.choices is not None}
    places = [
        (each.label, dict(known[each.name](uow)).get(shown[each.name], "Not in use any more"))
        for each in PLACES
        if shown[each.name] is not None
    ]
    held: Mapping[str, Any] = {"items": [], "people": {}}
    if reaches(role_assignments.list_all):
        held = read(uow, role_assignments.list_all, user_id=[id_of(shown)], limit=50)
    named = dict(scopes(uow))

    def with_place(role: Shown) -> Shown:
        return {**role, "place": named.get(role["scope_id"])}

    return {
        "shown": {**shown, "roles": [with_place(each) for each in shown["roles"]]},
        "places": places,
        "held": {**held, "items": [with_place(each) for each in held["items"]]},
        "held_columns": (*ROLES[1:2], text("place"), *ROLES[3:]),
    }


blp.list(
    "/admin/users/",
    users.list_all,
    title="People",
    columns=(
        link("display_name", USER, "Name"),
        text("username"),
        text("position_title", "Position"),
        text("email", "E-mail"),
        flag("mfa_enrolled", "Has an app"),
        flag("is_active", "Works here"),
    ),
    filters=(
        asks("q", "Words of names and e-mail"),
        asks("role", "Role", is_single=True),
        asks("branch_id", "Branch", choices=choices.branches, is_single=True),
        asks("department_id", "Department", choices=choices.departments, is_single=True),
        asks("is_active", "Works here only"),
        asks("order"),
    ),
    views={"Working here": {"is_active": "1"}},
    empty="Nobody works here yet: admit the first person, or take people from a sheet.",
    new="/console/admin/users/new/",
    new_operation=users.create,
)
blp.form("/admin/users/new/", ADMIT, title="Admit somebody")

ROLE = "/console/admin/roles/{id}/"
ROLES = (
    person("user_id", "Who", to=ROLE),
    word("role", "Role", to=ROLE),
    word("scope_kind", "Reaches"),
    when("valid_from", "From"),
    when("valid_until", "Until"),
    person("proposed_by_id", "Proposed by"),
    person("confirmed_by_id", "Confirmed by"),
)

blp.detail(
    "/admin/users/<uuid:user_id>/",
    users.get,
    title=lambda shown: str(shown["display_name"]),
    facts=(
        text("username"),
        text("email", "E-mail"),
        text("phone"),
        text("position_title", "Position"),
        flag("mfa_enrolled", "Has an app"),
        flag("must_change_password", "Has a temporary password"),
        flag("is_active", "Works here"),
        when("created_at", "Admitted"),
    ),
    tables=(
        Table(
            name="roles",
            title="Roles held now",
            columns=(text("role_display", "Role"), word("scope_kind", "Reaches"), text("place")),
            empty="None: propose a role, and a second person confirms it.",
        ),
    ),
    acts=ACTS,
    made_by=ADMIT,
    more=placed,
    template="admin/user.html",
)

# -- roles

blp.list(
    "/admin/roles/",
    role_assignments.list_all,
    title="Roles",
    columns=ROLES,
    filters=(
        asks("q", "Words of names"),
        asks("role", "Role", is_single=True),
        asks("is_live", "Held now"),
        asks("order"),
    ),
    views={"Held now": {"is_live": "1"}},
    empty="Nobody holds a role.",
)
blp.detail(
    "/admin/roles/<uuid:assignment_id>/",
    role_assignments.get,
    title=lambda shown: in_words(shown["role"]),
    facts=(
        word("role"),
        person("user_id", "Who", to="/console/admin/users/{user_id}/"),
        word("scope_kind", "Reaches"),
        when("valid_from", "From"),
        when("valid_until", "Until"),
        person("proposed_by_id", "Proposed by"),
        person("confirmed_by_id", "Confirmed by"),
    ),
    acts=(
        Act(
            operation=role_assignments.end,
            verb="end",
            label="Propose that it ends",
            done="Proposed.",
            fields=(asks("valid_until", "When?", "Blank: as soon as it is confirmed."), REASON),
            tone="danger",
            says="A second person confirms it, and sees what nobody else could do then.",
            to=CHANGE,
        ),
    ),
)

# -- from a sheet

PEOPLE = OPERATIONS["people"]
SHEET = "/admin/import"

CHECK = Act(
    operation=PEOPLE.check,
    verb="check",
    label="Check the sheet",
    done="",
    fields=(asks("file", "Sheet", "XLSX or CSV, by the template."),),
    says="Nothing is written: you see every error by row and column, or what each row would do.",
    shows="admin/checked.html",
)
PROPOSE = Act(
    operation=PEOPLE.propose,
    verb="propose",
    label="Propose the sheet",
    done="Proposed.",
    fields=(
        asks("file", "The same sheet once more", "Another one than was checked is refused."),
        REASON,
        asks(
            "digest",
            "Digest of the check",
            "It binds the proposal to what was checked; leave it as it is.",
        ),
    ),
    says="A second person confirms it whole, or nothing of it.",
    to=CHANGE,
)

blp.enter(f"{SHEET}/", PEOPLE.check, title="People from a sheet")


@blp.page(f"{SHEET}/", PEOPLE.check)
def import_people() -> Response:
    """How people come from a sheet: template, check, proposal."""
    page = render_template("admin/import.html", title="People from a sheet", section=blp.section)
    return make_response(page)


@blp.page(f"{SHEET}/template/", PEOPLE.template)
def template() -> Response:
    """The sheet to fill in."""
    wanted = FileFormat.CSV if request.args.get("format") == "csv" else FileFormat.XLSX
    with unit() as uow:
        return transfers.sent(*PEOPLE.template(uow, format=wanted))


blp.form(f"{SHEET}/check/", CHECK, title="Check a sheet of people")
blp.form(f"{SHEET}/propose/", PROPOSE, title="Propose a checked sheet")
