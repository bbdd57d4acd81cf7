"""What of the security log people are told by e-mail, in which words. `tasks.alerts` sends it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.identity import SecurityEvent
from pettycash.models.organisation import Company
from pettycash.models.people import Role, User
from pettycash.services import case_alerts, outbox, security_log

TOPIC = "notifications.security"
ACCOUNT_CLOSED = "auth.account_closed"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Where it goes, and what it says."""

    addresses: list[str]
    subject: str
    text: str


def account_closed(session: Session, *, user_id: UUID, ip_address: str | None) -> None:
    """Remember that too many failures in a row have closed an account, and owe the alert."""
    event_id = security_log.record(
        session, event=ACCOUNT_CLOSED, outcome="refused", user_id=user_id, ip_address=ip_address
    )
    outbox.owe(session, topic=TOPIC, key=event_id)


def owed(session: Session, *, event_id: UUID, now: datetime) -> Alert:
    """What is owed for an event: to administrators, operators and the person whom it is about.

    The words hold no address or agent: whoever provoked it would choose them.
    """
    row = session.execute(
        select(SecurityEvent.created_at, User.username, User.email, Company.code)
        .join(User, User.id == SecurityEvent.user_id)
        .join(Company, Company.id == SecurityEvent.company_id)
        .where(SecurityEvent.id == event_id)
    ).one()
    told = case_alerts.addresses(session, Role.ADMIN, Role.OPERATOR, now=now)
    return Alert(
        addresses=sorted({*told, row.email}),
        subject=f"[pettycash {row.code}] too many failed sign-ins: {row.username}",
        text=(
            f"At {row.created_at:%Y-%m-%d %H:%M} UTC the account {row.username} had 100 failed"
            " sign-ins in a row. Until it is signed in to again it opens only from addresses where"
            " that happened within 30 days. An operator opens it everywhere with a new password:"
            f" users give-password {row.username}.\n\n"
            f"Security event: {event_id}\n"
        ),
    )


def sent(session: Session, *, event_id: UUID) -> None:
    """The alert has left."""
    outbox.done(session, topic=TOPIC, key=event_id)
