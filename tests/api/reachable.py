"""Which refusals a view can come to: a walk over the code, from the view down.

Whatever a function names is followed: functions, methods of a class, what stands in a table of the
module, and of an object that only the run knows every method of that name. An error class that is
named counts as raised unless it stands in an `except`, and so does one under `Raises:`. So more is
found than can happen; what the database alone refuses is not
(`pettycash.web.problems.BY_SQLSTATE`).
"""

import ast
import builtins
import functools
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from types import FunctionType, MethodType, ModuleType
from typing import Any
from uuid import UUID

from sqlalchemy import Result, Select
from sqlalchemy.orm import Session

from pettycash import api, gateways, models, services, web
from pettycash.runtime.errors import KINDS, PettycashError, concrete

PACKAGE = "pettycash."

SERVED = tuple(
    f"{PACKAGE}{room}" for room in ("api", "web", "services", "models", "gateways", "runtime")
)
"""Rooms that a view can reach. Others may be loaded too, by whatever test ran before."""

FOREIGN = {
    name
    for kind in (str, bytes, list, dict, set, datetime, Decimal, UUID, Session, Select, Result)
    for name in dir(kind)
}
"""Names of methods that others' classes have too: of ours that are called so, none raises."""

_RAISES = re.compile(r"^Raises:\n((?:[ \t]+.*\n?|\n)+)", re.MULTILINE)


def reachable(view: Callable[..., Any]) -> frozenset[type[PettycashError]]:
    """Every error class that is named in what the view may call."""
    return frozenset(each for each in reached(view) if _is_refusal(each))


def reached(view: Callable[..., Any]) -> dict[Any, Any]:
    """All that the view may call, and what led there."""
    start = inspect.unwrap(view)
    seen: dict[Any, Any] = {start: None}
    waiting = [start]
    while waiting:
        here = waiting.pop()
        for named in _named(here):
            if named not in seen:
                seen[named] = here
                waiting.append(named)
    return seen


@functools.cache
def _named(code: Any) -> tuple[Any, ...]:
    """Functions and classes of ours that stand in the source of a function or class."""
    if _is_refusal(code):
        return ()
    if isinstance(code, type):
        makers = (vars(code).get(name) for name in ("__init__", "__post_init__", "__call__"))
        return tuple(each for maker in makers for each in _code_in(maker))
    scope = vars(builtins) | code.__globals__ | inspect.getclosurevars(code).nonlocals
    found: list[Any] = []
    for chain in _chains(ast.parse(textwrap.dedent(inspect.getsource(code))).body[0]):
        found += _meant(chain, scope)
    return tuple(dict.fromkeys([*found, *said(code)]))


def said(code: Any) -> list[type[PettycashError]]:
    """The error classes under `Raises:` in the docstring of a function."""
    section = _RAISES.search(inspect.getdoc(code) or "")
    if section is None:
        return []
    words = re.findall(r"\w+", re.sub(r"\bbut \w+", "", section[1]))
    return [_refusals()[word] for word in words if word in _refusals()]


def called(view: Callable[..., Any]) -> list[Any]:
    """The functions that a view itself calls."""
    return [each for each in _named(inspect.unwrap(view)) if isinstance(each, FunctionType)]


def _chains(tree: ast.AST) -> Iterator[list[str]]:
    """`a.b.c` for every name that is read; decorators, annotations and `except X` are none."""
    if isinstance(tree, ast.Attribute):
        chain = [tree.attr]
        inner: ast.expr = tree.value
        while isinstance(inner, ast.Attribute):
            chain.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            yield [inner.id, *chain]
            return
        yield ["", *chain]  # of what a call or an index gives
        yield from _chains(inner)
        return
    if isinstance(tree, ast.Name):
        yield [tree.id]
        return
    left_out: list[ast.AST | None] = []
    if isinstance(tree, ast.FunctionDef):
        left_out = [*tree.decorator_list, tree.returns]
    elif isinstance(tree, ast.arg | ast.AnnAssign):
        left_out = [tree.annotation]
    elif isinstance(tree, ast.ExceptHandler):
        left_out = [tree.type]
    for child in ast.iter_child_nodes(tree):
        if child not in left_out:
            yield from _chains(child)


def _meant(chain: list[str], scope: Mapping[str, Any]) -> Iterable[Any]:
    if chain[0] not in scope:
        return [each for name in chain[1:] for each in _methods().get(name, ())]
    value = scope[chain[0]]
    for place, name in enumerate(chain[1:], 1):
        inner = inspect.getattr_static(value, name, None)
        if not isinstance(value, ModuleType | type) or inner is None:
            later = [each for name in chain[place:] for each in _methods().get(name, ())]
            return [*_code_in(value), *later]
        value = inner
    return _code_in(value)


def _code_in(value: Any, depth: int = 0) -> Iterator[Any]:
    """The functions and classes of ours that a value is, wraps or holds."""
    value = _unwrapped(value)
    is_ours = str(getattr(value, "__module__", "")).startswith(PACKAGE)
    if isinstance(value, FunctionType):
        if is_ours and value.__code__.co_filename != "<string>":  # as a dataclass has them
            yield value
    elif isinstance(value, type):
        if is_ours and not issubclass(value, Enum):
            yield value
    elif isinstance(value, Mapping | list | tuple | set | frozenset) and depth < 3:
        for each in [*value.values(), *value] if isinstance(value, Mapping) else value:
            yield from _code_in(each, depth + 1)
    elif is_ours and not isinstance(value, Enum):
        yield type(value)


def _unwrapped(value: Any) -> Any:
    if isinstance(value, staticmethod | classmethod | MethodType):
        value = value.__func__
    elif isinstance(value, property):
        value = value.fget
    elif isinstance(value, functools.cached_property | functools.partial):
        value = value.func
    is_code = callable(value) and not isinstance(value, type)
    return inspect.unwrap(value) if is_code else value


@functools.cache
def _methods() -> dict[str, list[Any]]:
    """Every method of our classes, and what an entry of a table keeps to be called, by its name."""
    load()
    found: dict[str, list[Any]] = {}
    modules = [each for name, each in sys.modules.items() if name.startswith(SERVED)]
    for value in [value for module in modules for value in vars(module).values()]:
        for name, member in _members(value):
            if not name.startswith("__") and name not in FOREIGN:
                called = (each for each in _code_in(member) if isinstance(each, FunctionType))
                found.setdefault(name, []).extend(called)
    return found


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, type):
        if value.__module__.startswith(PACKAGE) and not _is_refusal(value):
            yield from vars(value).items()
    elif is_dataclass(value):
        yield from ((each.name, getattr(value, each.name)) for each in fields(value))
    elif isinstance(value, Mapping | list | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            if is_dataclass(each):
                yield from _members(each)


@functools.cache
def _refusals() -> dict[str, type[PettycashError]]:
    load()
    return {each.__name__: each for kind in KINDS for each in concrete(kind)}


def _is_refusal(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, PettycashError)


@functools.cache
def load() -> None:
    """Import what a view may call."""
    for room in (api, web, services, models, gateways):
        for each in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            importlib.import_module(each.name)
