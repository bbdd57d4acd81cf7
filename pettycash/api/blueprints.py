"""Blueprints that read requests strictly, and document what their views declare."""

import re
from typing import Any
from uuid import UUID

import flask_smorest
import marshmallow as ma
from apispec import APISpec
from flask import Request
from webargs import core
from webargs.flaskparser import FlaskParser
from werkzeug.datastructures import MultiDict
from werkzeug.routing import BaseConverter

from pettycash.runtime import errors
from pettycash.services.foundation.listings import CursorInvalid
from pettycash.web import headers, refusals
from pettycash.web.reading import UnreadableText, given_twice, parse_json
from pettycash.web.schemas.fields import ListQuery, taken


def _parts(req: Request) -> MultiDict[str, Any]:
    """Files and fields of a multipart form."""
    return MultiDict([*req.files.items(multi=True), *req.form.items(multi=True)])


class StrictParser(FlaskParser):
    """webargs with our JSON, and nothing ignored: unknown names are refused everywhere."""

    DEFAULT_UNKNOWN_BY_LOCATION = {  # noqa: RUF012 - webargs declares it so
        "json": None,
        "form": ma.RAISE,
        "json_or_form": ma.RAISE,
        "querystring": ma.RAISE,
        "query": ma.RAISE,
        "headers": ma.EXCLUDE,
        "cookies": ma.EXCLUDE,
        "files": ma.RAISE,
        "view_args": ma.RAISE,
        "path": ma.RAISE,
    }

    def _raw_load_json(self, req: Request) -> Any:
        raw = req.get_data(cache=True)
        return parse_json(raw) if raw else core.missing

    def load_files(self, req: Request, schema: ma.Schema) -> Any:
        """Read the parts of a form, those without a file too, so that none goes unseen."""
        return self._makeproxy(_parts(req), schema)

    def pre_load(
        self, location_data: Any, *, schema: ma.Schema, req: Request, location: str
    ) -> Any:
        """Refuse NUL in what came by query or form, and what stands twice where one is taken.

        JSON was looked at when it was parsed.
        """
        sources: dict[str, MultiDict[str, Any]] = {
            "query": req.args,
            "querystring": req.args,
            "form": req.form,
            "files": _parts(req),
        }
        if location not in sources:
            return location_data
        source = sources[location]
        for name, values in source.lists():
            if "\0" in name or any("\0" in value for value in values if isinstance(value, str)):
                raise UnreadableText
        several = {
            field.data_key or name
            for name, field in schema.fields.items()
            if isinstance(field, ma.fields.List)
        }
        twice = [name for name, values in source.lists() if len(values) > 1 and name not in several]
        if twice:
            raise given_twice(*twice)
        return location_data


class KeyConverter(BaseConverter):
    """An object in a path: its id, or the number that people see (`PAY-2026-000123`)."""

    UUIDS = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
    NUMBERS = r"[A-Za-z]{3}-[0-9]{4}-[0-9]{1,12}"
    regex = f"(?:{UUIDS}|{NUMBERS})"

    def to_python(self, value: str) -> UUID | str:
        """The id, or the number in capitals."""
        return UUID(value) if re.fullmatch(self.UUIDS, value) else value.upper()

    @staticmethod
    def schema(_converter: BaseConverter) -> dict[str, Any]:
        """The parameter in the OpenAPI document."""
        return {
            "type": "string",
            "pattern": f"^{KeyConverter.regex}$",
            "description": "Its id or its number.",
        }


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc] # flask-smorest is untyped
    """The one kind of blueprint that `pettycash.app` registers."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(self, *names: str, **options: Any) -> None:
        super().__init__(*names, **options)
        self._prepare_doc_cbks.append(_finish)

    def add_url_rule(self, rule: str, *rest: Any, **options: Any) -> None:
        """As flask-smorest's; a path that names a thing may name one that does not exist."""
        super().add_url_rule(rule, *rest, **options)
        if "<" in rule:
            for method, info in self._docs[self._endpoints[-1]].items():
                if method != "parameters":
                    refusals.at_door(info, (errors.NotFound,))

    def arguments(self, schema: Any, **options: Any) -> Any:
        """As flask-smorest's, with the schema made here once instead of for every request."""
        is_class = isinstance(schema, type) and issubclass(schema, ma.Schema)
        made = taken(schema)() if is_class else schema
        inner = super().arguments(made, **options)

        def decorator(view: Any) -> Any:
            taking = inner(view)
            if isinstance(made, ListQuery):
                refusals.at_door(taking._apidoc, (CursorInvalid,))
            return taking

        return decorator


def _finish(
    doc: dict[str, Any], info: dict[str, Any], *, method: str, spec: APISpec, **_context: Any
) -> dict[str, Any]:
    """Add refusals and headers to the document of an operation, last of all."""
    headers.document(doc, info, method)
    refusals.document(doc, info, spec)
    return doc
