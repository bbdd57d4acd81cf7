"""Telling an address that it is a person's no longer."""

from pettycash import db
from pettycash.gateways.flight import Deadline
from pettycash.services import contacts
from pettycash.tasks import delivery
from pettycash.tasks.outbox_tasks import Job, outbox_task


@outbox_task(contacts.TOPIC)
def notify_old_address(job: Job) -> None:
    """Send it; after a crash it may be told twice.

    Raises:
        NobodyReached: it did not leave; it comes again.
    """
    with db.transaction() as session:
        notice = contacts.notice(session, contact_id=job.key)
    delivery.deliver(
        subject=notice.subject,
        text=notice.text,
        email=notice.email,
        phone=notice.phone,
        deadline=Deadline.after(delivery.SECONDS),
    )
    with db.transaction() as session:
        contacts.sent(session, contact_id=job.key)
