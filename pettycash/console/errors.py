"""Refusals as pages: the same status and code as the API's, in a sentence."""

import json
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, g, make_response, render_template, request
from flask_limiter import RateLimitExceeded
from werkzeug.exceptions import HTTPException

from pettycash.runtime import errors
from pettycash.web import limits, problems

TITLES = {
    401: "Sign in first",
    403: "Not for you",
    404: "Not found",
    405: "Not found",
    409: "Not possible now",
    412: "Changed meanwhile",
    413: "Too large",
    422: "Not accepted",
    429: "Too often",
    500: "Something broke",
    503: "Not available now",
}

NOT_FOUND = (
    "There is no such page, or nothing of this number within your scope. It may lie with another"
    " branch."
)


def status(refusal: errors.PettycashError) -> int:
    """The status that a refusal has over HTTP."""
    return int(problems.status_of(type(refusal)))


def problem_of(error: Exception) -> tuple[Response, dict[str, Any]]:
    """The API's answer to an error, and its document."""
    answer = limits.refuse() if isinstance(error, RateLimitExceeded) else problems.answer(error)
    return answer, document(answer)


def document(answer: Response) -> dict[str, Any]:
    """The document of a problem."""
    found: dict[str, Any] = json.loads(answer.get_data(as_text=True) or "{}")
    return found


def page(code: int, name: str, detail: str, *, headers: dict[str, str] | None = None) -> Response:
    """A refusal as a page of its own."""
    g.setdefault("zone", ZoneInfo("UTC"))
    request.environ[problems.ABOUT] = {"code": name}
    body = render_template(
        "refusal.html",
        status=code,
        code=name,
        title=TITLES.get(code, "Not possible"),
        detail=detail,
    )
    return make_response(body, code, headers or {})


def of(error: Exception) -> Response:
    """Any error as a page."""
    answer, told = problem_of(error)
    if isinstance(error, HTTPException) and answer.status_code in (301, 302, 303, 307, 308):
        return answer
    detail = NOT_FOUND if answer.status_code in (404, 405) else told.get("detail", "")
    kept = {
        name: answer.headers[name] for name in ("Retry-After", "Allow") if name in answer.headers
    }
    return page(answer.status_code, told.get("code", "internal.error"), detail, headers=kept)
