"""Notices leave by e-mail: at once, or all of a day together."""

import logging

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.gateways import mail
from pettycash.gateways.flight import Deadline
from pettycash.models.access import Company
from pettycash.runtime import db, errors
from pettycash.services.foundation import notices
from pettycash.services.operations import notice_mails
from pettycash.tasks import delivery
from pettycash.tasks.outbox_tasks import Job, outbox_task
from pettycash.tasks.periodic import periodic_task

logger = logging.getLogger(__name__)


@outbox_task(notices.TOPIC)
def send(job: Job) -> None:
    """Mail one person what they wish to hear at once, this notice among it."""
    _send(job)


@outbox_task(notice_mails.DIGEST_TOPIC)
def send_digest(job: Job) -> None:
    """Mail one person all that they wish to hear once a day."""
    _send(job)


def _send(job: Job) -> None:
    """Claim, then send: a crash between sending and recording may send it once more, never twice
    at once. A mail server that is away is no failure of the task: it is tried again for two days.
    """
    deadline = Deadline.after(delivery.SECONDS)
    with db.transaction() as session:
        found = notice_mails.claim(session, topic=job.topic, key=job.key, now=session.info["now"])
    if found is None:
        return
    try:
        mail.send(to=[found.address], subject=found.subject, text=found.text, deadline=deadline)
    except mail.MailNotDelivered as error:
        logger.warning("a notice did not leave", extra={"reason": str(error)})
        with db.transaction() as session:
            notice_mails.not_sent(session, found, now=session.info["now"])
        return
    with db.transaction() as session:
        notice_mails.sent(session, found, now=session.info["now"])


@periodic_task("notifications.daily")
def send_daily() -> None:
    """Enqueue the e-mails of the day in every company whose morning has come."""
    with db.system_transaction() as session:
        companies = list(session.execute(select(Company.id).where(Company.is_active)).scalars())
    for company_id in companies:
        with db.scope(company_id=company_id):
            try:
                db.in_transaction(_enqueue)
            except (errors.PettycashError, DBAPIError):
                logger.exception(
                    "the e-mails of the day of a company could not be enqueued",
                    extra={"company_id": str(company_id)},
                )


def _enqueue(session: Session) -> None:
    notice_mails.enqueue_daily(session, now=session.info["now"])
