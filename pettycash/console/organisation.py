"""The company and its units: regions, branches, departments, cost centres, positions."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, make_response, render_template

from pettycash.console import choices
from pettycash.console.acts import Act
from pettycash.console.columns import Column, flag, link, text, when
from pettycash.console.forms import Field, asks
from pettycash.console.pages import Pages
from pettycash.console.reading import Shown, reaches, read, unit
from pettycash.services.foundation.listings import PAGE_SIZE_MAX
from pettycash.web.operations.access import companies, organisation
from pettycash.web.operations.access.organisation import UnitOperations
from pettycash.web.operations.operations import changes

blp = Pages("organisation", __name__, section="Administration")

ROOT = "/admin/organisation"

CODE, NAME = asks("code", "Code", autofocus=True), asks("name", "Name")
ACTIVE = asks("is_active", "In use", "A unit that others still stand on stays in use.")

FIELDS: Mapping[str, tuple[Field, ...]] = {
    "regions": (CODE, NAME),
    "branches": (
        CODE,
        NAME,
        asks("region_id", "Region", choices=choices.regions),
        asks("address", "Address"),
    ),
    "departments": (CODE, NAME),
    "cost-centers": (
        CODE,
        NAME,
        asks("branch_id", "Branch", choices=choices.branches),
        asks("department_id", "Department", choices=choices.departments),
    ),
    "positions": (CODE, asks("title", "Title"), asks("level", "Level", "A whole number.")),
}
TITLES = {
    "regions": ("Regions", "region"),
    "branches": ("Branches", "branch"),
    "departments": ("Departments", "department"),
    "cost-centers": ("Cost centres", "cost centre"),
    "positions": ("Positions", "position"),
}


def head_office(typed: dict[str, Any]) -> dict[str, Any]:
    """The proposal that a branch is a head office, or is none."""
    payload = typed.get("payload", {})
    meant = {name: value == "1" for name, value in payload.items()}
    return typed | {"kind": "head_office", "payload": meant}


HEAD_OFFICE = Act(
    operation=changes.propose,
    verb="head-office",
    label="Propose head office",
    done="Proposed.",
    fields=(
        asks(
            "payload",
            "Head office",
            fields=(asks("is_head_office", "Is it one?", choices=choices.yes_or_no),),
        ),
        asks("reason", "Reason", is_long=True),
    ),
    sends={"object_id": "id"},
    argument="",
    prepare=head_office,
    says="What members of a head office raise skips branch and regional managers; two people say.",
    to="/console/changes/{id}/",
)


def _titled(name: str) -> Callable[[Shown], str]:
    return lambda shown: f"{shown['code']}: {shown[name]}"


def _unit_pages(kind: UnitOperations) -> None:
    title, one = TITLES[kind.path]
    path = f"{ROOT}/{kind.path}/"
    there = f"/console{path}{{id}}/"
    name = "title" if kind.path == "positions" else "name"
    extra: tuple[Column, ...] = ()
    if kind.path == "branches":
        extra = (text("address"), flag("is_head_office", "Head office"))
    elif kind.path == "positions":
        extra = (text("level"),)
    made = Act(
        operation=kind.create,
        verb="new",
        label=f"Make the {one}",
        done="Made.",
        fields=FIELDS[kind.path],
        to=there,
    )
    change = Act(
        operation=kind.update,
        verb="edit",
        label="Edit",
        done="Changed.",
        fields=(*FIELDS[kind.path], ACTIVE),
        sends={"expected": "_version"},
    )
    blp.list(
        path,
        kind.list_all,
        title=title,
        columns=(link("code", there), text(name), *extra, flag("is_active", "In use")),
        filters=(asks("q", "Words of code and name"), asks("is_active", "In use only")),
        empty=f"There is no {one} yet.",
        new=f"/console{path}new/",
        new_operation=kind.create,
        in_navigation=False,
    )
    blp.form(f"{path}new/", made, title=f"New {one}")
    blp.detail(
        f"{path}<uuid:unit_id>/",
        kind.get,
        title=_titled(name),
        facts=(*extra, flag("is_active", "In use"), when("created_at", "Made")),
        acts=(change, *([HEAD_OFFICE] if kind.path == "branches" else [])),
        made_by=made,
    )


for _kind in organisation.KINDS:
    _unit_pages(_kind)

# -- the tree

RENAME = Act(
    operation=companies.update,
    verb="rename",
    label="Rename the company",
    done="Renamed.",
    fields=(asks("name", "Name"),),
    sends={"expected": "_version"},
)

blp.enter(f"{ROOT}/", companies.list_all, title="Organisation")


@blp.page(f"{ROOT}/", companies.list_all)
def tree() -> Response:
    """The company, its regions with their branches, and what runs across them."""
    with unit() as uow:
        company = read(uow, companies.list_all)["items"][0]
        units = {
            kind.path: read(uow, kind.list_all, limit=PAGE_SIZE_MAX)["items"]
            for kind in organisation.KINDS
        }
        page = render_template(
            "admin/organisation.html",
            title=company["name"],
            section=blp.section,
            company=company,
            units=units,
            titles=TITLES,
            new={kind.path: reaches(kind.create) for kind in organisation.KINDS},
        )
    return make_response(page)


blp.detail(
    "/admin/company/<uuid:company_id>/",
    companies.get,
    title=lambda shown: str(shown["name"]),
    facts=(
        text("code"),
        text("currency"),
        when("created_at", "Made"),
        when("bootstrapped_at", "First people admitted"),
    ),
    acts=(RENAME,),
)
