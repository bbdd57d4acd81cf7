"""A route reads its request, calls a service and renders: it asks the database nothing itself."""

import ast
from pathlib import Path

from pettycash import api

ROUTES = Path(api.__file__).parent

ASKING = {
    "health.py",  # it asks whether the database answers
    "idempotency.py",  # it keeps the answers of requests, which are no business of a service
}


def test_no_route_has_sql() -> None:
    found = {
        path.name
        for path in ROUTES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("select", "text", "insert", "update", "delete")
    }
    assert found == ASKING
