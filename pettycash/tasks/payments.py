"""Tasks of payments.

Sending a payment and asking what became of it; no transaction is open during a call.

The recipient's code for cash: made, kept as a digest, sent to them.

Processing what rails reported, from the inbox.
"""

import logging

from sqlalchemy.orm import Session

from pettycash.gateways import registry
from pettycash.gateways.flight import Deadline
from pettycash.runtime import db
from pettycash.runtime.crash_points import crash_point
from pettycash.services import payments
from pettycash.services.payments import callbacks
from pettycash.tasks import delivery
from pettycash.tasks.outbox_tasks import Job, outbox_task

logger = logging.getLogger(__name__)


@outbox_task("payments.submit")
def submit(job: Job) -> None:
    """Send one released attempt. Delivered twice, it is still sent once.

    Claim, commit; mark as sending, commit; call; record, commit. A worker that dies before the
    second commit has sent nothing and another one claims it; after it, the rail is asked.
    """
    crash_point("payments.delivered")
    with db.transaction() as session:
        claim = payments.claim(session, attempt_id=job.key, now=session.info["now"])
        crash_point("payments.claiming")
    if claim is None:
        return
    crash_point("payments.claimed")
    # From before the commit, since whoever stands still after it may be taken for gone meanwhile.
    leave_by = payments.sending_deadline()
    try:
        with db.transaction() as session:
            payments.mark_sending(session, claim=claim, now=session.info["now"])
            crash_point("payments.marking")
    except payments.ClaimLost:
        logger.warning(
            "claim lost before sending",
            extra={"payment_id": str(claim.payment_id), "attempt_id": str(job.key)},
        )
        with db.transaction() as session:
            payments.return_claim(session, claim=claim)
        return
    crash_point("payments.sending")
    outcome = registry.for_rail(claim.rail).submit(claim.instruction, leave_by=leave_by)
    crash_point("payments.answered")

    def record(session: Session) -> None:
        payments.record_outcome(session, claim=claim, outcome=outcome, now=session.info["now"])
        crash_point("payments.recording")

    db.in_transaction(record)
    crash_point("payments.recorded")


@outbox_task("payments.resolve")
def resolve(job: Job) -> None:
    """Ask the rail about one attempt, if it is time to."""

    def ask(session: Session) -> payments.Question | None:
        now = session.info["now"]
        question = payments.next_question(session, attempt_id=job.key, now=now)
        crash_point("payments.questioning")
        return question

    question = db.in_transaction(ask)
    if question is None:
        return
    crash_point("payments.asking")
    answer = registry.for_rail(question.rail).query(
        question.instruction,
        conversation_id=question.conversation_id,
        provider_reference=question.provider_reference,
    )
    crash_point("payments.told")

    def record(session: Session) -> None:
        payments.record_answer(session, question=question, answer=answer, now=session.info["now"])
        crash_point("payments.answering")

    db.in_transaction(record)
    crash_point("payments.understood")


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


@outbox_task("callbacks.process")
def process(job: Job) -> None:
    """Do what one stored callback proves; in the order in which they are looked at."""
    crash_point("callbacks.delivered")
    db.in_transaction(
        lambda session: callbacks.process(session, callback_id=job.key, now=session.info["now"])
    )
    crash_point("callbacks.processed")
