"""The crash points, read from the code: what no play reaches can't hide."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pettycash.stack.state import ROOT


@dataclass(frozen=True)
class Point:
    """One call of `crash_point`; `name` is None where it is no literal: it can't be listed."""

    name: str | None
    place: str


def in_code(root: Path = ROOT / "pettycash") -> list[Point]:
    """Every crash point below a folder, by file and line."""
    return [
        point
        for file in sorted(root.rglob("*.py"))
        if file.parent.name != "crash_points"
        for point in _in_file(file)
    ]


def _in_file(file: Path) -> Iterator[Point]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or _called(node.func) != "crash_point":
            continue
        name = None
        if len(node.args) == 1 and not node.keywords and isinstance(node.args[0], ast.Constant):
            value = node.args[0].value
            name = value if isinstance(value, str) else None
        yield Point(name, f"{file.name}:{node.lineno}")


def _called(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
