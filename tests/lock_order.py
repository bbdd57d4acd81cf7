"""A recorder of locks: in which order the product's transactions lock rows of which tables.

Every transaction that an entrance of the product opens in a test is followed, statement by
statement: SELECT … FOR NO KEY UPDATE, UPDATE, DELETE, ON CONFLICT DO UPDATE, advisory locks, and
the same inside the functions and triggers that a statement sets off. Each pair "this table, then
that one" is an edge; a circle of them is a deadlock that waits for its day, and fails the run.

Left out: inserts, as nobody can hold a new row; SKIP LOCKED and NOWAIT, which never wait, and what
the same statement then updates of that table; rows of one table among themselves, which have an
order of their own (docs/reliability.md); foreign keys, which wait for nobody since rows are locked
without their keys.
"""

import json
import os
import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

import pettycash

Edges = dict[tuple[str, str], str]
"""(a table, one that was locked after it) → the test and statement that did so first."""

PRODUCT = str(Path(pettycash.__file__).parent) + os.sep
LAB = PRODUCT + "lab" + os.sep
"""What tries the product: it writes a past in one transaction, and nobody works beside it."""
BETWEEN = (
    str(Path(PRODUCT, "runtime", "db.py")),
    f"{os.sep}sqlalchemy{os.sep}",
    f"{os.sep}contextlib.py",
)
BEGIN = "SELECT now(), set_config('app.company'"
"""How every unit of work begins."""

OWNED = {
    "approval_rounds": {"requisitions"},
    "approval_steps": {"requisitions"},
    "reconciliation_items": {"reconciliation_runs"},
    "contacts": {"memberships", "users"},
    "cases": {"requisitions", "payments", "replenishments", "funds", "reconciliation_runs"},
    "outbox_messages": {
        *("requisitions", "payments", "cases", "callbacks", "replenishments", "funds"),
        *("users", "memberships", "role_assignments"),  # what waits for somebody who leaves
        "notices",
    },
}
"""Rows that belong to one of another table, and the tables of their owners. Who holds the owner
meets nobody at them, so in what order they come is all the same. Without it they count as others.
"""

CATALOGUE = """
    SELECT proname, prosrc, NULL, 0 FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT * FROM (SELECT f.proname, '', c.relname, t.tgtype FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc f ON f.oid = t.tgfoid
        WHERE NOT t.tgisinternal AND NOT c.relispartition
        ORDER BY t.tgname) AS in_their_order
"""
ON_INSERT, ON_DELETE, ON_UPDATE = 4, 8, 16

_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_STEP = re.compile(
    r"\bINSERT\s+INTO\s+(?P<insert>\w+)"
    r"|\bUPDATE\s+(?:ONLY\s+)?(?P<update>\w+)(?:\s+(?:AS\s+)?(?!SET\b)\w+)?\s+SET\b"
    r"|\bDELETE\s+FROM\s+(?P<delete>\w+)"
    r"|\bDO\s+(?P<upsert>UPDATE)\s+SET\b"
    r"|\bFOR\s+(?:NO\s+KEY\s+)?(?P<lock>UPDATE)\b(?:\s+OF\s+(?P<of>\w+(?:\s*,\s*\w+)*))?"
    r"(?P<lenient>\s+SKIP\s+LOCKED|\s+NOWAIT)?"
    r"|\b(?P<call>\w+)\s*\(",
    re.IGNORECASE,
)
_FROM = re.compile(r"\bFROM\b")


class Locks:
    """What a statement locks, by what the database says of its functions and triggers."""

    def __init__(self, catalogue: Iterable[tuple[str, str, str | None, int]]) -> None:
        self.bodies: dict[str, str] = {}
        self.triggers: dict[str, list[tuple[int, str]]] = {}
        for name, body, table, kind in catalogue:
            if table is None:
                self.bodies[name] = body
            else:
                self.triggers.setdefault(table, []).append((kind, name))
        self.of = lru_cache(maxsize=None)(self._of)

    def _of(self, statement: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._steps(statement, ())))

    def _steps(self, statement: str, inside: tuple[str, ...]) -> list[str]:
        text = _NOISE.sub(" '' ", statement)
        found: list[str] = []
        inserted = ""
        free: set[str] = set()  # tables of which it takes what nobody holds, and updates that
        for step in _STEP.finditer(text):
            if step["insert"]:
                inserted = step["insert"]
                found += self._triggered(inserted, ON_INSERT, inside)
            elif step["upsert"]:
                found += [inserted, *self._triggered(inserted, ON_UPDATE, inside)]
            elif step["update"]:
                if step["update"] not in free:
                    found.append(step["update"])
                found += self._triggered(step["update"], ON_UPDATE, inside)
            elif step["delete"]:
                found += [step["delete"], *self._triggered(step["delete"], ON_DELETE, inside)]
            elif step["lock"]:
                locked = _locked(text[: step.start()], step["of"])
                if step["lenient"]:
                    free.update(locked)
                else:
                    found += locked
            elif step["call"].startswith("pg_advisory_xact_lock"):
                is_gate = "current_setting" in text[step.end() : step.end() + 60]
                found.append("(posting gate)" if is_gate else "(turn)")
            else:
                found += self._called(step["call"].lower(), inside)
        return found

    def _triggered(self, table: str, kind: int, inside: tuple[str, ...]) -> list[str]:
        return [
            each
            for on, function in self.triggers.get(table, ())
            if on & kind
            for each in self._called(function, inside)
        ]

    def _called(self, function: str, inside: tuple[str, ...]) -> list[str]:
        if function not in self.bodies or function in inside:
            return []
        return self._steps(self.bodies[function], (*inside, function))


def _locked(before: str, named: str | None) -> list[str]:
    """The tables of the SELECT that ends before its FOR UPDATE, or those that OF names."""
    depth, start = 0, 0
    for place in range(len(before) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(before[place], 0)
        if depth < 0:
            start = place + 1
            break
    level = before[start:]
    level = " ".join(level[level.rfind(";") + 1 :].split())  # of a function's body the last one
    while (plain := re.sub(r"\([^()]*\)", " ", level)) != level:
        level = plain
    tables = {}
    for each in re.split(r",|\bJOIN\b", _FROM.split(level)[-1].split(" WHERE ")[0]):
        table, *more = re.sub(r"\b(?:AS|ON|LEFT|INNER|CROSS|ORDER|LIMIT)\b.*", "", each).split()
        tables[more[0] if more else table] = table
    if named is None:
        return list(tables.values())
    return [tables.get(each.strip(), each.strip()) for each in named.split(",")]


class Recorder:
    """Follows every transaction of the product in this process."""

    def __init__(self) -> None:
        self.edges: Edges = {}
        self.locks: Locks | None = None

    def listen(self) -> None:
        """Follow all engines, those of later tests too."""
        event.listen(Engine, "before_cursor_execute", self.see)

    def see(self, connection: Any, _cursor: Any, text: str, _parameters: Any, *rest: Any) -> None:
        context = rest[0]
        statement = text if context is None else context.statement or text
        if statement.startswith(BEGIN):
            connection.info["locked"] = [] if _by_the_product() else None
            return
        held: list[str] | None = connection.info.get("locked")
        if held is None:
            return
        if self.locks is None:
            with connection.connection.cursor() as cursor:
                cursor.execute(CATALOGUE)
                self.locks = Locks(cursor.fetchall())
        for table in self.locks.of(statement):
            if table in held or not OWNED.get(table, set()).isdisjoint(held):
                continue
            for before in held:
                if (before, table) not in self.edges:
                    test = os.environ.get("PYTEST_CURRENT_TEST", "")
                    self.edges[before, table] = f"{test}: {' '.join(statement.split())}"
            held.append(table)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps([[*edge, example] for edge, example in self.edges.items()]))


RECORDER = Recorder()


def _by_the_product() -> bool:
    """Whether the transaction was opened by an entrance of ours, and not put together by a test, a
    benchmark or a run of chaos.
    """
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if not any(each in name for each in BETWEEN) and name != __file__:
            return name.startswith(PRODUCT) and not name.startswith(LAB)
        frame = frame.f_back
    return False


def merged(folder: Path) -> Edges:
    """What all workers of the run have seen."""
    return {
        (before, after): example
        for path in sorted(folder.glob("locks-*.json"))
        for before, after, example in json.loads(path.read_text())
    }


def circle(edges: Edges) -> list[str]:
    """Tables that are locked one after the other in a circle, each with its example; or nothing."""
    graph: dict[str, set[str]] = {}
    for before, after in edges:
        graph.setdefault(after, set()).add(before)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        tables = error.args[1]
        return [
            f"{before} → {after}: {edges[before, after][:600]}"
            for before, after in pairwise(tables)
        ]
    return []
