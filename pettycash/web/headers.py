"""The headers of answers, each described once in the OpenAPI document."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, TypeVar

V = TypeVar("V", bound=Callable[..., Any])

REPLAYED = "Idempotency-Replayed"

COMPONENTS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "Names the request in our logs; yours, if you sent one of 8 to 64 letters,"
        " digits, `.`, `_` or `-`.",
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "Path of what was made.",
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "The version, for `If-Match` of a change and `If-None-Match` of a read.",
        "schema": {"type": "string"},
    },
    REPLAYED: {
        "description": "`true` where this is the kept answer of an earlier request with this key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {
        "description": "Seconds to wait before the next try.",
        "schema": {"type": "integer"},
    },
    "WWW-Authenticate": {
        "description": "How to sign in: with a Bearer token.",
        "schema": {"type": "string"},
    },
}


IF_NONE_MATCH: dict[str, Any] = {
    "in": "header",
    "name": "If-None-Match",
    "required": False,
    "description": "The ETag of the version that you know: 304 while it is the current one.",
    "schema": {"type": "string"},
    "example": '"v1"',
}

SENT = "headers_sent"


def sends(*names: str) -> Callable[[V], V]:
    """Declare headers of a view's success; stands anywhere among its decorators."""

    def decorator(view: V) -> V:
        doc = deepcopy(getattr(view, "_apidoc", {}))
        declare(doc, *names)
        view._apidoc = doc  # type: ignore[attr-defined]
        return view

    return decorator


def declare(doc: dict[str, Any], *names: str) -> None:
    """Declare, for a decorator, headers of the views that it stands on."""
    doc.setdefault(SENT, []).extend(names)


def document(doc: dict[str, Any], info: dict[str, Any], method: str) -> None:
    """Write what was declared into the answers of an operation; refusals bring their own."""
    sent = info.get(SENT, [])
    responses = doc["responses"]
    if "ETag" in sent and method == "get":
        doc.setdefault("parameters", []).append(IF_NONE_MATCH)
        responses[304] = {"description": "You know the current version."}
    for response in responses.values():
        if isinstance(response, dict):
            response["headers"] = described(*sent)


def kept(info: dict[str, Any]) -> dict[str, Any]:
    """The answer of a refusal, where it may be the kept one of a key."""
    return described(REPLAYED) if REPLAYED in info.get(SENT, ()) else {}


def described(*names: str) -> dict[str, Any]:
    """References to descriptions, as the `headers` of a response."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


def of_refusal(status: int) -> dict[str, Any]:
    """The headers of a problem."""
    return described(
        *(["WWW-Authenticate"] if status == 401 else []),
        *(["Retry-After"] if status in (409, 429, 503) else []),
    )
