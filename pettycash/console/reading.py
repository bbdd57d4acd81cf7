"""Reading for a page: what the API would answer, in one unit of work."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import marshmallow as ma
from flask import g

from pettycash.runtime.db import transaction
from pettycash.services.foundation import company_settings, permissions
from pettycash.services.foundation.uow import Uow
from pettycash.web.admission import current_actor
from pettycash.web.etags import Tagged
from pettycash.web.operations import Operation
from pettycash.web.schemas.fields import taken

AnyOperation = Operation[..., Any]
Shown = Mapping[str, Any]
"""What the API would answer."""


@contextmanager
def unit() -> Iterator[Uow]:
    """The unit of work of a page: one transaction for all that it reads."""
    with transaction() as opened:
        uow = Uow.of(opened, current_actor())
        g.now = uow.now
        g.zone = ZoneInfo(company_settings.current(opened).timezone)
        yield uow


@cache
def _schema(shape: Any) -> ma.Schema:
    made: ma.Schema = shape() if isinstance(shape, type) else shape
    return made


def taking(operation: AnyOperation) -> ma.Schema:
    """The schema of what an operation takes; of a list its query."""
    shape = operation.takes
    if shape is None:
        return _schema(ma.Schema)
    return _schema(taken(shape)) if isinstance(shape, type) else shape


def read(uow: Uow, operation: AnyOperation, **arguments: Any) -> Any:
    """What the API would answer; `_version` is the tag with which a form changes it."""
    answer = operation(uow, **arguments)
    tag = None
    if operation.etag:
        tag = answer.tag if isinstance(answer, Tagged) else _member(answer, "version")
        answer = answer.answer if isinstance(answer, Tagged) else answer
    shown = dumped(operation, answer)
    return shown if tag is None else shown | {"_version": tag}


def listed(uow: Uow, operation: AnyOperation, **query: Any) -> Any:
    """A page of a list for a query as an address has it; its `items` are what is shown."""
    return read(uow, operation, **taking(operation).load(query))


def dumped(operation: AnyOperation, answer: Any) -> dict[str, Any]:
    """An answer by the operation's schema."""
    assert operation.answers is not None
    found: dict[str, Any] = _schema(operation.answers).dump(answer)
    return found


def _member(answer: Any, name: str) -> Any:
    return answer[name] if isinstance(answer, Mapping) else getattr(answer, name)


def reaches(operation: AnyOperation | str) -> bool:
    """Whether the permission table lets this person call an operation at all."""
    name = operation if isinstance(operation, str) else operation.name
    return permissions.reaches(current_actor(), name)


def id_of(shown: Shown) -> UUID:
    """The id of what was read."""
    return UUID(str(shown["id"]))
