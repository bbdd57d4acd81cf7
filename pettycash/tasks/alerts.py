"""Telling people by e-mail of a severe case, and of events of the security log."""

from pettycash import db
from pettycash.gateways import mail
from pettycash.services import case_alerts, cases, security_alerts
from pettycash.tasks.delivery import NobodyReached
from pettycash.tasks.outbox_tasks import Job, outbox_task


@outbox_task(cases.ALERT_TOPIC)
def send_alert(job: Job) -> None:
    """Tell treasury, the cfo and operators. After a crash it may be told twice, never not at all.

    Raises:
        NobodyReached: nobody in the company is to be told; it comes again.
        MailNotDelivered: the mail server did not take it; it comes again.
    """
    with db.transaction() as session:
        alert = case_alerts.pending(session, case_id=job.key, now=session.info["now"])
    if alert is None:
        return
    if not alert.addresses:
        raise NobodyReached("nobody holds a role that is told of cases")
    mail.send(to=alert.addresses, subject=alert.subject, text=alert.text)
    with db.transaction() as session:
        case_alerts.sent(session, case_id=job.key, now=session.info["now"])


@outbox_task(security_alerts.TOPIC)
def send_security_alert(job: Job) -> None:
    """Tell those whom an event concerns; where a company has nobody of them, nobody.

    Raises:
        MailNotDelivered: the mail server did not take it; it comes again.
    """
    with db.transaction() as session:
        alert = security_alerts.pending(session, event_id=job.key, now=session.info["now"])
    if alert.addresses:
        mail.send(to=alert.addresses, subject=alert.subject, text=alert.text)
    with db.transaction() as session:
        security_alerts.sent(session, event_id=job.key)
