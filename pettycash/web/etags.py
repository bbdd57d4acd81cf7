"""Versions of things over HTTP: If-Match on PATCH (412, 428), If-None-Match on GET (304)."""

from typing import Any, NamedTuple

from flask import Response, g, request
from werkzeug.datastructures import ETags

from pettycash.runtime import errors
from pettycash.web import headers, refusals

IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "required": True,
    "description": "The ETag of the version that you change.",
    "schema": {"type": "string"},
    "example": '"v1"',
}


class IfMatchMissing(errors.PreconditionRequired):
    """A change needs an If-Match header with the ETag of what you have read."""

    code = "request.if_match_required"


class ChangedMeanwhile(errors.StalePrecondition):
    """This was changed since you read it; read it again."""

    code = "request.stale"


class Tagged(NamedTuple):
    """An answer whose version is more than a number in it."""

    answer: Any
    tag: int | str


class Expected:
    """The version that somebody means to change: of If-Match, or of the form that they sent."""

    def __init__(self, tags: ETags) -> None:
        self.tags = tags
        self.is_checked = False

    @classmethod
    def of(cls, version: int | str) -> "Expected":
        """The version that a page showed."""
        return cls(ETags([f"v{version}"]))

    def check(self, version: int | str) -> None:
        """Compare with the version of the locked row.

        A weak tag counts as the strong one: it is ours, weakened by a proxy that compressed the
        answer.

        Raises:
            ChangedMeanwhile: another version is expected.
        """
        self.is_checked = True
        if not (self.tags.star_tag or self.tags.contains_weak(f"v{version}")):
            raise ChangedMeanwhile


def set_etag(version: int | str) -> None:
    """Give the answer the ETag of this version; a GET that knows it already becomes a 304."""
    g.etag = f"v{version}"


def require_if_match() -> None:
    """Refuse a change that does not say which version it changes.

    Raises:
        IfMatchMissing: no If-Match header.
    """
    if "If-Match" not in request.headers:
        raise IfMatchMissing


def document_change(doc: dict[str, Any]) -> None:
    """Declare what a PATCH asks for, refuses and answers."""
    headers.declare(doc, "ETag")
    doc.setdefault("arguments", {}).setdefault("parameters", []).append(dict(IF_MATCH))
    refusals.at_door(doc, (IfMatchMissing, ChangedMeanwhile))


def apply(response: Response) -> Response:
    """Write the ETag, and answer 304 to a read that names this version in If-None-Match.

    If-Match has been looked at under the row's lock; to a read it says nothing.
    """
    tag = g.get("etag")
    if tag is None or response.status_code >= 300:
        return response
    response.set_etag(tag)
    if request.method in ("GET", "HEAD") and request.if_none_match.contains_weak(tag):
        response.status_code = 304
        response.set_data(b"")
        del response.headers["Content-Type"]
        del response.headers["Content-Length"]
    return response
