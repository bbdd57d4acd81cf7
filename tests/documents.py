"""Documents that are made from the program: `python -m tests.documents` rewrites docs/errors.md."""

import importlib
import pkgutil
from pathlib import Path

import pettycash
from pettycash import errors
from pettycash.api.errors import CODE_BY_STATUS, status_of

ROOT = Path(__file__).parent.parent
ERRORS = ROOT / "docs" / "errors.md"

HEAD = """\
# Errors

Every refusal is an `application/problem+json` document (RFC 9457) with the members `type`, `title`,
`status`, `detail`, `code`, `request_id` and, where fields are at fault, `errors` (field → list of
messages). Branch on `code`: it never changes its meaning; the sentences may.

A 503 and a 429 carry `Retry-After`. A request that moves money is safe to send again with the same
`Idempotency-Key`, whatever became of the first.

Made from the error classes by `python -m tests.documents`; `tests/api/test_documents.py` compares.
"""

BY_HTTP = {
    400: "The request can't be read at all.",
    405: "This path does not support that method; the Allow header lists those that it supports.",
    406: "No answer is available in the media type that you asked for.",
    411: "An upload needs a Content-Length header.",
    415: "The body is of another media type than this operation takes.",
    500: "An internal error occurred. The log holds the details under this `request_id`.",
}
"""Meanings of the codes that stand for a status and have no class of their own."""


def load_everything() -> None:
    """Import every module, so that every error class is known."""
    for found in pkgutil.walk_packages(pettycash.__path__, "pettycash."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)


def error_classes() -> list[type[errors.PettycashError]]:
    """Every error class of the program, once."""
    load_everything()
    found = {
        one
        for kind in errors.KINDS
        for one in errors.concrete(kind)
        if one.__module__.startswith("pettycash.")
    }
    return sorted(found, key=lambda one: (one.code, one.__module__, one.__name__))


def render_errors() -> str:
    """docs/errors.md: one row per code, in the order of the statuses."""
    meanings: dict[tuple[int, str], set[str]] = {}
    # The kinds come last: their words stand in only where nobody said it better.
    for one in sorted(error_classes(), key=lambda one: one in errors.KINDS):
        if one in errors.KINDS and (int(status_of(one)), one.code) in meanings:
            continue
        meaning = " ".join((one.__doc__ or "").split())
        meanings.setdefault((int(status_of(one)), one.code), set()).add(meaning)
    for status, code in CODE_BY_STATUS.items():
        if status in BY_HTTP:
            meanings.setdefault((status, code), {BY_HTTP[status]})
    lines = [HEAD, "| status | code | meaning |", "| --- | --- | --- |"]
    for (status, code), found in sorted(meanings.items()):
        text = " · ".join(sorted(found)).replace("|", "\\|")
        lines.append(f"| {status} | `{code}` | {text} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    ERRORS.write_text(render_errors(), encoding="utf-8")
