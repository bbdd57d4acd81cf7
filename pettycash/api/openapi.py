"""The OpenAPI document: names of its parts, shapes of its answers, problems for its errors."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import flask_smorest
import marshmallow as ma
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Flask, Response
from flask_smorest.utils import prepare_response
from werkzeug.exceptions import HTTPException

from pettycash.web import headers
from pettycash.web.problems import PROBLEM, from_http
from pettycash.web.schemas.fields import SOMETIMES, Choice


class ProblemSchema(ma.Schema):
    """A problem (RFC 9457)."""

    class Meta:
        unknown = ma.EXCLUDE  # a problem may have further members

    type = ma.fields.String(required=True, metadata={"example": "urn:pettycash:request.invalid"})
    title = ma.fields.String(required=True)
    status = ma.fields.Integer(required=True)
    detail = ma.fields.String(required=True)
    code = ma.fields.String(
        required=True, metadata={"description": "The stable code to branch on: docs/errors.md."}
    )
    errors = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.List(ma.fields.String()),
        metadata={"description": "Field → what is wrong with it."},
    )
    request_id = ma.fields.String(required=True)


def name_of(schema: type[ma.Schema] | ma.Schema) -> str:
    """The name of a schema in the OpenAPI document; a variant is named by what differs."""
    kind = schema if isinstance(schema, type) else type(schema)
    name = kind.__name__.removesuffix("Schema")
    if isinstance(schema, type):
        return name
    plain = kind()
    if schema.partial:
        name += "Partial"
    for modifier, word in (("only", "With"), ("exclude", "Without")):
        wanted = set(getattr(schema, modifier) or ())
        if wanted and wanted != set(getattr(plain, modifier) or ()):
            name += word + "".join(each.title().replace("_", "") for each in sorted(wanted))
    return name


class _Converter(OpenAPIConverter):
    """apispec's, for which an answer has all its fields, and an enum a name."""

    def __init__(self, *rest: Any, **options: Any) -> None:
        super().__init__(*rest, **options)
        self.answers: set[type[ma.Schema]] = set()

    def schema2jsonschema(self, schema: ma.Schema) -> dict[str, Any]:
        """An answer has all its fields, with a value or null, but for those of `SOMETIMES`.

        A later version may add fields to it, so it does not say that there are no others.
        """
        shape: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        if type(schema) in self.answers:
            shape["required"] = sorted(
                field.data_key or name
                for name, field in schema.fields.items()
                if not (field.load_only or field.metadata.get(SOMETIMES))
            )
            del shape["additionalProperties"]
        return shape

    def enum2properties(self, field: ma.fields.Field[Any], **context: Any) -> dict[str, Any]:
        """A reference to the component of the enum's name."""
        if not isinstance(field, Choice):
            return {}
        name = field.enum.__name__
        if name not in self.spec.components.schemas:
            words = [each.value for each in field.enum]
            self.spec.components.schema(name, {"type": "string", "enum": words})
        context["ret"].pop("type", None)
        return {"$ref": f"#/components/schemas/{name}"}


class _Plugin(MarshmallowPlugin):
    Converter = _Converter


class Api(flask_smorest.Api):  # type: ignore[misc] # flask-smorest is untyped
    """flask-smorest whose errors are problems."""

    ERROR_SCHEMA = ProblemSchema

    def __init__(self, application: Flask) -> None:
        plugin = _Plugin(schema_name_resolver=name_of)
        super().__init__(application, spec_kwargs={"marshmallow_plugin": plugin})
        assert isinstance(plugin.converter, _Converter)
        self.converter = plugin.converter

    def register_blueprint(self, blueprint: flask_smorest.Blueprint, **options: Any) -> None:
        """As flask-smorest's; which shapes are answers is known before the first is written."""
        for endpoint in blueprint._docs.values():
            for info in endpoint.values():
                for each in (info or {}).get("response", {}).get("responses", {}).values():
                    for response in each:
                        self.converter.answers.update(_shapes(response.get("schema")))
        super().register_blueprint(blueprint, **options)

    def _register_responses(self) -> None:
        for status in HTTPStatus:
            response: dict[str, Any] = {"description": status.phrase}
            media_type = self.DEFAULT_RESPONSE_CONTENT_TYPE
            if status >= HTTPStatus.BAD_REQUEST:
                response["schema"] = self.ERROR_SCHEMA
                media_type = PROBLEM
            prepare_response(response, self.spec, media_type)
            self.spec.components.response(status.name, response, lazy=True)
        default: dict[str, Any] = {"description": "A problem.", "schema": self.ERROR_SCHEMA}
        prepare_response(default, self.spec, PROBLEM)
        self.spec.components.response("DEFAULT_ERROR", default, lazy=True)
        for name, component in headers.COMPONENTS.items():
            self.spec.components.header(name, component)

    def handle_http_exception(self, error: HTTPException) -> Response:
        """Render what Flask, werkzeug and webargs raise."""
        return from_http(error)


def _shapes(part: Any) -> Iterator[type[ma.Schema]]:
    """The class of a schema or field, and of all that are nested in it."""
    if isinstance(part, ma.Schema):
        yield type(part)
        for field in part.fields.values():
            yield from _shapes(field)
    elif isinstance(part, ma.fields.Nested):
        yield from _shapes(part.schema)
    elif isinstance(part, ma.fields.List):
        yield from _shapes(part.inner)
    elif isinstance(part, ma.fields.Dict):
        yield from _shapes(part.value_field)
