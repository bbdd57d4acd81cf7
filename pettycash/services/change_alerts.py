"""The cfo and the auditors are told of changes of consequence, once they hold (control.md §6)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash import settings
from pettycash.models.organisation import Company
from pettycash.models.people import Role, User
from pettycash.models.platform import Change, ChangeStatus
from pettycash.services import changes, outbox
from pettycash.services.case_alerts import Alert, addresses

TOLD = (Role.CFO, Role.AUDITOR)


def owed(session: Session, *, change_id: UUID, now: datetime) -> Alert | None:
    """The message that is owed for a change; None, and nothing more is owed, where it holds not."""
    change = session.get(Change, change_id)
    if change is None or change.status is not ChangeStatus.EFFECTIVE:
        outbox.done(session, topic=changes.ALERT_TOPIC, key=change_id)
        return None
    company = session.get_one(Company, change.company_id)
    proposer, decider = (
        "nobody" if each is None else session.get_one(User, each).username
        for each in (change.proposed_by, change.decided_by)
    )
    return Alert(
        addresses=addresses(session, *TOLD, now=now),
        subject=f"[pettycash {company.code}] changed: {change.kind.replace('_', ' ')}",
        text=(
            f"{proposer} proposed it and {decider} confirmed it.\n"
            f"Change: {settings.current().api_url}/api/changes/{change.id}/\n"
        ),
    )


def sent(session: Session, *, change_id: UUID) -> None:
    """The message has left."""
    outbox.done(session, topic=changes.ALERT_TOPIC, key=change_id)
