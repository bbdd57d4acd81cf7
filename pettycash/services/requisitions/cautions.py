"""Warnings to approver and treasury: the same asked for twice in a day, files added later."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Date, Select, cast, func, or_, select, true
from sqlalchemy.orm import aliased

from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.services.foundation import company_settings, visibility
from pettycash.services.foundation.uow import Uow
from pettycash.services.requisitions import attachments

IDENTICAL = "requisition.identical_of_day"
LATER_FILES = "requisition.later_files"

R = RequisitionStatus
TOLD_MAX = 10
"""Of identical ones: whoever reads them looks at the list."""

NOT_ASKING = frozenset({R.DRAFT, R.CHANGES_REQUESTED, R.REJECTED, R.CANCELLED})


@dataclass(frozen=True, kw_only=True)
class Caution:
    """One warning."""

    code: str
    detail: str
    numbers: tuple[str, ...] = ()
    """Of the requisitions that it is about and the reader may see."""


def of(uow: Uow, requisitions: Sequence[Requisition]) -> dict[UUID, list[Caution]]:
    """Warnings by requisition; those without any have an empty list."""
    found: dict[UUID, list[Caution]] = {each.id: [] for each in requisitions}
    if not found:
        return found
    others: dict[UUID, list[tuple[str, bool]]] = {}
    for requisition_id, number, is_visible in uow.session.execute(_identical(uow, list(found))):
        others.setdefault(requisition_id, []).append((number, is_visible))
    for requisition_id, rows in others.items():
        seen = tuple(number for number, is_visible in rows if is_visible)
        found[requisition_id].append(
            Caution(
                code=IDENTICAL,
                detail=f"{_counted(rows)} of that day: the same amount, and the same requester or"
                " payee.",
                numbers=seen,
            )
        )
    late = attachments.later(uow.session, list(found))
    for requisition_id, files in late.items():
        found[requisition_id].append(
            Caution(
                code=LATER_FILES,
                detail=f"{len(files)} of its files came after submit: no approval is about them.",
            )
        )
    return found


def _counted(rows: list[tuple[str, bool]]) -> str:
    return f"{len(rows)} or more others" if len(rows) == TOLD_MAX else f"{len(rows)} more"


def _identical(uow: Uow, requisition_ids: list[UUID]) -> Select[UUID, str, bool]:
    mine, other = aliased(Requisition), Requisition
    timezone = company_settings.current(uow.session).timezone
    day = timedelta(days=1)
    twins = (
        select(other.number, visibility.requisitions(uow.actor).label("is_visible"))
        .where(
            other.company_id == mine.company_id,
            other.id != mine.id,
            other.amount == mine.amount,
            other.currency == mine.currency,
            other.submitted_at.between(mine.submitted_at - day, mine.submitted_at + day),
            cast(func.timezone(timezone, other.submitted_at), Date)
            == cast(func.timezone(timezone, mine.submitted_at), Date),
            other.status.not_in(NOT_ASKING),
            or_(
                other.requester_id == mine.requester_id,
                other.payee_user_id == mine.payee_user_id,
                other.destination == mine.destination,
                func.lower(other.payee_name) == func.lower(mine.payee_name),
            ),
        )
        .limit(TOLD_MAX)
        .lateral()
    )
    return (
        select(mine.id, twins.c.number, twins.c.is_visible)
        .join(twins, true())
        .where(mine.id.in_(requisition_ids), mine.status.not_in(NOT_ASKING))
        .order_by(twins.c.number)
    )
