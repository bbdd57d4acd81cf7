"""Whether a part works again, and what became of the attempts that a killed worker had."""

import logging
import threading
import time
from uuid import UUID

from celery import Celery
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError
from sqlalchemy import exists, func, select
from sqlalchemy.exc import SQLAlchemyError

from pettycash.lab.chaos.clients import Clients
from pettycash.lab.chaos.paying import House
from pettycash.lab.chaos.system import System
from pettycash.models.operations import Case, CaseStatus, Heartbeat
from pettycash.models.payments import ON_THE_WAY, AttemptState, Payment, PaymentAttempt
from pettycash.runtime import db
from pettycash.stack import probes

logger = logging.getLogger(__name__)

PULSE_SECONDS = 0.5
QUEUE_HEARTBEAT_SECONDS = 1.0
WIRED = (AttemptState.CLAIMED, AttemptState.SENDING)
"""What a worker has in its hands."""
DECIDED = (AttemptState.SETTLED, AttemptState.REJECTED)

QUEUE_OF = {
    "worker": "payments",
    "worker child": "payments",
    "redis": "payments",
    "worker-codes": "codes",
    "worker-callbacks": "callbacks",
    "worker-batch": "batch",
}
"""Part → the queue in which a heartbeat must arrive to show that it works."""


class Watch:
    """Asks the running system itself: heartbeats, canaries, the API, the servers."""

    def __init__(self, system: System, clients: Clients, celery: Celery) -> None:
        self._system = system
        self._clients = clients
        self._celery = celery
        self._next_heartbeat = 0.0

    def works(self, part: str, since: float) -> bool:
        """Whether a part has shown since a moment (time.monotonic) that it works."""
        if part in QUEUE_OF:
            return self._sings(QUEUE_OF[part], since)
        if part in ("relay", "beat"):
            return self.beats(part, since)
        if part in ("simulator-mpesa", "rail"):
            return probes.answers_ok(f"{self._system.rail_url}/_sim/health")()
        return self._clients.answers()

    def sing(self, queue: str) -> None:
        """Send a heartbeat into a queue, at most one a second."""
        now = time.monotonic()
        if now < self._next_heartbeat:
            return
        self._next_heartbeat = now + QUEUE_HEARTBEAT_SECONDS
        try:
            self._celery.send_task("heartbeats.beat", kwargs={"queue": queue}, queue=queue)
        except (BrokerError, RedisError, OSError):
            logger.info("the broker takes no heartbeat", exc_info=True)

    def _sings(self, queue: str, since: float) -> bool:
        self.sing(queue)
        return self.beats(f"queue:{queue}", since)

    def beats(self, name: str, since: float) -> bool:
        """Whether a sign of life is younger than a moment of this process's clock.

        Its age is PostgreSQL's, so that no two clocks are compared.
        """
        elapsed = time.monotonic() - since
        try:
            with db.scope(source="chaos"), db.system_transaction() as session:
                age = session.execute(
                    select(
                        func.extract("epoch", func.clock_timestamp() - Heartbeat.beaten_at)
                    ).where(Heartbeat.name == name)
                ).scalar_one_or_none()
        except SQLAlchemyError:
            return False
        return age is not None and float(age) < elapsed


class Pulse(threading.Thread):
    """Counts what is on its way twice a second, apart from the thread that starts processes."""

    def __init__(self, house: House, clients: Clients) -> None:
        super().__init__(name="pulse", daemon=True)
        self._house = house
        self._clients = clients
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._orphans: dict[UUID, float] = {}
        self.decided_seconds: list[float] = []
        """For each attempt that a worker had when it was killed: until it was decided."""

    def run(self) -> None:
        """Count until stopped."""
        while not self._stopping.wait(PULSE_SECONDS):
            try:
                self._beat()
            except SQLAlchemyError:
                logger.debug("the pulse can't count", exc_info=True)

    def stop(self) -> None:
        """End after this count."""
        self._stopping.set()

    def note_orphans(self) -> int:
        """Remember the attempts that are in a worker's hands now; how many there are."""
        try:
            with self._house.scope(), db.transaction() as session:
                found = (
                    session.execute(
                        select(PaymentAttempt.id).where(PaymentAttempt.state.in_(WIRED))
                    )
                    .scalars()
                    .all()
                )
        except SQLAlchemyError:
            return 0
        now = time.monotonic()
        with self._lock:
            for each in found:
                self._orphans.setdefault(each, now)
        return len(found)

    def forget_orphans(self) -> None:
        """After a restore nobody knows them any more."""
        with self._lock:
            self._orphans.clear()

    def _beat(self) -> None:
        with self._lock:
            waiting = dict(self._orphans)
        with self._house.scope(), db.transaction() as session:
            # Who is a case may stay so for ever, and must not take a place from the others.
            is_case = exists().where(
                Case.object_id == Payment.id, Case.status != CaseStatus.RESOLVED
            )
            self._clients.on_the_way = session.execute(
                select(func.count()).where(Payment.status.in_(ON_THE_WAY), ~is_case)
            ).scalar_one()
            decided = (
                session.execute(
                    select(PaymentAttempt.id)
                    .outerjoin(
                        Case,
                        (Case.object_id == PaymentAttempt.payment_id)
                        & (Case.status != CaseStatus.RESOLVED),
                    )
                    .where(
                        PaymentAttempt.id.in_(waiting),
                        PaymentAttempt.state.in_(DECIDED) | Case.id.is_not(None),
                    )
                )
                .scalars()
                .all()
            )
        now = time.monotonic()
        with self._lock:
            for each in set(decided):
                if each in self._orphans:
                    self.decided_seconds.append(now - self._orphans.pop(each))
