"""The relay's and the workers' part, in this process: what is due is run, one after the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select

from pettycash.models.operations import OutboxMessage
from pettycash.runtime import db, settings
from pettycash.services.operations import lanes
from pettycash.services.operations.lanes import Due, Queue
from pettycash.tasks import approvals, payments, releases

TASKS: Mapping[str, Callable[..., None]] = {
    "payments.submit": payments.submit,
    "payments.resolve": payments.resolve,
    "callbacks.process": payments.process,
    "otp.send": releases.send,
    "otp.expire": releases.expire,
    "approvals.hand_over": approvals.hand_over,
    "notifications.acknowledgement_code": payments.send_acknowledgement_code,
}


def work(*topics: str, limit: int = 100) -> list[str]:
    """Run what is due of some topics (of all of TASKS if none is named) until nothing is.

    Returns the topics that were run, in order.
    """
    wanted = topics or tuple(TASKS)
    ran: list[str] = []
    while len(ran) < limit:
        due = [each for each in claimed() if each.topic in wanted]
        if not due:
            return ran
        for each in due:
            TASKS[each.topic](messages=[str(each.id)])
            ran.append(each.topic)
    raise AssertionError(f"there is no end of work: {ran}")


def run_one(topic: str, key: UUID) -> None:
    """Run the task of one outbox message now, due or not."""
    TASKS[topic](messages=[str(message_id(topic, key))])


def message_id(topic: str, key: UUID) -> UUID:
    """The id that a message would hold."""
    with db.system_transaction() as session:
        return session.execute(
            select(OutboxMessage.id).where(OutboxMessage.topic == topic, OutboxMessage.key == key)
        ).scalar_one()


def wait(seconds: float) -> None:
    """Let time pass for everything that asks the database for it."""
    current = settings.current()
    settings.install(replace(current, clock_shift_seconds=current.clock_shift_seconds + seconds))


def claimed(limit: int = 100) -> Sequence[Due]:
    """What the relay would hand out to queues that are empty."""
    with db.scope(source="test"):
        with db.system_autocommit() as autocommit:
            waiting = lanes.waiting(autocommit)
        empty = Queue(out={})
        queues = dict.fromkeys({*(each.topic for each in waiting), *lanes.CALLS}, empty)
        with db.system_transaction() as session:
            return lanes.claim(session, lanes=waiting, queues=queues, limit=limit).due
