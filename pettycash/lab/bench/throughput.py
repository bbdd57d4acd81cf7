"""Payments from their release to their settlement, beside messages that do nothing."""

import sys
import time
from dataclasses import dataclass
from uuid import uuid4

from redis import Redis

from pettycash.celery_app import BROKER_OPTIONS
from pettycash.lab.bench import noop, released
from pettycash.lab.bench.benchmark import Benchmark, at_least
from pettycash.lab.bench.released import HeldStack, wait_for
from pettycash.lab.bench.stage import Stage
from pettycash.stack.processes import ChildSpec
from pettycash.stack.redis import RedisServer

CHILDREN = 4
"""As many as the largest of our workers has."""
NOOP_DATABASE = 1
PREFIX = str(BROKER_OPTIONS["global_keyprefix"])


@dataclass(frozen=True)
class Traffic:
    """The stack with everything that a payment passes, and a worker beside it that does nothing."""

    line: HeldStack
    payments: int
    messages: int
    redis: RedisServer


def setup(stage: Stage) -> Traffic:
    """The whole way of a payment, the rail's simulator included."""
    line = released.open_line(stage)
    server = stage.plan.redis
    worker = ChildSpec(
        name="noop",
        title="no-op worker",
        command=[
            *(sys.executable, "-m", "celery", "-A", "pettycash.lab.bench.noop", "worker"),
            *("-Q", noop.QUEUE, "--concurrency", str(CHILDREN), "--without-gossip"),
            *("--without-mingle", "--loglevel", "WARNING"),
        ],
        environment=stage.plan.app_environment | {"REDIS_URL": server.url(NOOP_DATABASE)},
    )
    stage.launch([worker])
    return Traffic(
        line=line,
        payments=stage.sized(200, quick=5),
        messages=stage.sized(2_000, quick=50),
        redis=server,
    )


def _settle(traffic: Traffic) -> float:
    line = traffic.line
    paid = line.release(traffic.payments)
    began = line.go()
    wait_for(lambda: line.settled(paid) == len(paid), "settling the payments")
    seconds = time.monotonic() - began
    line.forget_questions()
    return len(paid) / seconds


def _do_nothing(traffic: Traffic) -> float:
    url = traffic.redis.url(NOOP_DATABASE)
    with Redis.from_url(url) as client, noop.create(url) as celery:
        began = time.monotonic()
        for _ in range(traffic.messages):
            celery.send_task(noop.TASK, kwargs={"messages": [str(uuid4())]})

        def is_drained() -> bool:
            waiting = client.llen(PREFIX + noop.QUEUE)
            return not waiting and not client.hlen(PREFIX + "unacked")

        wait_for(is_drained, "doing nothing")
        return traffic.messages / (time.monotonic() - began)


BENCHMARKS = (
    Benchmark(
        name="payments",
        what="payments released to settled: relay, Celery, HTTP to the simulator and back",
        against="no-op Celery task with late ack",
        unit="1/s",
        goal=at_least(0.15),
        setup=setup,
        measured=_settle,
        reference=_do_nothing,
    ),
)
