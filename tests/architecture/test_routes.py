"""A route reads its request, calls a service and renders: it asks the database nothing itself."""

import ast
from pathlib import Path

from pettycash import api, web

ROOMS = [Path(room.__file__).parent for room in (api, web)]

ASKING = {
    "health.py",  # it asks whether the database answers
    "idempotency.py",  # it keeps the answers of requests, which are no business of a service
}


def test_no_route_has_sql() -> None:
    found = {
        path.name
        for room in ROOMS
        for path in room.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("select", "text", "insert", "update", "delete")
    }
    assert found == ASKING
