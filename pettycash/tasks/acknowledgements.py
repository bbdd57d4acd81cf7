"""The recipient's code for cash: made, kept as a digest, sent to them."""

from pettycash import db
from pettycash.crash_points import crash_point
from pettycash.gateways.flight import Deadline
from pettycash.services import payments
from pettycash.tasks import delivery
from pettycash.tasks.outbox_tasks import Job, outbox_task


@outbox_task("notifications.acknowledgement_code")
def send_acknowledgement_code(job: Job) -> None:
    """Make and send the code with which a recipient acknowledges cash."""
    deadline = Deadline.after(delivery.SECONDS)
    with db.transaction() as session:
        message = payments.make_acknowledgement_code(
            session, acknowledgement_id=job.key, now=session.info["now"]
        )
    if message is None:
        return
    crash_point("cash.code_made")
    try:
        delivery.deliver(
            subject=message.subject,
            text=message.text,
            email=message.email,
            phone=message.phone,
            deadline=deadline,
        )
    except delivery.NobodyReached:
        with db.transaction() as session:
            payments.acknowledgement_not_delivered(
                session, acknowledgement_id=job.key, message=message
            )
        raise
    crash_point("cash.code_sent")
    with db.transaction() as session:
        payments.acknowledgement_delivered(session, acknowledgement_id=job.key, message=message)
