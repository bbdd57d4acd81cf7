"""Events of the security log that people are told of by e-mail. A task sends them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Company, Role, SecurityEvent, User
from pettycash.runtime import settings
from pettycash.services.foundation import outbox, security_log
from pettycash.services.operations import case_alerts
from pettycash.services.operations.case_alerts import Alert

TOPIC = "notifications.security"
ACCOUNT_CLOSED = "auth.account_closed"
LEFT_BEHIND = "user.left_requisitions"

TOLD = {
    ACCOUNT_CLOSED: (Role.ADMIN, Role.OPERATOR),
    "change.confirmed": (Role.CFO, Role.AUDITOR),
    "user.reactivated": (Role.CFO, Role.AUDITOR),
}
"""Event → who is told of it, where it is told."""


def enqueue(session: Session, *, event_id: UUID) -> None:
    """Owe the alert of an event that was just recorded."""
    outbox.enqueue(session, topic=TOPIC, key=event_id)


def account_closed(session: Session, *, user_id: UUID, ip_address: str | None) -> None:
    """Record that too many failures in a row have closed an account, and enqueue the alert."""
    event_id = security_log.record(
        session, event=ACCOUNT_CLOSED, outcome="refused", user_id=user_id, ip_address=ip_address
    )
    enqueue(session, event_id=event_id)


def pending(session: Session, *, event_id: UUID, now: datetime) -> Alert:
    """The alert of an event; where nobody has one of its roles, without an address.

    The words hold no address or agent: whoever provoked it would choose them.
    """
    event, code = session.execute(
        select(SecurityEvent, Company.code)
        .join(Company, Company.id == SecurityEvent.company_id)
        .where(SecurityEvent.id == event_id)
    ).one()
    # Where nobody did it, it is what followed for this person.
    person = session.get_one(User, event.user_id or UUID(event.detail["subject_id"]))
    told = case_alerts.addresses(session, *TOLD.get(event.event, ()), now=now)
    if event.event == LEFT_BEHIND:
        told = [session.get_one(User, UUID(event.detail["manager_id"])).email]
    if event.event == ACCOUNT_CLOSED:
        told = sorted({*told, person.email})
    subject, text = _words(session, event, person)
    at = f"{event.created_at:%Y-%m-%d %H:%M} UTC"
    return Alert(
        addresses=told,
        subject=f"[pettycash {code}] {subject}",
        text=f"{text}\n\nSecurity event: {event_id}, {at}\n",
    )


def _words(session: Session, event: SecurityEvent, person: User) -> tuple[str, str]:
    detail = event.detail
    match event.event:
        case "change.confirmed":
            return (
                f"changed: {detail['kind'].replace('_', ' ')}",
                (
                    f"A second person, {person.username}, confirmed it:"
                    f" {settings.current().api_url}/api/changes/{detail['change_id']}/"
                ),
            )
        case "user.reactivated":
            subject = session.get_one(User, UUID(detail["subject_id"])).username
            return (
                f"{subject} may sign in again",
                f"{person.username} gave {subject} the login and the roles that have not ended.",
            )
        case "user.left_requisitions":
            return (
                f"{person.username} left: what they had raised is yours",
                (
                    f"Cancel or adopt what {person.username} had raised, as their manager:"
                    f" {settings.current().api_url}/api/requisitions/?is_left_behind=true"
                    f"&requester_id={person.id}"
                ),
            )
        case _:
            return (
                f"too many failed sign-ins: {person.username}",
                (
                    f"The account {person.username} had 100 failed sign-ins in a row. Until it is"
                    " signed in to again it opens only from addresses where that happened within 30"
                    " days. An operator opens it everywhere by a new password:"
                    f" users send-link {person.username}."
                ),
            )


def sent(session: Session, *, event_id: UUID) -> None:
    """The alert has left."""
    outbox.complete(session, topic=TOPIC, key=event_id)
