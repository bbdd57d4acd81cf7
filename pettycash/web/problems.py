"""Where kinds of errors meet HTTP status numbers; every answer that is no success is made here.

The body is RFC 9457 `application/problem+json`; clients branch on its member `code`.
"""

import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, request
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, InternalServerError

from pettycash.runtime import db, errors
from pettycash.services.access import role_assignments
from pettycash.services.foundation import rail_limits
from pettycash.services.ledger import posting
from pettycash.services.payments import standing
from pettycash.services.requisitions import approved_facts

logger = logging.getLogger(__name__)

PROBLEM = "application/problem+json"

STATUS_BY_KIND: Mapping[type[errors.PettycashError], HTTPStatus] = {
    errors.BadRequest: HTTPStatus.BAD_REQUEST,
    errors.NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.NotAllowed: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.StalePrecondition: HTTPStatus.PRECONDITION_FAILED,
    errors.RequestTimeout: HTTPStatus.REQUEST_TIMEOUT,
    errors.PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.RuleViolation: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.PreconditionRequired: HTTPStatus.PRECONDITION_REQUIRED,
    errors.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

CODE_BY_STATUS: Mapping[int, str] = {
    400: errors.BadRequest.code,
    401: errors.NotAuthenticated.code,
    403: errors.NotAllowed.code,
    404: errors.NotFound.code,
    405: "request.method_not_allowed",
    406: "request.not_acceptable",
    408: errors.RequestTimeout.code,
    409: errors.Conflict.code,
    411: "request.length_required",
    412: errors.StalePrecondition.code,
    413: errors.PayloadTooLarge.code,
    415: "request.unsupported_media_type",
    422: errors.RuleViolation.code,
    428: errors.PreconditionRequired.code,
    429: errors.TooManyRequests.code,
    500: errors.PettycashError.code,
    503: errors.Unavailable.code,
}
"""For what Flask, werkzeug and webargs raise themselves."""

MEANING_BY_STATUS: Mapping[int, str] = {
    400: "The request can't be read at all.",
    405: "This path does not support that method; the Allow header lists those that it supports.",
    406: "No answer is available in the media type that you asked for.",
    411: "An upload needs a Content-Length header.",
    415: "The body is of another media type than this operation takes.",
    500: "An internal error occurred. The log holds the details under this `request_id`.",
}
"""Of those codes that stand for a status and have no class of their own."""


class ReadOnly(errors.Unavailable):
    """The database takes no writes at this moment (stand-by, disk full); nothing was changed."""

    code = "platform.read_only"


class _Writes:
    """When this process last saw a write refused for want of room or rights."""

    refused_at = -math.inf


WRITES_REFUSED_SECONDS = 30.0


def takes_writes() -> bool:
    """Whether the database has refused no write of this process lately; reads don't tell."""
    return time.monotonic() - _Writes.refused_at > WRITES_REFUSED_SECONDS


class DatabaseUnavailable(errors.Unavailable):
    """The database can't be reached or is restarting; nothing was changed, unless it was already.

    Send the request again with the same Idempotency-Key.
    """

    code = "platform.database_unavailable"


class TooSlow(errors.Unavailable):
    """The request took longer than the database is allowed to work on one; nothing was changed."""

    code = "platform.too_slow"


class Raced(errors.Conflict):
    """Another request changed the same record at the same moment; try again."""

    code = "request.raced"


class Duplicate(errors.Conflict):
    """Something with the same unique value exists already."""

    code = "request.duplicate"


class UnknownReference(errors.RuleViolation):
    """The request refers to something that does not exist in your company."""

    code = "request.unknown_reference"


class ValueOutOfRange(errors.RuleViolation):
    """A value is outside the range that is allowed."""

    code = "request.value_out_of_range"


class FactsStand(errors.Conflict):
    """This record can't be changed."""

    code = "request.immutable"


class TransitionRefused(errors.Conflict):
    """The current state does not allow this step."""

    code = "request.illegal_transition"


class MoreThanApproved(errors.RuleViolation):
    """The payments of a requisition would exceed what was approved."""

    code = "payment.more_than_approved"


class NotReleased(errors.NotAllowed):
    """The executor has used no code for this payment as it stands, and no policy waives it."""

    code = "release.not_granted"


class NotApproved(errors.Conflict):
    """The requisition, as it now stands, has no approved round."""

    code = "requisition.not_approved"


class SuccessUnproven(errors.Conflict):
    """A payment can be paid only with an entry in the books and a settled attempt."""

    code = "payment.success_unproven"


BY_SQLSTATE: Mapping[str, type[errors.PettycashError]] = {
    "PC001": posting.InsufficientFunds,
    "PC002": FactsStand,
    "PC003": posting.Unbalanced,
    "PC004": errors.KeptApart,
    "PC005": MoreThanApproved,
    "PC006": FactsStand,
    "PC007": TransitionRefused,
    "PC008": posting.WrongAccount,
    "PC009": FactsStand,
    "PC010": posting.PeriodClosed,
    "PC011": posting.HoldNotOpen,
    "PC013": NotReleased,
    "PC014": NotApproved,
    "PC015": SuccessUnproven,
    "PC026": role_assignments.RolesIncompatible,
    "PC028": approved_facts.RedirectNeeded,
    "PC029": approved_facts.RedirectOpen,
    "PC030": rail_limits.AboveCashLimit,
    "PC031": standing.NotCovered,
    "25006": ReadOnly,
    "53100": ReadOnly,
    "57014": TooSlow,
    "40001": Raced,
    "40P01": Raced,
    "55P03": Raced,
    "23505": Duplicate,
    "23P01": Duplicate,
    "23503": UnknownReference,
    "23514": ValueOutOfRange,
    "23502": ValueOutOfRange,
    "22003": ValueOutOfRange,
    "22001": ValueOutOfRange,
    "22008": ValueOutOfRange,
}
"""The last net under the services: what the database refused and they did not foresee."""

UNAVAILABLE_CLASSES = ("08", "53", "57P", "25P")
"""SQLSTATE classes of a database that is down, full, restarting, or has ended our transaction."""


ABOUT = "pettycash.problem"
"""Under this key of a request's WSGI environment stands the code that it was answered with."""


class StoredRefusal(Exception):
    """Carries a refusal past a transaction that must be committed all the same."""

    def __init__(self, refusal: errors.PettycashError) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def status_of(kind: type[errors.PettycashError]) -> HTTPStatus:
    """The status of an error class: that of the first kind among its ancestors."""
    for ancestor in kind.__mro__:
        if ancestor in STATUS_BY_KIND:
            return STATUS_BY_KIND[ancestor]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(
    status: int,
    code: str,
    *,
    title: str = "",
    detail: str = "",
    fields: Mapping[str, Sequence[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Build one problem document."""
    title = title or HTTPStatus(status).phrase
    body: dict[str, Any] = {
        "type": f"urn:pettycash:{code}",
        "title": title,
        "status": status,
        "detail": detail or title,
        "code": code,
        "request_id": db.current_scope().request_id,
    }
    request.environ[ABOUT] = {"code": code}
    if fields:
        body["errors"] = {name: list(messages) for name, messages in fields.items()}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status=status, headers=dict(headers or {}), content_type=PROBLEM)


def from_error(error: errors.PettycashError) -> Response:
    """Render an anticipated error."""
    if error.is_logged:
        logger.warning("refused", extra={"code": error.code, "why": error.detail})
    status = status_of(type(error))
    headers = {}
    if isinstance(error, errors.TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_seconds)
    elif status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.CONFLICT) and isinstance(
        error, errors.Unavailable | Raced
    ):
        headers["Retry-After"] = "1"
    elif status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="pettycash"'
    title = (type(error).__doc__ or type(error).code).strip().splitlines()[0]
    return problem(
        status, error.code, title=title, detail=error.detail, fields=error.errors, headers=headers
    )


def from_http(error: HTTPException) -> Response:
    status = error.code or 500
    # werkzeug's own headers: Allow on 405, Retry-After, WWW-Authenticate.
    headers = {
        name: value
        for name, value in error.get_headers()
        if name.lower() not in ("content-type", "content-length")
    }
    data = getattr(error, "data", None) or {}
    headers.update(data.get("headers") or {})
    if status in (301, 302, 303, 307, 308):
        return Response(status=status, headers=headers)
    fields = flat(data.get("messages") or {})
    detail = "The request does not fit what this operation takes." if fields else ""
    if status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        detail = str(error.description)
    return problem(
        status,
        CODE_BY_STATUS.get(status, f"http.{status}"),
        detail=detail,
        fields=fields,
        headers=headers,
    )


LOCATIONS = ("json", "query", "querystring", "form", "files", "headers", "path")


def flat(messages: Mapping[str, Any]) -> dict[str, list[str]]:
    """marshmallow's nested messages as field → list; a list's item is `lines.0.amount`."""
    flat: dict[str, list[str]] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                known = not prefix and name in LOCATIONS and isinstance(inner, Mapping)
                part = "" if known or name == "_schema" else str(name)
                walk(".".join(each for each in (prefix, part) if each), inner)
        elif isinstance(value, list | tuple):
            flat.setdefault(prefix or "body", []).extend(str(each) for each in value)
        else:
            flat.setdefault(prefix or "body", []).append(str(value))

    walk("", messages)
    return flat


def from_database(error: Exception) -> errors.PettycashError | None:
    """The refusal that a database error means to a caller; None where it is a bug of ours."""
    if isinstance(error, PoolTimeout):
        return DatabaseUnavailable("All connections are in use.")
    state = db.sqlstate(error) or ""
    if state in BY_SQLSTATE:
        kind = BY_SQLSTATE[state]
        if kind is ReadOnly:
            _Writes.refused_at = time.monotonic()
        if state.startswith("PC"):
            # Our own triggers speak in whole sentences and name nothing that must stay inside.
            original = str(getattr(error, "orig", error)).splitlines()[0]
            return kind(original[:1].upper() + original[1:] + ".")
        return kind()
    if state.startswith(UNAVAILABLE_CLASSES):
        return DatabaseUnavailable()
    if not state and (
        isinstance(error, OperationalError)
        or (isinstance(error, DBAPIError) and error.connection_invalidated)
    ):
        return DatabaseUnavailable()
    return None


def _handle_anticipated(error: errors.PettycashError) -> Response:
    return from_error(error)


def answer(error: Exception) -> Response:
    """The problem of any error; of one that nobody foresaw it says nothing of the inside."""
    if isinstance(error, HTTPException):
        original = getattr(error, "original_exception", None)
        if not isinstance(error, InternalServerError) or original is None:
            return from_http(error)
        error = original
    if isinstance(error, StoredRefusal):
        error = error.refusal
    if isinstance(error, errors.PettycashError):
        return from_error(error)
    if isinstance(error, DBAPIError | PoolTimeout):
        meaning = from_database(error)
        if meaning is not None:
            level = logging.WARNING if isinstance(meaning, errors.Unavailable) else logging.INFO
            logger.log(
                level, "the database refused", extra={"sqlstate": db.sqlstate(error)}, exc_info=True
            )
            return from_error(meaning)
    logger.error("an error that nobody foresaw", exc_info=error)
    return problem(
        500, errors.PettycashError.code, detail="Something broke inside. The log knows the rest."
    )


def register(application: Flask) -> None:
    """Make every error leave as a problem."""
    _Writes.refused_at = -math.inf  # of a database that this application may not be on
    application.register_error_handler(errors.PettycashError, _handle_anticipated)
    application.register_error_handler(Exception, answer)
