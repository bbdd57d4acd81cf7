"""The alert of a severe case: recipients and text. `cases` enqueues it, a task sends it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Company, Membership, Role, RoleAssignment, User
from pettycash.models.operations import Case, CaseStatus
from pettycash.runtime import db, settings
from pettycash.runtime.sanitising import sanitise_text
from pettycash.services.foundation import outbox
from pettycash.services.operations import cases

TOLD = (Role.TREASURY, Role.CFO, Role.OPERATOR)


@dataclass(frozen=True, kw_only=True)
class Alert:
    """The alert of a severe case: no amounts, payees or numbers, only where to look."""

    addresses: list[str]
    subject: str
    text: str


def pending(session: Session, *, case_id: UUID, now: datetime) -> Alert | None:
    """The alert that is still to be sent for a case; None where it was sent or the case is over."""
    case = session.get(Case, case_id)
    if case is None or case.status is CaseStatus.RESOLVED or case.alerted_at is not None:
        outbox.complete(session, topic=cases.ALERT_TOPIC, key=case_id)
        return None
    company = session.get_one(Company, case.company_id)
    kind = case.kind.value.replace("_", " ")
    due = "" if case.due_at is None else f"\nDue: {case.due_at:%Y-%m-%d %H:%M} UTC"
    return Alert(
        addresses=addresses(session, *TOLD, now=now),
        subject=f"[pettycash {company.code}] {case.severity.value} case: {kind}",
        text=(
            f"{sanitise_text(case.summary)}\n\nAbout: {case.object_type} {case.object_id}{due}\n"
            f"Case: {settings.current().api_url}/api/cases/{case.id}/\n"
        ),
    )


def sent(session: Session, *, case_id: UUID, now: datetime) -> None:
    """The alert has left."""
    case = db.lock(session, Case, case_id)
    if case is not None:
        case.alerted_at = now
    outbox.complete(session, topic=cases.ALERT_TOPIC, key=case_id)


def addresses(session: Session, *roles: Role, now: datetime) -> list[str]:
    """The e-mail addresses of everybody who holds one of these roles."""
    return list(
        session.execute(
            select(User.email)
            .distinct()
            .join(Membership, Membership.user_id == User.id)
            .join(RoleAssignment, RoleAssignment.user_id == User.id)
            .where(
                User.is_active,
                Membership.is_active,
                RoleAssignment.role.in_(roles),
                RoleAssignment.valid_from <= now,
                (RoleAssignment.valid_until.is_(None)) | (RoleAssignment.valid_until > now),
            )
            .order_by(User.email)
        ).scalars()
    )
