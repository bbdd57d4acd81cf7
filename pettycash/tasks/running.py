"""How every owed task runs: its obligation is counted, its company set, its end remembered.

A task that raises, or kills its process, comes again with backoff and is parked after a bound; a
case tells people. The task itself closes its obligation, in the transaction of its effect.
"""

import functools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from pettycash import db
from pettycash.crash_points import reach
from pettycash.services import lanes, outbox, parked
from pettycash.services.outbox import Begun

logger = logging.getLogger(__name__)


USUAL_SECONDS, GRACE_SECONDS = 90, 30
"""How long a task may take, and how much longer until its process is ended."""

STAYS_SECONDS = 1.0
"""How long a worker goes on with calls of one account, before others have their turn."""


@dataclass(frozen=True, kw_only=True)
class Duty:
    """What a task is asked to do: `key` is the thing that the obligation is about."""

    obligation_id: UUID
    topic: str
    key: UUID
    company_id: UUID


def owed_task(
    topic: str, *, seconds: int = USUAL_SECONDS
) -> Callable[[Callable[[Duty], None]], Callable[..., None]]:
    """Make a function the Celery task of a topic. It is called in the scope of its company.

    After `seconds` it is told to end, and ended half a minute later.

    The function opens its own transactions, talks to the network between them only, and calls
    `outbox.done` or `outbox.postpone`; safe to run twice and to be killed at any line.
    """

    def decorator(function: Callable[[Duty], None]) -> Callable[..., None]:
        @shared_task(name=topic, soft_time_limit=seconds, time_limit=seconds + GRACE_SECONDS)
        @functools.wraps(function)
        def task(
            *,
            messages: Sequence[str] = (),
            obligation_id: str | None = None,  # of messages from before there were lists
            **_from_newer_publishers: object,
        ) -> None:
            ids = [*messages, *([obligation_id] if obligation_id else [])]
            stays_until = time.monotonic() + STAYS_SECONDS if topic in lanes.CALLS else 0.0
            run_all(topic, [UUID(each) for each in ids], function, stays_until=stays_until)

        made: Callable[..., None] = task
        return made

    return decorator


def run_all(
    topic: str,
    obligation_ids: Sequence[UUID],
    function: Callable[[Duty], None],
    *,
    stays_until: float = 0.0,
) -> None:
    """Run the tasks of several obligations, one after the other; each is counted by itself.

    After the last of them what is due next in its lane, until an instant of the monotonic clock.

    The error of one keeps none of the others from running, and the first is raised at the end. One
    that uses up the time leaves those after it to another message: they stay due.
    """
    errors: list[Exception] = []
    for number, obligation_id in enumerate(obligation_ids, start=1):
        is_last = number == len(obligation_ids)
        try:
            run(topic, obligation_id, function, stays_until=stays_until if is_last else 0.0)
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
    obligation_id: UUID,
    function: Callable[[Duty], None],
    *,
    stays_until: float = 0.0,
) -> None:
    """Run one obligation's task now, in this process, and what `run_all` says of those after it."""
    with db.scope(source=f"task:{topic}", request_id=str(obligation_id), actor_id=None):
        with db.system_glance() as glance:
            row = outbox.begin(glance, obligation_id=obligation_id)
        if row is None:
            reach("tasks.begun")
            logger.info("nothing is owed any more", extra={"obligation_id": str(obligation_id)})
            return
        if row.topic != topic:
            raise ValueError(f"obligation {obligation_id} is owed to {row.topic}, not to {topic}")
        while row is not None:
            reach("tasks.begun")
            with db.scope(company_id=row.company_id, request_id=row.request_id or str(row.id)):
                if row.is_parked:
                    _tell(row, parked.BEGAN_TOO_OFTEN)
                    return
                _run(row, function)
            row = _end(row, goes_on=time.monotonic() < stays_until)


def _end(row: Begun, *, goes_on: bool) -> Begun | None:
    with db.system_glance() as glance:
        if goes_on:
            return lanes.following(glance, ended=row.id)
        outbox.ended(glance, obligation_id=row.id)
        return None


def _run(row: Begun, function: Callable[[Duty], None]) -> None:
    duty = Duty(obligation_id=row.id, topic=row.topic, key=row.key, company_id=row.company_id)
    about = {"obligation_id": str(row.id), "key": str(row.key)}
    begun = time.monotonic()
    try:
        function(duty)
    except Exception as error:
        reason = without_values(error)
        logger.exception("task failed", extra={**about, "error": reason})
        with db.system_transaction() as session:
            gave_up = outbox.failed(session, obligation_id=row.id, error=reason)
        if gave_up:
            _tell(row, reason)
        raise
    logger.info("task ended", extra={**about, "ms": int((time.monotonic() - begun) * 1000)})


def _tell(row: Begun, reason: str) -> None:
    logger.error("obligation parked", extra={"obligation_id": str(row.id), "topic": row.topic})
    with db.transaction() as session:
        parked.tell(session, obligation_id=row.id, topic=row.topic, key=row.key, reason=reason)


def without_values(error: Exception) -> str:
    """The kind of an error and, of a database error, not its parameters: they may be personal."""
    original = getattr(error, "orig", None)
    if original is not None:
        return f"{type(error).__name__}: {str(original).splitlines()[0]}"[:500]
    return f"{type(error).__name__}: {error}"[:500]
