"""The API as its own document describes it, and a request for each of its operations.

New routes join by themselves: what is needed of them is their OpenAPI entry and, where the path
names an object, a list under the path before it, from which a live id is taken.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from werkzeug.test import TestResponse

from pettycash.models.access import Role
from pettycash.services.foundation import permissions
from tests.api.client import ApiClient, Caller

METHODS = ("get", "post", "patch", "put", "delete")

PERSONA: dict[Role, str] = {role: role.value for role in Role}
"""Role → the persona of the demo company who holds it and no other."""

SELF_SERVICE = frozenset(
    {
        "auth.me", "auth.logout", "auth.mfa_enrol", "auth.mfa_confirm", "auth.change_password",
        "auth.reauthenticate",
    }
)  # fmt: skip

NOT_OBJECTS = frozenset({"month"})
"""Path parameters that are no ids: every company has its own month."""


@dataclass(frozen=True)
class Route:
    """One operation."""

    name: str
    method: str
    path: str
    body: Any
    media_type: str | None
    query: dict[str, str]

    @property
    def roles(self) -> frozenset[Role]:
        """Who may call it."""
        return permissions.PERMISSIONS[self.name]

    @property
    def parameters(self) -> list[str]:
        """What its path names."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def names_objects(self) -> bool:
        """Whether its path leads to somebody's object."""
        return bool(set(self.parameters) - NOT_OBJECTS)

    def at(self, ids: dict[str, str]) -> str:
        """The path to these objects."""
        return re.sub(r"{(\w+)}", lambda found: ids[found[1]], self.path)

    def send(self, caller: Caller, ids: dict[str, str]) -> TestResponse:
        """The documented example, with every header that may be asked for."""
        options: dict[str, Any] = {}
        if self.media_type == "multipart/form-data":
            options = {
                "data": b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"'
                b"\r\n\r\na,b\n1,2\n\r\n--b--\r\n",
                "content_type": "multipart/form-data; boundary=b",
            }
        elif self.body is not None:
            options = {"json": self.body}
        if self.query:
            options["query_string"] = self.query
        return caller.request(
            self.method.upper(),
            self.at(ids),
            key=str(uuid4()),
            etag='"v1"' if self.method == "patch" else None,
            **options,
        )

    def knock(self, caller: Caller, ids: dict[str, str]) -> TestResponse:
        """A request that is refused for its shape right after the door, so that it has no effect.

        422 for an unknown field, 415 where files are taken, 428 where a version is wanted.
        """
        if self.method in ("get", "delete"):
            return caller.request(
                self.method.upper(), self.at(ids), query_string={"not_a_filter": "1"}
            )
        return caller.request(
            self.method.upper(), self.at(ids), json={"not_a_field": 1}, key=str(uuid4())
        )


def routes(document: dict[str, Any]) -> list[Route]:
    """Every operation that wants a session."""
    return sorted(_routes(document), key=lambda each: each.name)


def _routes(document: dict[str, Any]) -> Iterator[Route]:
    for path, item in document["paths"].items():
        for method in METHODS:
            operation = item.get(method)
            if operation is None or operation["operationId"] in permissions.PUBLIC:
                continue
            contents = operation.get("requestBody", {}).get("content", {})
            media_type = next(iter(contents), None)
            yield Route(
                name=operation["operationId"],
                method=method,
                path=path,
                body=contents.get("application/json", {}).get("example"),
                media_type=media_type,
                query={
                    each["name"]: str(each.get("example", uuid4()))
                    for each in (*item.get("parameters", []), *operation.get("parameters", []))
                    if each.get("in") == "query" and each.get("required")
                },
            )


class Samples:
    """Live ids of the demo company, taken from its lists as somebody who may read them.

    What is taken is put to what was chosen, for all that look at the same database.
    """

    def __init__(self, api: ApiClient, found: list[Route], chosen: dict[str, str]) -> None:
        self.api = api
        self.lists = {route.path: route for route in found if route.method == "get"}
        self._known = chosen

    def of(self, route: Route) -> dict[str, str]:
        """The ids that a route's path needs; fails where there is none."""
        ids: dict[str, str] = {}
        for name in route.parameters:
            before = route.path.split("{" + name + "}")[0]
            place = re.sub(r"{(\w+)}", lambda found: ids[found[1]], before)
            if name in NOT_OBJECTS:
                ids[name] = "2026-01"
                continue
            if place not in self._known:
                self._known[place] = self._first(before, place)
            ids[name] = self._known[place]
        return ids

    def _first(self, template: str, place: str) -> str:
        listing = self.lists.get(template)
        assert listing is not None, f"{place} has no list to take a sample id from"
        readers = [PERSONA[role] for role in Role if role in listing.roles]
        if Role.AUDITOR in listing.roles and template != "/api/auth/sessions/":
            readers.insert(0, "auditor")
        answer = self.api.as_(readers[0]).get(place, query_string={"limit": "200"})
        assert answer.status_code == 200, (place, answer.json)
        items = answer.json["items"]
        assert items, f"{place} is empty: tests/security/population.py has to make one"
        return str(_preferred(items)["id"])


def _preferred(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Of several, one of Westlands: the other branch must not see it."""
    for each in items:
        if each.get("code") == "WESTLANDS" or each.get("fund_code") == "WESTLANDS":
            return each
    return items[0]


def uuids(text: str) -> set[str]:
    """Every UUID that stands in a text."""
    return set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", text))


def with_ids(body: Any, replacement: str) -> Any:
    """A body whose every id is another one."""
    text = re.sub(
        r'"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"', f'"{replacement}"', json.dumps(body)
    )
    return json.loads(text)
