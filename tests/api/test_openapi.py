"""The OpenAPI document: valid, complete, with examples that fit their schemas."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from pettycash.services.foundation import permissions
from pettycash.web.admission import operation_of
from tests.api.client import ApiClient, rules

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture
def document(common: ApiClient) -> dict[str, Any]:
    answer = common.anonymous.get("/api/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of everything documented."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The media types of body and success answers."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        if media_type == "application/json":
            yield "body", content
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            for content in response.get("content", {}).values():
                yield status, content


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    errors = list(OpenAPIV31SpecValidator(document).iter_errors())
    assert [error.message for error in errors] == []


def test_every_operation_has_one_name_of_the_permission_table(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(names) == len(set(names))
    assert set(names) <= set(permissions.PERMISSIONS) | permissions.PUBLIC


def test_every_row_of_the_permission_table_is_served(document: dict[str, Any]) -> None:
    served = {operation["operationId"] for _, _, operation in operations(document)}

    assert set(permissions.PERMISSIONS) - served == set()
    assert permissions.PUBLIC - served == {
        "docs.ui",
        "docs.openapi",
        "console.asset",
        "console.sign_in",
    }


def test_every_route_of_the_application_is_documented(
    common: ApiClient, document: dict[str, Any]
) -> None:
    application: Flask = common.application
    documented = {operation["operationId"] for _, _, operation in operations(document)}
    for rule in rules(application):
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            found = operation_of(application, rule.endpoint, method)
            assert found is not None, rule.rule
            assert found.name in documented | {"docs.ui", "docs.openapi"}, rule.rule


def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        assert len(operation.get("summary", "")) > 10, f"{method} {path}"
        assert operation["tags"], f"{method} {path}"


def test_every_operation_has_examples(document: dict[str, Any]) -> None:
    without = [
        f"{method} {path}: {where}"
        for method, path, operation in operations(document)
        for where, content in contents(operation)
        if not {"example", "examples"} & set(content)
        and content.get("schema", {}).get("format") != "binary"
    ]
    assert without == []


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    resource = Resource.from_contents(document, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:api", resource)
    wrong = []
    for method, path, operation in operations(document):
        for where, content in contents(operation):
            if "schema" not in content:
                continue
            examples = [content["example"]] if "example" in content else []
            examples += [each["value"] for each in content.get("examples", {}).values()]
            schema = _absolute(content["schema"])
            validator = Draft202012Validator(schema, registry=registry)
            for example in examples:
                wrong += [
                    f"{method} {path} {where}: {error.json_path} {error.message[:120]}"
                    for error in validator.iter_errors(example)
                ]
    assert wrong == []


def _absolute(schema: Any) -> Any:
    """References that lead into the document, wherever the schema was cut out of it."""
    if isinstance(schema, dict):
        return {
            name: "urn:api" + value if name == "$ref" else _absolute(value)
            for name, value in schema.items()
        }
    return [_absolute(each) for each in schema] if isinstance(schema, list) else schema


def test_refusals_are_documented_as_problems(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        responses = operation["responses"]
        where = f"{method} {path}"
        assert "default" in responses, where
        if operation.get("security") != []:
            assert {"401", "403"} <= set(responses), where
        if method == "patch":
            assert {"412", "428"} <= set(responses), where
    for name, response in document["components"]["responses"].items():
        assert set(response["content"]) == {"application/problem+json"}, name


def test_money_is_never_documented_as_a_number(document: dict[str, Any]) -> None:
    wrong = []
    for name, schema in document["components"]["schemas"].items():
        for field, shape in schema.get("properties", {}).items():
            about_money = field == "amount" or field.endswith(("_amount", "_balance", "_fee"))
            if about_money and "number" in str(shape.get("type")):
                wrong.append(f"{name}.{field}")
    assert wrong == []


def test_financial_documents_are_never_put_or_deleted(document: dict[str, Any]) -> None:
    allowed = {"sessions.revoke", "api_keys.revoke"}
    found = {
        operation["operationId"]
        for method, _, operation in operations(document)
        if method in ("put", "delete")
    }
    assert found <= allowed


def test_every_post_takes_an_idempotency_key(document: dict[str, Any]) -> None:
    """Signing in needs none, and a rail that calls back is known by what it says."""
    without = {
        operation["operationId"]
        for method, _, operation in operations(document)
        if method == "post"
        and "Idempotency-Key" not in {each["name"] for each in operation.get("parameters", [])}
    }

    assert {name for name in without if not name.startswith("auth.")} == {"callbacks.receive"}
