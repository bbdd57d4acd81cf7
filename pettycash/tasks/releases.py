"""Release codes: made, kept as a digest, sent. The plaintext lives in one call only."""

from pettycash.gateways.flight import Deadline
from pettycash.runtime import db
from pettycash.runtime.crash_points import crash_point
from pettycash.services import releases
from pettycash.tasks import delivery
from pettycash.tasks.outbox_tasks import Job, outbox_task


@outbox_task("otp.send")
def send(job: Job) -> None:
    """Make the code of one request and send it; after a crash a new code replaces it."""
    deadline = Deadline.after(delivery.SECONDS)
    with db.transaction() as session:
        message = releases.make_code(session, send_id=job.key, now=session.info["now"])
    if message is None:
        return
    crash_point("otp.made")
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
            releases.code_not_delivered(session, send_id=job.key, message=message)
        raise
    crash_point("otp.sent")
    with db.transaction() as session:
        releases.code_delivered(session, send_id=job.key, message=message, now=session.info["now"])


@outbox_task("otp.expire")
def expire(job: Job) -> None:
    """Expire a challenge whose time has passed, so that its claim ends and it is counted."""
    db.in_transaction(
        lambda session: releases.expire(session, challenge_id=job.key, now=session.info["now"])
    )
