"""Tasks about people.

Telling an address that it is a person's no longer.

Remove in batches what signing in leaves behind.

Links with which people set their own passwords.
"""

from pettycash.gateways import mail
from pettycash.gateways.flight import Deadline
from pettycash.runtime import db
from pettycash.services.access import contacts
from pettycash.services.access.identity import links, upkeep
from pettycash.tasks import delivery
from pettycash.tasks.outbox_tasks import Job, outbox_task
from pettycash.tasks.periodic import periodic_task


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


BATCH_SIZE = 10_000


@periodic_task("identity.sweep_out")
def sweep_out() -> None:
    """Remove counters that count no more and sessions that ended long ago."""
    while True:
        with db.system_transaction() as session:
            removed = upkeep.remove_old(session, limit=BATCH_SIZE, now=session.info["now"])
        if removed < BATCH_SIZE:
            return


@outbox_task(links.TOPIC)
def send_link(job: Job) -> None:
    """Make a link and send it; after a crash a new one replaces it.

    Raises:
        MailNotDelivered: the mail server did not take it; it comes again.
    """
    with db.transaction() as session:
        message = links.make(session, link_id=job.key, now=session.info["now"])
    if message is None:
        return
    mail.send(to=[message.email], subject=message.subject, text=message.text)
    with db.transaction() as session:
        links.sent(session, link_id=job.key)
