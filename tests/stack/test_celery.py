"""Celery as it is configured: what reliability asks for, and what happens when things die."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kombu.transport import redis as kombu_redis
from redis import ConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from pettycash import celery_app, worker_app
from pettycash.runtime import broker_watchdog, config, db
from pettycash.services.operations import heartbeats, periodic_jobs
from pettycash.stack.ports import Ports
from pettycash.stack.processes import Child, ChildSpec
from pettycash.stack.redis import RedisServer
from tests.patience import budget
from tests.servers import Database, wait_until
from tests.zygote import QuickChild

BEATS_A_SECOND = 2
UNRESPONSIVE_AFTER_SECONDS = 4.0
"""In the tests that wait for it."""
SOFT_SECONDS = 8.0
"""The soft shutdown of a busy worker: long, so as to be told from what else a stop takes."""
SLACK_SECONDS = 5.0
"""For a busy machine."""

pytestmark = [pytest.mark.xdist_group("celery"), pytest.mark.timeout(120)]


@contextmanager
def celery(
    tmp_path: Path, environ: dict[str, str], *arguments: str, name: str = "celery"
) -> Iterator[Child]:
    """A celery process on the probe application, ready."""
    spec = ChildSpec(
        name=name,
        title=name,
        command=[sys.executable, "-m", "celery", "-A", "tests.stack.probe_app", *arguments],
        environment=environ
        | {
            "PROBE_FILE": str(tmp_path / "probe"),
            "REMAP_SIGTERM": "SIGQUIT",
            "PROBE_BEATS": str(BEATS_A_SECOND),
        },
    )
    child = QuickChild(spec, tmp_path)
    child.start()
    try:
        assert wait_until(child.probe, 30), child.log_tail(30)
        yield child
    finally:
        child.ask_to_stop()
        wait_until(lambda: child.exit_code() is not None, 10)
        child.finish()


def queued(url: str) -> int:
    """How many messages wait in the queue of beat's probe."""
    with Redis.from_url(url) as client:
        return int(client.llen("pettycash:batch"))


def test_the_settings_are_those_that_reliability_asks_for(database: Database) -> None:
    conf = worker_app.create_worker(database.settings).conf
    options = conf.broker_transport_options
    assert conf.task_time_limit * 2 < options["visibility_timeout"]
    assert options["socket_timeout"] == 5
    assert options["global_keyprefix"] == "pettycash:"
    assert (conf.task_acks_late, conf.task_reject_on_worker_lost) == (True, True)
    assert conf.worker_prefetch_multiplier == 1
    assert conf.worker_cancel_long_running_tasks_on_connection_loss is False
    assert conf.accept_content == ["json"]
    assert conf.broker_connection_max_retries is None
    assert (conf.worker_soft_shutdown_timeout, conf.worker_enable_soft_shutdown_on_idle) == (
        3.0,
        False,
    )


def test_rabbitmq_by_url_gets_quorum_queues(database: Database) -> None:
    environ = database.environ | {"CELERY_BROKER_URL": "amqp://guest@127.0.0.1//"}
    conf = celery_app.create_celery(config.read(environ)).conf
    assert {queue.queue_arguments["x-queue-type"] for queue in conf.task_queues} == {"quorum"}
    assert conf.broker_transport_options == {"confirm_publish": True}


def test_a_task_goes_to_the_queue_of_its_domain(database: Database) -> None:
    router = celery_app.create_celery(database.settings).amqp.router
    for name, queue in (
        ("payments.submit", "payments"),
        ("payments.resolve", "questions"),
        ("otp.send", "codes"),
        ("notifications.acknowledgement_code", "codes"),
        ("callbacks.process", "callbacks"),
        ("notifications.alert", "notices"),
        ("reconciliation.run", "batch"),
    ):
        found = router.route({}, name)["queue"]
        assert (found.name, found.routing_key, found.exchange.name) == (queue, queue, queue)


def test_the_guard_is_still_needed() -> None:
    """Fails when kombu mends it: then take the guard out of `hearing`."""

    class Closed:
        connection = None

    with pytest.raises(AttributeError):
        broker_watchdog._connparams(Closed())
    with pytest.raises(RedisConnectionError):
        kombu_redis.Channel._connparams(Closed())


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda message: message.ack(), id="ack"),
        pytest.param(lambda message: message.reject(), id="reject"),
        pytest.param(lambda message: message.requeue(), id="requeue"),
    ],
)
def test_redis_away_when_a_message_ends_costs_no_place(
    database: Database, tmp_path: Path, end: Callable[[Any], None]
) -> None:
    """A worker with one place would take nothing any more; what Redis holds comes back."""
    server = RedisServer(tmp_path / "redis", Ports(usual=False).take(0), "password")
    server.prepare()
    spec = ChildSpec(
        name="redis", title="Redis", command=server.command(),
        environment={}, probe=server.is_ready,
    )  # fmt: skip
    redis_child = Child(spec, tmp_path)
    redis_child.start()
    assert wait_until(redis_child.probe, 10)
    app = celery_app.create_celery(config.read(database.environ | {"REDIS_URL": server.url()}))
    try:
        app.send_task("payments.slow")
        with app.connection_for_read() as connection:
            channel: Any = connection.channel()
            channel.basic_qos(0, 1, False)
            message = app.amqp.queues["payments"].bind(channel).get()
            assert message is not None
            assert not channel.qos.can_consume()
            redis_child.finish()

            with pytest.raises(RedisConnectionError):
                end(message)

            assert channel.qos.can_consume()
            channel.qos._delivered.clear()  # nothing is left to be given back at the close
    finally:
        redis_child.finish()


def test_redis_sigkill_and_restart_under_a_running_task(live: Database, tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis", Ports(usual=False).take(0), "password")
    server.prepare()
    environ = live.environ | {"REDIS_URL": server.url()}
    probe = tmp_path / "probe"
    probe.touch()
    spec = ChildSpec(
        name="redis", title="Redis", command=server.command(),
        environment={}, probe=server.is_ready,
    )  # fmt: skip
    redis_child = Child(spec, tmp_path)
    redis_child.start()
    assert wait_until(redis_child.probe, 10)
    sender = celery_app.create_celery(config.read(environ))
    arguments = ("worker", "-Q", "payments", "-c", "1", "--without-mingle", "--without-gossip")
    try:
        with celery(tmp_path, environ, *arguments) as worker:
            for round_number, how in enumerate((signal.SIGTERM, signal.SIGKILL)):
                name = f"round-{round_number}"
                sender.send_task("payments.slow", kwargs={"message_id": name})
                assert wait_until(lambda name=name: f"began {name}" in probe.read_text(), 30)
                redis_child.process.send_signal(how)
                assert wait_until(lambda: redis_child.exit_code() is not None, 10)
                time.sleep(3)
                redis_child.start()
                assert wait_until(lambda name=name: f"ended {name}" in probe.read_text(), 30)
                assert wait_until(redis_child.probe, 10)
                assert worker.exit_code() is None, worker.log_tail(30)
            sender.send_task("payments.slow", kwargs={"message_id": "afterwards"})
            assert wait_until(lambda: "ended afterwards" in probe.read_text(), 30)
            assert worker.exit_code() is None, worker.log_tail(30)
    finally:
        redis_child.finish()


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_worker_ends_although_its_broker_went_first(
    live: Database, tmp_path: Path, *, busy: bool
) -> None:
    """Celery would wait for the broker for ever; under `up` nobody would be left to kill it."""
    server = RedisServer(tmp_path / "redis", Ports(usual=False).take(0), "password")
    server.prepare()
    probe = tmp_path / "probe"
    probe.touch()
    spec = ChildSpec(
        name="redis", title="Redis", command=server.command(),
        environment={}, probe=server.is_ready,
    )  # fmt: skip
    redis_child = Child(spec, tmp_path)
    redis_child.start()
    assert wait_until(redis_child.probe, 10)
    environ = live.environ | {"REDIS_URL": server.url(), "PROBE_SOFT_SECONDS": str(SOFT_SECONDS)}
    try:
        with celery(tmp_path, environ, "worker", "-Q", "payments", "-c", "1") as worker:
            if busy:
                sender = celery_app.create_celery(config.read(environ))
                sender.send_task("payments.slow", kwargs={"message_id": "last"})
                assert wait_until(lambda: "began last" in probe.read_text(), 30)
            began = time.monotonic()
            worker.ask_to_stop()
            redis_child.finish()
            bound = (SOFT_SECONDS if busy else 0.0) + worker_app.STUCK_AFTER_SECONDS + SLACK_SECONDS
            assert wait_until(lambda: worker.exit_code() is not None, 30), worker.log_tail(30)
            assert time.monotonic() - began < budget(bound)
        assert ("ended last" in probe.read_text()) is busy, "it had the time to end"
    finally:
        redis_child.finish()


def test_half_open_redis_a_worker_that_hears_nothing_ends(live: Database, tmp_path: Path) -> None:
    """Told not to consume, it is as deaf as one whose way to Redis was lost without a word."""
    probe = tmp_path / "probe"
    probe.touch()
    sender = celery_app.create_celery(config.read(live.environ))
    environ = live.environ | {"PROBE_DEAF_AFTER": str(UNRESPONSIVE_AFTER_SECONDS)}
    with celery(tmp_path, environ, "worker", "-Q", "payments", "-c", "1") as worker:
        for name in ("first", "second"):  # the second waits for longer than a deaf worker may
            sender.send_task("payments.slow", kwargs={"message_id": name})
        assert wait_until(lambda: "ended second" in probe.read_text(), 30)
        time.sleep(UNRESPONSIVE_AFTER_SECONDS * 1.5)
        assert worker.exit_code() is None, "idle is not deaf"

        sender.control.cancel_consumer("payments", reply=True, timeout=10)
        sender.send_task("payments.slow", kwargs={"message_id": "unheard"})
        assert wait_until(lambda: worker.exit_code() is not None, 30), worker.log_tail(30)
    assert "takes none of the messages" in "".join(worker.log_tail(50))
    assert "unheard" not in probe.read_text()
    with celery(tmp_path, live.environ, "worker", "-Q", "payments", "-c", "1", name="next"):
        assert wait_until(lambda: "ended unheard" in probe.read_text(), 30)


def test_a_worker_whose_loop_stands_still_ends(live: Database, tmp_path: Path) -> None:
    """Whatever holds it: nothing is taken, asked or stopped any more in such a worker."""
    sender = celery_app.create_celery(config.read(live.environ))
    environ = live.environ | {"PROBE_DEAF_AFTER": str(UNRESPONSIVE_AFTER_SECONDS)}
    with celery(tmp_path, environ, "worker", "-Q", "payments", "-c", "1") as worker:
        time.sleep(UNRESPONSIVE_AFTER_SECONDS * 1.5)
        assert worker.exit_code() is None, "a loop that turns is let be"
        sender.control.broadcast("stand_still")
        assert wait_until(lambda: worker.exit_code() is not None, 30), worker.log_tail(30)
    assert "event loop stands still" in "".join(worker.log_tail(50))


def test_a_periodic_task_that_kills_its_process_does_not_for_ever(
    live: Database, tmp_path: Path
) -> None:
    """Each time its message is given back, as it was not acknowledged."""
    probe = tmp_path / "probe"
    probe.touch()
    sender = celery_app.create_celery(config.read(live.environ))
    with (
        celery(tmp_path, live.environ, "worker", "-Q", "payments", "-c", "1") as worker,
        Redis.from_url(live.redis_url) as client,
    ):
        sender.send_task("payments.deadly")

        def gives_up() -> bool:
            return "waits for an hour" in "".join(worker.log_tail(100))

        assert wait_until(gives_up, 60, 0.2), worker.log_tail(30)
        assert probe.read_text().count("began") == periodic_jobs.FAILURES_MAX
        assert wait_until(lambda: not client.hlen("pettycash:unacked"), 10)
        assert not client.llen("pettycash:payments")


def test_no_reply_is_waited_for_without_end(live: Database) -> None:
    """A subscriber's read, which redis-py lets wait for ever, ends with the time-out as well."""
    with celery_app.create_celery(config.read(live.environ)).connection() as connection:
        parameters = connection.default_channel._connparams(asynchronous=True)
    assert parameters["socket_timeout"] == 5
    pool = ConnectionPool(**parameters | {"socket_timeout": 0.5})
    with Redis(connection_pool=pool).pubsub() as subscriber:
        subscriber.psubscribe("silence")
        assert subscriber.parse_response()
        with pytest.raises(RedisTimeoutError):
            subscriber.parse_response()


def test_a_second_beat_is_harmless_and_takes_over(live: Database, tmp_path: Path) -> None:
    arguments = ("beat", "--pidfile", "")
    with celery(tmp_path, live.environ, *arguments, name="first") as first:
        assert wait_until(lambda: queued(live.redis_url) > 0, 10)
        with db.system_transaction() as session:
            signs = heartbeats.signs(session, now=session.info["now"])
        assert [each.name for each in signs if each.is_alive] == ["beat"]
        with celery(tmp_path, live.environ, *arguments, name="second"):
            before, began = queued(live.redis_url), time.monotonic()
            time.sleep(4)
            seconds = time.monotonic() - began
            ticks = queued(live.redis_url) - before
            assert ticks <= seconds * BEATS_A_SECOND + 1, "both of them beat"
            assert ticks >= 2, "none of them beats"

            os.kill(first.pid, signal.SIGKILL)
            assert wait_until(lambda: first.exit_code() is not None, 5)
            before = queued(live.redis_url)
            assert wait_until(lambda: queued(live.redis_url) >= before + 3, 10)
