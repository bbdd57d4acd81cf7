"""The broker watchdog: a worker that hears nothing from Redis any more is ended.

A way to Redis can go silent without being closed. Three things are needed so that no worker is then
left alive and idle: a read that ends, an error that celery catches, and somebody who looks. What
an ended worker had taken is still open in the outbox, so nothing is lost.
"""

import logging
import os
import signal
import threading
import time
from typing import Any

from celery import Celery, bootsteps
from celery.concurrency.prefork import TaskPool
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from redis import Connection, Redis, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError

logger = logging.getLogger(__name__)

UNRESPONSIVE_AFTER_SECONDS = 60.0
"""For how long messages may wait beside a worker that is idle before it counts as unresponsive,
and for how long its event loop may stand still.

It hears again by itself within 20 seconds of most breaks of the way to Redis.
"""

LOOKS_SECONDS = 5.0
TURNS_SECONDS = 1.0


class _Impatient:
    """A connection that waits for no answer without end.

    redis-py 8.1 lets a subscriber read for ever, whatever its `socket_timeout`. kombu 5.7 reads in
    its event loop, when something can be read: where half a message came before the way went
    silent, the loop stood still, and the worker with it (seen under `pettycash chaos`).
    """

    socket_timeout: float | None

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("timeout", self) is None:
            kwargs["timeout"] = self.socket_timeout
        return super().read_response(*args, **kwargs)  # type: ignore[misc]


class ImpatientConnection(_Impatient, Connection):
    """By TCP."""


class ImpatientTLSConnection(_Impatient, SSLConnection):
    """By TLS."""


_connparams = kombu_redis.Channel._connparams  # type: ignore[attr-defined]


def _guarded_connparams(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Celery 5.7.0 and kombu 5.7.0: a worker with unacked messages ends when Redis restarts.

    Their clean-up meets a closed transport and raises AttributeError, which nothing catches; said
    as a connection error it is ignored as it should be. tests/stack/test_celery.py tells when
    an upgrade makes this needless.
    """
    if self.connection is None or self.connection.client is None:
        raise RedisConnectionError("broker connection is already closed")
    return _connparams(self, *args, **kwargs)


_ack, _reject = kombu_redis.QoS.ack, kombu_redis.QoS.reject


def _acked_here(self: kombu_redis.QoS, delivery_tag: str) -> None:
    """kombu 5.7.0: where Redis could not be told of it, the message counts as unacked here as well.

    celery only logs that. A worker with one place for a message would take no other any more, and
    one with more would have one place less; what Redis still knows comes back and finds it done.
    """
    try:
        _ack(self, delivery_tag)
    finally:
        virtual.QoS.ack(self, delivery_tag)


def _rejected_here(self: kombu_redis.QoS, delivery_tag: str, requeue: bool = False) -> None:
    """The same of a message that is given back."""
    try:
        _reject(self, delivery_tag, requeue)
    finally:
        virtual.QoS.ack(self, delivery_tag)


kombu_redis.Channel._connparams = _guarded_connparams  # type: ignore[attr-defined]
kombu_redis.QoS.ack = _acked_here  # type: ignore[method-assign]
kombu_redis.QoS.reject = _rejected_here  # type: ignore[method-assign]
kombu_redis.Channel.connection_class = ImpatientConnection
kombu_redis.Channel.connection_class_ssl = ImpatientTLSConnection


class Turning(bootsteps.StartStopStep):
    """Counts the turns of a worker's event loop, anew for each connection to the broker."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    turns = 0

    def start(self, consumer: Any) -> None:
        """Called by the loop's own timer, so a loop that stands still counts nothing."""
        consumer.timer.call_repeatedly(TURNS_SECONDS, _turn)


def _turn() -> None:
    Turning.turns += 1


def watch(consumer: Any) -> None:
    """Watch over a worker that has become ready, by a way to Redis of the watch's own."""
    queues = list(consumer.app.amqp.queues.consume_from)
    watch = threading.Thread(
        target=_end_when_unresponsive, args=(consumer, queues), name="broker-watchdog", daemon=True
    )
    watch.start()


def _end_when_unresponsive(consumer: Any, queues: list[str]) -> None:
    """Look every few seconds; looks are counted, since a stopped process gets no older.

    With a pool of processes the event loop only hands out, and never stands still for long. Where
    it runs tasks itself, only an idle worker is judged.
    """
    state = consumer.controller.state
    only_hands_out = isinstance(consumer.pool, TaskPool)
    bad_looks, taken_then, turns_then = 0, 0, -1
    while True:
        time.sleep(LOOKS_SECONDS)
        taken, turns = state.total_count.total(), Turning.turns
        try:
            waiting = _waiting(consumer.app, queues)
        except Exception:
            logger.debug("the broker can't be asked", exc_info=True)
            bad_looks = 0  # nobody hears anything then
            continue
        is_idle = taken == taken_then and not state.reserved_requests
        stands_still = only_hands_out and turns == turns_then
        bad_looks = bad_looks + 1 if stands_still or (waiting and is_idle) else 0
        taken_then, turns_then = taken, turns
        if bad_looks * LOOKS_SECONDS > UNRESPONSIVE_AFTER_SECONDS and not state.should_stop:
            end_hard(
                "the worker's event loop stands still and the worker is ended"
                if stands_still
                else "the worker takes none of the messages that wait for it and is ended"
            )


def _waiting(app: Celery, queues: list[str]) -> int:
    """Messages in queues, asked for as Celery itself would connect."""
    with app.connection_for_read() as connection:
        client: Redis = connection.channel().client  # type: ignore[attr-defined]
        return sum(int(client.llen(queue)) for queue in queues)


def end_hard(why: str) -> None:
    """End this process and those of its group at once."""
    logger.error(why)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)
