"""A service in which somebody acts takes one unit of work, and not its parts."""

import ast
from pathlib import Path

from pettycash import services

SERVICES = Path(services.__file__).parent


def test_no_service_takes_session_and_actor_apart() -> None:
    apart = {
        f"{path.relative_to(SERVICES)}: {node.name}"
        for path in SERVICES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and {"Session", "Actor"} <= {ast.unparse(each) for each in _annotations(node)}
    }
    assert apart == {"foundation/uow.py: of"}


def _annotations(function: ast.FunctionDef) -> list[ast.expr]:
    taken = function.args
    every = [*taken.posonlyargs, *taken.args, *taken.kwonlyargs]
    return [each.annotation for each in every if each.annotation is not None]
