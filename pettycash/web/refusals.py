"""The refusals of an operation, told by the error classes themselves.

    @operation("variances.approve")
    @idempotent()
    @blp.response(200, VarianceSchema, example=…)
    @refuses(VarianceNotFound, AlreadyDecided, OwnProposal)
    def post(self, …):

Each class brings its status, its code and its sentence, and the OpenAPI document has one problem
per status with exactly these codes. What a decorator refuses, that decorator declares by `at_door`:
a view names only what its services raise. tests/answers.py holds the declarations against every
answer that a test receives, tests/api/test_refusals.py against what the code can raise.
"""

import re
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, TypeVar

from apispec import APISpec
from werkzeug.exceptions import HTTPException

from pettycash.runtime.errors import PettycashError
from pettycash.web import headers
from pettycash.web.problems import (
    CODE_BY_STATUS,
    MEANING_BY_STATUS,
    PROBLEM,
    STATUS_BY_KIND,
    status_of,
)

V = TypeVar("V", bound=Callable[..., Any])
Refusal = type[PettycashError] | type[HTTPException]

WORDS = {int(status): kind.__name__ for kind, status in STATUS_BY_KIND.items()} | {
    411: "LengthRequired",
    415: "UnsupportedMediaType",
    500: "InternalError",
}
"""How the problems of a status are called in the document."""

AT_DOOR = "refused_at_door"
BY_VIEW = "refused_by_view"


def refuses(*kinds: type[PettycashError]) -> Callable[[V], V]:
    """Declare what a view's services refuse; stands anywhere among its decorators."""

    def decorator(view: V) -> V:
        doc = deepcopy(getattr(view, "_apidoc", {}))
        doc.setdefault(BY_VIEW, []).extend(kinds)
        view._apidoc = doc  # type: ignore[attr-defined]
        return view

    return decorator


def at_door(doc: dict[str, Any], kinds: Iterable[Refusal]) -> None:
    """Declare, for a decorator, what it refuses by itself in every view that it stands on."""
    doc.setdefault(AT_DOOR, []).extend(kinds)


def document(doc: dict[str, Any], info: dict[str, Any], spec: APISpec) -> None:
    """Write what was declared into the responses of an operation."""
    by_status: dict[int, dict[str, str]] = {}
    own = {told(kind)[0] for kind in info.get(BY_VIEW, ())}
    for kind in [*info.get(BY_VIEW, ()), *info.get(AT_DOOR, ())]:
        status, code, sentence = told(kind)
        by_status.setdefault(status, {}).setdefault(code, sentence)
    for status, sentences in sorted(by_status.items()):
        codes = dict(sorted(sentences.items()))
        if status in own:
            name = _camel(info["manual_doc"]["operationId"]) + WORDS[status]
        else:
            name = _shared_name(status, codes)
        problem = _problem(status, codes, name, spec)
        if status in own:  # what the view refuses may be kept for a key, what the door does never
            problem["headers"] |= headers.kept(info)
        standing = doc["responses"].get(status)
        if isinstance(standing, dict):  # an answer of another shape has this status too
            problem["description"] = f"{standing['description']}\n\n{problem['description']}"
            problem["content"] |= standing["content"]
            doc["responses"][status] = problem
        else:
            if name not in spec.components.responses:
                spec.components.response(name, problem)
            doc["responses"][status] = name


def told(kind: Refusal) -> tuple[int, str, str]:
    """Status, code and sentence of a refusal."""
    if issubclass(kind, PettycashError):
        return int(status_of(kind)), kind.code, " ".join((kind.__doc__ or "").split())
    status = kind.code or 500
    return status, CODE_BY_STATUS[status], MEANING_BY_STATUS[status]


def _problem(status: int, codes: dict[str, str], name: str, spec: APISpec) -> dict[str, Any]:
    if name not in spec.components.schemas:
        only = {"type": "object", "properties": {"code": {"type": "string", "enum": list(codes)}}}
        problem = {"$ref": "#/components/schemas/Problem"}
        spec.components.schema(name, {"allOf": [problem, only]})
    return {
        "description": "\n".join(f"- `{code}`: {text}" for code, text in codes.items()),
        "headers": headers.of_refusal(status),
        "content": {PROBLEM: {"schema": {"$ref": f"#/components/schemas/{name}"}}},
    }


def _shared_name(status: int, codes: dict[str, str]) -> str:
    """The name of a problem that many operations have in common, since a decorator refuses so."""
    if len(codes) == 1:
        return _camel(*codes)
    return WORDS[status] + "".join(_camel(code.partition(".")[2]) for code in codes)


def _camel(words: str) -> str:
    return "".join(word.capitalize() for word in re.split(r"[._]", words))
