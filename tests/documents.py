"""What is made from the program: `python -m tests.documents` rewrites docs/errors.md, a table of
docs/control.md, one of docs/ledger.md and migrations/sql/rows."""

import importlib
import pkgutil
from collections.abc import Collection, Mapping
from enum import StrEnum
from pathlib import Path

import pettycash
from pettycash.models.imprest import REPLENISHMENT_TRANSITIONS, Replenishment
from pettycash.models.payments import TRANSITIONS as PAYMENT_TRANSITIONS
from pettycash.models.payments import Payment
from pettycash.models.requisitions import TRANSITIONS as REQUISITION_TRANSITIONS
from pettycash.models.requisitions import Requisition
from pettycash.runtime import errors
from pettycash.services.foundation import decisions, duties, permissions
from pettycash.services.ledger import posting_rules
from pettycash.web.problems import CODE_BY_STATUS, MEANING_BY_STATUS, status_of

ROOT = Path(__file__).parent.parent
ERRORS = ROOT / "docs" / "errors.md"
CONTROL = ROOT / "docs" / "control.md"
LEDGER = ROOT / "docs" / "ledger.md"
BEGIN, END = "<!-- made by tests.documents -->\n", "<!-- end -->\n"
"""Around the table of a document that is made here."""
ROWS = ROOT / "migrations" / "sql" / "rows"

TRANSITIONS: Mapping[str, Mapping[StrEnum, Collection[StrEnum]]] = {
    Payment.__tablename__: PAYMENT_TRANSITIONS,
    Replenishment.__tablename__: REPLENISHMENT_TRANSITIONS,
    Requisition.__tablename__: REQUISITION_TRANSITIONS,
}
"""Tables whose status moves by steps that the database refuses all others of."""

HEAD = """\
# Errors

Every refusal is an `application/problem+json` document (RFC 9457) with the members `type`, `title`,
`status`, `detail`, `code`, `request_id` and, where fields are at fault, `errors` (field → list of
messages). Branch on `code`: it never changes its meaning; the sentences may.

A 503 and a 429 carry `Retry-After`. A request that moves money is safe to send again with the same
`Idempotency-Key`, whatever became of the first.

Made from the error classes by `python -m tests.documents`; `tests/api/test_documents.py` compares.
"""


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
        if status in MEANING_BY_STATUS:
            meanings.setdefault((status, code), {MEANING_BY_STATUS[status]})
    lines = [HEAD, "| status | code | meaning |", "| --- | --- | --- |"]
    for (status, code), found in sorted(meanings.items()):
        text = " · ".join(sorted(found)).replace("|", "\\|")
        lines.append(f"| {status} | `{code}` | {text} |")
    return "\n".join(lines) + "\n"


def render_control() -> str:
    """docs/control.md, with every declared decision of two people: who proposes and who decides."""
    load_everything()
    lines = ["| what | proposed | accepted | refused |", "| --- | --- | --- | --- |"]
    for kind in decisions.kinds():
        proposed = "by kind, below" if kind.proposing is None else _with_roles(kind.proposing)
        refused = "" if kind.refusing is None else _with_roles(kind.refusing)
        what = kind.model.__tablename__.replace("_", " ")
        lines.append(f"| {what} | {proposed} | {_with_roles(kind.accepting)} | {refused} |")
    return _with_table(CONTROL, "\n".join(lines) + "\n")


def render_ledger() -> str:
    """docs/ledger.md, with every posting rule."""
    return _with_table(LEDGER, posting_rules.as_markdown())


def _with_table(path: Path, table: str) -> str:
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table + END + after


def _with_roles(operation: str) -> str:
    return f"`{operation}`: {', '.join(sorted(permissions.PERMISSIONS[operation]))}"


def render_rows() -> dict[str, str]:
    """migrations/sql/rows: what triggers read, by the name of its table and file."""
    steps = {
        (machine, start.value, end.value)
        for machine, known in TRANSITIONS.items()
        for start, ends in known.items()
        for end in ends
        if end != start
    }
    pairs = {"duty_pairs": duties.PAIRS, "incompatible_roles": duties.INCOMPATIBLE_ROLES}
    both_ways = {
        table: {(one, other) for pair in kept for one in pair for other in pair if one != other}
        for table, kept in pairs.items()
    }
    tables: dict[str, set[tuple[str, ...]]] = {"allowed_transitions": steps, **both_ways}
    return {table: _render_table(table, rows) for table, rows in tables.items()}


def _render_table(table: str, rows: set[tuple[str, ...]]) -> str:
    values = ",\n".join(
        "    (" + ", ".join(f"'{value}'" for value in row) + ")" for row in sorted(rows)
    )
    return (
        "-- Made from the program by `python -m tests.documents`; a test compares.\n"
        f"DELETE FROM {table};\nINSERT INTO {table} VALUES\n{values};\n"
    )


if __name__ == "__main__":
    ERRORS.write_text(render_errors(), encoding="utf-8")
    CONTROL.write_text(render_control(), encoding="utf-8")
    LEDGER.write_text(render_ledger(), encoding="utf-8")
    for table, text in render_rows().items():
        (ROWS / f"{table}.sql").write_text(text, encoding="utf-8")
