"""API3:2023 Broken object property level authorization: no field more in, no secret out."""

import re
from typing import Any

import pytest

from tests.api.client import ApiClient
from tests.security.routes import PERSONA, Route, Samples

pytestmark = pytest.mark.xdist_group("populated")  # its database takes seconds to make

SECRETS = re.compile(
    r'"(?:[a-z_]*(?:password|secret|seed|credential|totp_last|claim_token|code_digest|_digest_hex)'
    r'[a-z_]*)":'
)
"""Names of fields that would carry what nobody may read."""

HARMLESS = frozenset({"credentials_key_id", "must_change_password"})
"""Fields that say which key or whether one, never what."""

EVIDENCE = {
    "payments.assign_executor": {"executor_id"},
    "payments.reconcile": {"provider_reference"},
    "cases.resolve": {"provider_reference", "version"},
    "requisitions.hold": {"held"},
}
"""What a person states in so many words there: whom they name, what the statement says, which
version they have seen."""


def shapes(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The schemas of JSON bodies, by operation."""
    found = {}
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict) and "requestBody" in operation:
                content = operation["requestBody"]["content"].get("application/json")
                if content is not None:
                    name = content["schema"]["$ref"].rpartition("/")[2]
                    found[operation["operationId"]] = document["components"]["schemas"][name]
    return found


def test_every_body_refuses_what_it_does_not_name(populated: ApiClient) -> None:
    bodies = shapes(populated.anonymous.get("/api/openapi.json").json)

    assert len(bodies) > 50
    # Settings are a map by name; its keys are checked one by one (settings.unknown_key).
    loose = {
        name for name, shape in bodies.items() if shape.get("additionalProperties") is not False
    }
    assert loose == {"settings.update"}


def test_no_body_takes_what_only_the_system_knows(populated: ApiClient) -> None:
    ours = {
        "id", "company_id", "status", "created_at", "created_by", "version", "gateway_status",
        "otp_required", "originator_reference", "provider_reference", "executor_id", "maker_id",
        "paid_at", "reconciled", "requester_id", "approved_amount", "balance", "held",
    }  # fmt: skip
    wrong = {}
    for name, shape in shapes(populated.anonymous.get("/api/openapi.json").json).items():
        writable = {
            field
            for field, facts in shape.get("properties", {}).items()
            if not facts.get("readOnly")
        }
        if writable & ours - EVIDENCE.get(name, set()):
            wrong[name] = writable & ours
    assert wrong == {}


def test_no_answer_holds_a_secret(
    populated: ApiClient, served: list[Route], samples: Samples
) -> None:
    tried = 0
    for route in served:
        if route.method != "get":
            continue
        for role in route.roles:
            answer = route.send(populated.as_(PERSONA[role]), samples.of(route))
            text = answer.data.decode("utf-8", errors="replace")
            found = {each.strip('":') for each in SECRETS.findall(text)} - HARMLESS
            assert found == set(), (route.name, role, found)
            assert "$argon2" not in text
            tried += 1
    assert tried > 300
