"""Links with which people set their own passwords."""

from pettycash import db
from pettycash.gateways import mail
from pettycash.services.identity import links
from pettycash.tasks.outbox_tasks import Job, outbox_task


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
