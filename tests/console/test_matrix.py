"""Every page, role and scope: 200, 403 or 404 as the permission table and the API say.

Pages join by themselves: what is needed is that a page which names a thing says by which operation
it reads it, and that tests/security/population.py makes one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask

from pettycash.models.access import Role
from pettycash.services.foundation import permissions
from pettycash.web.admission import operation_of
from tests.api.client import ApiClient
from tests.console.visiting import Visitor
from tests.security.conftest import populated, populated_database, samples, served
from tests.security.routes import PERSONA, Route, Samples

__all__ = ["populated", "populated_database", "samples", "served"]

pytestmark = pytest.mark.xdist_group("populated")  # its database takes seconds to make

STRANGERS = (
    "other_company",
    "other_treasury",
    "other_operator",
    "other_admin",
    "staff_mombasa",
    "branch_manager_mombasa",
)
"""People of another company, and of another branch."""


@dataclass(frozen=True)
class Place:
    """One page."""

    path: str
    operation: str
    subject: str | None


def places(application: Flask) -> Iterator[Place]:
    for rule in application.url_map.iter_rules():
        if not rule.rule.startswith("/console/") or "GET" not in (rule.methods or set()):
            continue
        entry = operation_of(application, rule.endpoint, "GET")
        assert entry is not None, rule.rule
        if not entry.by_cookie or rule.endpoint.startswith("console_rest"):
            continue
        subject = getattr(application.view_functions[rule.endpoint], "subject", None)
        assert subject or "<" not in rule.rule, f"{rule.rule} names a thing and not how it is read"
        yield Place(path=rule.rule, operation=entry.name, subject=subject)


class Expected:
    """The status that the API's own answers make of a page for somebody."""

    def __init__(self, populated: ApiClient) -> None:
        self.populated = populated
        self.roles: dict[str, set[Role]] = {}
        self.statuses: dict[tuple[str, str], int] = {}

    def of(self, place: Place, name: str, route: Route | None, ids: dict[str, str]) -> int:
        """403 by the permission table, else what reading the thing gives."""
        if name not in self.roles:
            held = self.populated.as_(name).get("/api/auth/me/").json["roles"]
            self.roles[name] = {Role(each["role"]) for each in held}
        if not self.roles[name] & permissions.PERMISSIONS[place.operation]:
            return 403
        if route is None:
            return 200
        path = route.at(ids)
        if (path, name) not in self.statuses:
            self.statuses[path, name] = self.populated.as_(name).get(path).status_code
        return self.statuses[path, name]


def test_every_page_is_there_for_whom_the_table_says_and_within_scope(
    populated: ApiClient, served: list[Route], samples: Samples
) -> None:
    reads = {each.name: each for each in served if each.method == "get"}
    personas = [PERSONA[role] for role in Role] + [*STRANGERS]
    visitors = {name: Visitor(populated, populated.as_(name).token) for name in personas}
    expected = Expected(populated)
    wrong = []
    for place in places(populated.application):
        route = reads[place.subject] if place.subject else None
        ids = samples.of(route) if route else {}
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found, ids=ids: ids[found[1]], place.path)
        for name in personas:
            status = visitors[name].get(path).status_code
            if status != (due := expected.of(place, name, route, ids)):
                wrong.append(f"{path} as {name}: {status}, not {due}")
    assert wrong == []
