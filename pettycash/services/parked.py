"""Obligations that were given up without anybody being told; their case is opened late.

A task's obligation is parked in one transaction and its case opened in the next (`tasks.running`),
so a process that is killed between them leaves nothing that people would see.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session

from pettycash.models.platform import Case, CaseKind, CaseStatus, Obligation, Severity
from pettycash.services import cases

BEGAN_TOO_OFTEN = "It began too often without coming to an end."

TELLS_ITSELF = timedelta(minutes=1)
"""For so long whoever has parked one may still be about to tell of it."""


def tell(session: Session, *, obligation_id: UUID, topic: str, key: UUID, reason: str) -> None:
    """Open the case of one that was given up."""
    cases.open_case(
        session,
        kind=CaseKind.PARKED_OBLIGATION,
        object_type="obligation",
        object_id=obligation_id,
        summary=f"{topic} was given up after too many failures.",
        evidence={"topic": topic, "key": str(key), "last_error": reason},
        severity=Severity.SEVERE,
    )


def companies(session: Session) -> list[UUID]:
    """Who has any that has been parked for a while (system role)."""
    return list(
        session.execute(
            select(Obligation.company_id)
            .distinct()
            .where(Obligation.done_at.is_(None), _for_a_while(session.info["now"]))
            .order_by(Obligation.company_id)
        ).scalars()
    )


def open_missing_cases(session: Session, *, now: datetime) -> list[UUID]:
    """Open the case of each that has none since it was parked; returns the obligations.

    One that a person parked is known to them, and one whose case people have ended stays ended.
    """
    told = exists().where(
        Case.kind == CaseKind.PARKED_OBLIGATION,
        Case.object_id == Obligation.id,
        or_(Case.status != CaseStatus.RESOLVED, Case.resolved_at >= Obligation.parked_at),
    )
    found = session.execute(
        select(Obligation)
        .where(Obligation.done_at.is_(None), _for_a_while(now), ~told, ~Obligation.parked_by_hand)
        .order_by(Obligation.id)
        .with_for_update(of=Obligation, key_share=True, skip_locked=True)
    ).scalars()
    parked = found.all()
    for each in parked:
        reason = each.last_error or BEGAN_TOO_OFTEN
        tell(session, obligation_id=each.id, topic=each.topic, key=each.key, reason=reason)
    return [each.id for each in parked]


def _for_a_while(now: datetime) -> ColumnElement[bool]:
    return Obligation.parked_at < now - TELLS_ITSELF
