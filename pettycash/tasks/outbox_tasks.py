"""How every outbox task runs: its message is counted, its company set, its end recorded.

A task that raises, or kills its process, comes again with backoff; after a bound its message is
dead-lettered and a case opened. The task completes its message in the transaction of its effect.
"""

import functools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from pettycash.runtime import db
from pettycash.runtime.crash_points import crash_point
from pettycash.services.foundation import outbox
from pettycash.services.foundation.outbox import Begun
from pettycash.services.operations import dead_letters, lanes

logger = logging.getLogger(__name__)


USUAL_SECONDS, GRACE_SECONDS = 90, 30
"""How long a task may take, and how much longer until its process is ended."""

STAYS_SECONDS = 1.0
"""How long a worker goes on with calls of one account, before others have their turn."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """The work of a task: `key` is the thing that its message is about."""

    message_id: UUID
    topic: str
    key: UUID
    company_id: UUID


def outbox_task(
    topic: str, *, seconds: int = USUAL_SECONDS
) -> Callable[[Callable[[Job], None]], Callable[..., None]]:
    """Make a function the Celery task of a topic. It is called in the scope of its company.

    After `seconds` it is told to end, and ended half a minute later.

    The function opens its own transactions, talks to the network between them only, and calls
    `outbox.complete` or `outbox.reschedule`; safe to run twice and to be killed at any line.
    """

    def decorator(function: Callable[[Job], None]) -> Callable[..., None]:
        @shared_task(name=topic, soft_time_limit=seconds, time_limit=seconds + GRACE_SECONDS)
        @functools.wraps(function)
        def task(
            *,
            messages: Sequence[str] = (),
            **_from_newer_publishers: object,
        ) -> None:
            stays_until = time.monotonic() + STAYS_SECONDS if topic in lanes.CALLS else 0.0
            run_all(topic, [UUID(each) for each in messages], function, stays_until=stays_until)

        made: Callable[..., None] = task
        return made

    return decorator


def run_all(
    topic: str,
    message_ids: Sequence[UUID],
    function: Callable[[Job], None],
    *,
    stays_until: float = 0.0,
) -> None:
    """Run the tasks of several outbox messages, one after the other; each is counted by itself.

    After the last of them what is due next in its lane, until an instant of the monotonic clock.

    The error of one keeps none of the others from running, and the first is raised at the end. One
    that uses up the time leaves those after it to another message: they stay due.
    """
    errors: list[Exception] = []
    for number, message_id in enumerate(message_ids, start=1):
        is_last = number == len(message_ids)
        try:
            run(topic, message_id, function, stays_until=stays_until if is_last else 0.0)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            if errors:
                logger.exception("one more task failed", extra={"topic": topic})
            errors.append(error)
    if errors:
        raise errors[0]


def run(
    topic: str,
    message_id: UUID,
    function: Callable[[Job], None],
    *,
    stays_until: float = 0.0,
) -> None:
    """Run the task of one outbox message in this process, and those after it as in `run_all`."""
    with db.scope(source=f"task:{topic}", request_id=str(message_id), actor_id=None):
        with db.system_autocommit() as autocommit:
            row = outbox.begin(autocommit, message_id=message_id)
        if row is None:
            logger.info("the message is completed already", extra={"message_id": str(message_id)})
            return
        if row.topic != topic:
            raise ValueError(f"outbox message {message_id} is for {row.topic}, not for {topic}")
        while row is not None:
            crash_point("tasks.begun")
            with db.scope(company_id=row.company_id, request_id=row.request_id or str(row.id)):
                if row.is_dead_lettered:
                    _open_case(row, dead_letters.BEGAN_TOO_OFTEN)
                    return
                _run(row, function)
            row = _end(row, goes_on=time.monotonic() < stays_until)


def _end(row: Begun, *, goes_on: bool) -> Begun | None:
    with db.system_autocommit() as autocommit:
        if goes_on:
            return lanes.following(autocommit, ended=row.id)
        outbox.ended(autocommit, message_id=row.id)
        return None


def _run(row: Begun, function: Callable[[Job], None]) -> None:
    job = Job(message_id=row.id, topic=row.topic, key=row.key, company_id=row.company_id)
    about = {"message_id": str(row.id), "key": str(row.key)}
    begun = time.monotonic()
    try:
        function(job)
    except Exception as error:
        reason = without_values(error)
        logger.exception("task failed", extra={**about, "error": reason})
        with db.system_transaction() as session:
            gave_up = outbox.failed(session, message_id=row.id, error=reason)
        if gave_up:
            _open_case(row, reason)
        raise
    logger.info("task ended", extra={**about, "ms": int((time.monotonic() - begun) * 1000)})


def _open_case(row: Begun, reason: str) -> None:
    logger.error(
        "outbox message dead-lettered", extra={"message_id": str(row.id), "topic": row.topic}
    )
    with db.transaction() as session:
        dead_letters.open_case(
            session, message_id=row.id, topic=row.topic, key=row.key, reason=reason
        )


def without_values(error: Exception) -> str:
    """The kind of an error and, of a database error, not its parameters: they may be personal."""
    original = getattr(error, "orig", None)
    if original is not None:
        return f"{type(error).__name__}: {str(original).splitlines()[0]}"[:500]
    return f"{type(error).__name__}: {error}"[:500]
