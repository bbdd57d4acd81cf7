"""Subjects: what rounds of approval are about, and what each kind makes of a round.

A kind is declared once, in the domain of its rows, and `pettycash.composition` registers it:

    SUBJECT = Subject(kind="requisition", find=…, lock=…, facts=…, asks=…, …)

Rounds, decisions and resolution read rows of every kind through it, and know none by name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.models.approvals import ApprovalRound, ApprovalStep, Origin, SubjectRow
from pettycash.runtime import errors
from pettycash.services.foundation.duties import Holders
from pettycash.services.foundation.uow import Uow


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The facts of a row by which its tier and its approvers are found."""

    amount: Decimal
    currency: str
    origin: Origin
    department_id: UUID | None = None
    branch_id: UUID | None = None
    region_id: UUID | None = None
    own_unit_first: bool = False
    """The approver of the requester's own unit comes first: they chose another origin."""
    is_urgent: bool = False
    """The first approver is asked whether it is."""


Row = TypeVar("Row", bound=SubjectRow)


@dataclass(frozen=True, kw_only=True)
class Subject(Generic[Row]):
    """A kind of subject. Rows that a round changes are locked, by its caller or by `find`."""

    kind: str
    find: Callable[[Uow, UUID], Row]
    """Lock a row within the actor's scope, or raise that there is none."""
    lock: Callable[[Session, UUID], Row | None]
    asks: Callable[[Row], Asked]
    facts: Callable[[Session, Row, ApprovalRound | None], dict[str, Any]]
    """The facts as they stand now: in the form of a round, or for a new one."""
    holders: Callable[[Session, Row], Holders]
    """The holders of each duty about it; `decision_duties` asks the database's `duty_holders`."""
    check_waiting: Callable[[Row], None]
    """Refuse, with `not_waiting`, where no step of it waits for a decision."""
    opened: Callable[[Row, ApprovalRound, datetime], None]
    waits: Callable[[Session, Row, ApprovalStep, datetime], None]
    """A step waits for its approver: the row's status follows."""
    decided: Callable[[Session, Row, ApprovalRound, datetime], None]
    """Its round was approved, rejected or sent back, which the round's status says."""
    not_waiting: type[errors.Conflict]
    own: type[errors.NotAllowed]
    """The refusal of a requester who would decide."""


_KINDS: dict[str, Subject[Any]] = {}


def register(*subjects: Subject[Any]) -> None:
    """Say all that people approve in rounds; what was registered before is forgotten."""
    _KINDS.clear()
    _KINDS.update({each.kind: each for each in subjects})


def of_kind(kind: str) -> Subject[Any]:
    """The declaration of a kind."""
    return _KINDS[kind]


def of(row: SubjectRow) -> Subject[Any]:
    """The declaration of a row's kind."""
    return of_kind(row.subject_kind)
