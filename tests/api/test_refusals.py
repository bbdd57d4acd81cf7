"""What the OpenAPI document says that an operation refuses, held against the code.

tests/answers.py is the other half: it holds every answer that a test receives against the document.
"""

import re
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from pettycash import api
from pettycash.api.blueprints import Blueprint
from pettycash.services.foundation.visibility import RequisitionNotFound
from pettycash.web import refusals
from pettycash.web.admission import operation, operation_of
from pettycash.web.door import RoleMissing
from pettycash.web.headers import REPLAYED, SENT, sends
from pettycash.web.idempotency import KeyMissing, idempotent
from pettycash.web.problems import BY_SQLSTATE
from pettycash.web.schemas.fields import Schema
from tests.api import reachable
from tests.api.client import ApiClient, rules

Views = dict[str, Callable[..., Any]]

NOT_MET = {
    # It becomes the answer of a path that does not exist.
    "callbacks.receive": {"NoSuchCallback"},
}
"""What functions raise that a view calls, and no client is told."""


@pytest.fixture
def views(common: ApiClient) -> Views:
    """The documented views, by the names of their operations."""
    application: Flask = common.application
    found: Views = {}
    for rule in rules(application):
        if rule.endpoint.startswith(("docs.", "probe.")):
            continue
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            described = operation_of(application, rule.endpoint, method)
            assert described is not None
            function: Any = application.view_functions[rule.endpoint]
            found[described.name] = getattr(function.view_class, method.lower())
    return found


def declared(view: Any, key: str) -> list[refusals.Refusal]:
    kinds: list[refusals.Refusal] = view._apidoc.get(key, [])
    return kinds


def test_what_a_view_declares_can_be_raised(views: Views) -> None:
    """A class that nothing raises any more, or never did here, is a promise to nobody."""
    by_database = frozenset(BY_SQLSTATE.values())
    wrong = [
        f"{name}: {each.__name__}"
        for name, view in views.items()
        for each in set(declared(view, refusals.BY_VIEW)) - by_database - reachable.reachable(view)
    ]
    assert wrong == []


def test_what_the_services_of_a_view_say_they_raise_is_declared(views: Views) -> None:
    """Of the functions that a view itself calls, whatever stands under `Raises:`."""
    missing = []
    for name, view in views.items():
        kinds = [*declared(view, refusals.BY_VIEW), *declared(view, refusals.AT_DOOR)]
        known = {refusals.told(each) for each in kinds}
        missing += [
            f"{name}: {each.__name__} of {function.__module__}.{function.__name__}"
            for function in reachable.called(view)
            for each in reachable.said(function)
            if refusals.told(each) not in known and each.__name__ not in NOT_MET.get(name, set())
        ]
    assert missing == []


def test_a_refusal_is_declared_once_and_the_doors_by_the_door(views: Views) -> None:
    wrong = []
    for name, view in views.items():
        by_view = [refusals.told(each)[:2] for each in declared(view, refusals.BY_VIEW)]
        at_door = {refusals.told(each)[:2] for each in declared(view, refusals.AT_DOOR)}
        twice = {each for each in by_view if by_view.count(each) > 1}
        wrong += [f"{name}: {code}" for _, code in twice | (at_door & set(by_view))]
    assert wrong == []


def test_refuses_stands_anywhere_among_the_decorators() -> None:
    blp = Blueprint("orders", __name__)
    for order in permutations(
        [
            refusals.refuses(RequisitionNotFound),
            sends("ETag"),
            idempotent(required=True),
            blp.arguments(Schema),
            blp.response(200, Schema),
        ]
    ):
        view: Any = lambda: None  # noqa: E731 - a new function for each order
        for decorate in order:
            view = decorate(view)
        view = operation("requisitions.submit")(view)
        assert declared(view, refusals.BY_VIEW) == [RequisitionNotFound]
        assert {KeyMissing, RoleMissing} <= set(declared(view, refusals.AT_DOOR))
        assert {"ETag", REPLAYED} <= set(view._apidoc[SENT])


def test_refusals_are_declared_as_classes_alone() -> None:
    """`alt_response` with a text reaches no client: the problem's schema would be lost."""
    for path in Path(next(iter(api.__path__))).rglob("*.py"):
        assert "alt_response" not in path.read_text(), path
        for status in re.findall(r"blp\.response\(\s*(\d+)", path.read_text()):
            assert int(status) < 400 or path.name == "health.py", path


def test_a_problem_has_the_schema_and_exactly_its_codes(common: ApiClient) -> None:
    document = common.anonymous.get("/api/openapi.json").json
    for name, status, response in _refused(document):
        for code in _codes(document, response):
            assert f"- `{code}`: " in response["description"], (name, status, code)


def test_an_approval_tells_a_client_what_it_may_meet(common: ApiClient) -> None:
    document = common.anonymous.get("/api/openapi.json").json
    found = {
        (status, code)
        for name, status, response in _refused(document)
        if name == "requisitions.approve"
        for code in _codes(document, response)
    }
    assert {
        ("400", "idempotency.key_malformed"),
        ("400", "request.broken_json"),
        ("401", "auth.session_ended"),
        ("403", "auth.forbidden"),
        ("403", "approval.role_lost"),
        ("404", "requisition.not_found"),
        ("409", "approval.stale_digest"),
        ("409", "idempotency.key_at_work"),
        ("413", "request.too_large"),
        ("415", "request.unsupported_media_type"),
        ("422", "approval.urgency_unanswered"),
        ("422", "idempotency.key_reused"),
        ("422", "request.invalid"),
        ("429", "request.too_many_writes"),
        ("503", "platform.database_unavailable"),
    } <= found


def test_a_shape_is_taken_or_answered_and_never_both(common: ApiClient) -> None:
    """What answers always have, requests may leave out: so one shape can't say both."""
    document = common.anonymous.get("/api/openapi.json").json
    taken, answered = set[str](), set[str]()
    for _, served in _operations(document):
        taken |= _shapes(document, served.get("requestBody", {}))
        answered |= _shapes(document, served["responses"])
    both = {each for each in taken & answered if "enum" not in _schemas(document)[each]}
    assert both == set()


def test_words_of_an_enum_stand_in_one_component(common: ApiClient) -> None:
    document = common.anonymous.get("/api/openapi.json").json
    named = {tuple(each["enum"]) for each in _schemas(document).values() if "enum" in each}
    assert len(named) > 30
    inline = [each for each in _enums(document["paths"]) if tuple(each) in named]
    inline += [
        each
        for schema in _schemas(document).values()
        for each in _enums(schema.get("properties", {}))
        if tuple(each) in named
    ]
    assert inline == []


def test_keys_and_people_are_plain_headers(common: ApiClient) -> None:
    document = common.anonymous.get("/api/openapi.json").json
    seen = set()
    for _, served in _operations(document):
        for each in served.get("parameters", []):
            if each["in"] == "header":
                seen.add(each["name"])
                assert each["schema"] == {"type": "string"}
    assert seen == {"Idempotency-Key", "If-Match", "If-None-Match", "On-Behalf-Of"}


def _operations(document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in document["paths"].values():
        for method in ("get", "post", "patch", "delete"):
            if method in item:
                yield item[method]["operationId"], item[method]


def _refused(document: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(operation, status, response) of every declared problem; the readiness has its own 503."""
    for name, served in _operations(document):
        for status, response in served["responses"].items():
            if status >= "400" and status != "default":
                shared = str(response.get("$ref", "")).rpartition("/")[2]
                yield name, status, document["components"]["responses"].get(shared, response)


def _codes(document: Any, response: dict[str, Any]) -> list[str]:
    schema = response["content"]["application/problem+json"]["schema"]["$ref"].rpartition("/")[2]
    plain, only = _schemas(document)[schema]["allOf"]
    assert plain == {"$ref": "#/components/schemas/Problem"}, schema
    codes: list[str] = only["properties"]["code"]["enum"]
    return codes


def _schemas(document: Any) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"]
    return found


def _shapes(document: Any, part: Any) -> set[str]:
    """The names of all schemas that a part refers to, directly or not."""
    found = set[str]()
    waiting = [part]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            name = str(each.get("$ref", "")).rpartition("schemas/")[2]
            if name in _schemas(document) and name not in found:
                found.add(name)
                waiting.append(_schemas(document)[name])
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
    return found


def _enums(part: Any) -> Iterator[list[str]]:
    if isinstance(part, dict):
        if isinstance(part.get("enum"), list):
            yield part["enum"]
        for each in part.values():
            yield from _enums(each)
    elif isinstance(part, list):
        for each in part:
            yield from _enums(each)
