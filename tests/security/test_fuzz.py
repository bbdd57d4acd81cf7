"""Schemathesis against the application in process: whatever is sent, nothing answers 500.

Each operation gets generated requests, valid and broken ones, half of them at live objects, as
somebody who may call it. PETTYCASH_FUZZ_EXAMPLES says how many per operation (default 4, which
takes about a minute); `bin/pettycash test` runs the short version.
"""

import os
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pettycash.models.access import Role
from pettycash.runtime import db
from pettycash.services.operations import heartbeats
from tests.api.client import ApiClient
from tests.security.population import populate
from tests.security.routes import PERSONA, SELF_SERVICE, Route, Samples, routes

EXAMPLES = int(os.environ.get("PETTYCASH_FUZZ_EXAMPLES", "4"))

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]

WOULD_END_THE_RUN = frozenset({"pauses.pause", "companies.update"})
"""After a pause everything is a 503; the rest of the run would prove nothing."""

WIDEST_FIRST = [
    Role.TREASURY,
    Role.CFO,
    Role.GROUP_FINANCE_MANAGER,
    *(r for r in Role if r not in (Role.TREASURY, Role.CFO, Role.GROUP_FINANCE_MANAGER)),
]
"""Those who see most come first, so that the live objects are found."""

FILES = ("attachments.get", "case_evidence.get")
"""They answer with the type that was found in the file."""


@pytest.mark.fuzz
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_answers_500(api: ApiClient) -> None:
    chosen = populate(api)
    with db.system_transaction() as session:
        for name in heartbeats.BOUNDS_SECONDS:  # else readiness is a 503, and rightly so
            heartbeats.beat(session, name=name, now=session.info["now"] + timedelta(hours=1))
    document = api.anonymous.get("/api/openapi.json").json
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", api.application)
    known = {route.name: route for route in routes(document)}
    samples = Samples(api, list(known.values()), chosen)
    ids = {route.name: samples.of(route) for route in known.values()}
    failures: list[str] = []
    answered: set[str] = set()

    for result in schema.get_all_operations():
        operation: Any = result.ok()
        name = operation.definition.raw["operationId"]
        if name in WOULD_END_THE_RUN:
            continue
        try:
            _try(api, operation, known.get(name), ids.get(name, {}), answered)
        except (Exception, FailureGroup) as error:  # noqa: BLE001 - first try all, then judge
            failures.append(f"{name}: {_said(error)}"[:1500])

    assert failures == []
    assert len(answered) > 130


def _try(
    api: ApiClient, operation: Any, route: Route | None, ids: dict[str, str], answered: set[str]
) -> None:
    @seed(20261121)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), live=st.booleans())
    def run(case: Any, live: bool) -> None:
        if live and ids:
            case.path_parameters = dict(ids)
        response = case.call(headers=_headers(api, route, case, live))
        # A file comes back as the type that it is.
        excluded = [content_type_conformance] if route and route.name in FILES else []
        case.validate_response(response, checks=CHECKS, excluded_checks=excluded)
        answered.add(operation.label)

    run()


def _said(error: BaseException) -> str:
    inner = getattr(error, "exceptions", ())
    return " / ".join(_said(each) for each in inner) if inner else f"{error!r} {error}"


def _headers(api: ApiClient, route: Route | None, case: Any, live: bool) -> dict[str, str]:
    headers = {name: str(value) for name, value in (case.headers or {}).items()}
    if route is None:
        return headers
    if live:  # past the door, so that services are reached
        headers |= {"Idempotency-Key": str(uuid4()), "If-Match": "*"}
    role = min(route.roles, key=WIDEST_FIRST.index)
    if route.name in SELF_SERVICE or route.name.startswith("sessions."):
        token = api.sign_in("fpa").token  # whose sessions may end without harm
    else:
        token = api.as_(PERSONA[role]).token
    return headers | {"Authorization": f"Bearer {token}"}
