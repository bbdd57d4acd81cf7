"""The children of a plan: command, environment, probe and place in the order."""

import sys
from dataclasses import dataclass

from pettycash.stack import postgres, probes, redis
from pettycash.stack.plan import FLOWER_USER, StackPlan
from pettycash.stack.ports import LOOPBACK
from pettycash.stack.processes import ChildSpec

SERVERS, OUTSIDE, OURS = 0, 1, 2
"""Tiers: what keeps data; what stands for the world outside; our own processes."""


@dataclass(frozen=True)
class Worker:
    """Which queues one worker serves, and how many tasks it runs at once."""

    queues: tuple[str, ...]
    at_once: int = 1

    @property
    def pool(self) -> tuple[str, ...]:
        """One at a time it runs itself, which spares the child: 25 MB."""
        if self.at_once == 1:
            return ("--pool", "solo")
        return ("--concurrency", str(self.at_once))


WORKERS = {
    "worker": Worker(("payments", "questions", "callbacks"), at_once=4),
    "worker-codes": Worker(("codes",)),
    "worker-callbacks": Worker(("callbacks",)),
    "worker-batch": Worker(("notices", "batch")),
}
"""Codes and callbacks have a process each: no slow mail server, flood of callbacks, silent rail or
long night keeps them waiting. `worker` runs more at once than one provider account may have on the
wire, and helps with callbacks: one process alone settles no more than twenty payments a second."""

SIMULATOR_OPTIONS = {"mpesa": ("--shortcode", "600992", "--shortcode", "600993")}
"""Rail → what its simulator is told: here a till for each of the demo's two companies."""


def postgres_spec(plan: StackPlan) -> ChildSpec:
    server = plan.postgres
    return ChildSpec(
        name="postgres",
        title="PostgreSQL",
        tier=SERVERS,
        command=server.command(),
        environment=server.environment(),
        url=f"{LOOPBACK}:{server.port}",
        probe=server.is_ready,
        stop_signal=postgres.STOP_SIGNAL,
        popen={"cwd": "/"} | server.run_as.popen,
    )


def redis_spec(plan: StackPlan) -> ChildSpec:
    server = plan.redis
    return ChildSpec(
        name="redis",
        title="Redis",
        tier=SERVERS,
        command=server.command(),
        environment=dict(plan.environ),
        url=f"{LOOPBACK}:{server.port}",
        probe=server.is_ready,
        stop_signal=redis.STOP_SIGNAL,
    )


def own_servers(plan: StackPlan) -> list[tuple[str, str, int]]:
    """Servers that are not ours to start: title, URL, usual port."""
    found = []
    if plan.own_database:
        found.append(("PostgreSQL (yours)", plan.environ["DATABASE_URL"], 5432))
    if plan.own_redis:
        found.append(("Redis (yours)", plan.environ["REDIS_URL"], 6379))
    return found


def outside(plan: StackPlan) -> list[ChildSpec]:
    """What stands for the world outside: the mailbox and the rails' simulators."""
    if plan.is_production:
        return []
    found = [_simulator(plan, "mpesa")]
    if not plan.own_mail:
        url = plan.local_url("mailbox")
        command = _python(
            "-m",
            "pettycash.lab.mailbox",
            "--port",
            str(plan.port("mailbox")),
            "--smtp-port",
            str(plan.port("smtp")),
            "--folder",
            str(plan.folder.mailbox),
        )
        found.append(
            ChildSpec(
                name="mailbox",
                title="mailbox",
                tier=OUTSIDE,
                command=command,
                environment=dict(plan.environ),
                url=url,
                probe=probes.answers_ok(f"{url}/healthz"),
            )
        )
    return found


def _simulator(plan: StackPlan, rail: str) -> ChildSpec:
    name = f"simulator-{rail}"
    url = plan.local_url(name)
    state = plan.folder.simulators / rail
    command = _python(
        "-m",
        f"pettycash.lab.simulators.{rail}",
        "--host",
        LOOPBACK,
        "--port",
        str(plan.port(name)),
        "--state",
        str(state),
        *SIMULATOR_OPTIONS[rail],
    )
    return ChildSpec(
        name=name,
        title=f"simulator {rail}",
        tier=OUTSIDE,
        command=command,
        environment=dict(plan.environ),
        url=url,
        probe=probes.answers_ok(f"{url}/_sim/health"),
    )


def one_shots(plan: StackPlan) -> list[ChildSpec]:
    """What runs to its end before our processes start: migrations, then demo data."""
    found = [
        ChildSpec(
            name="migrations",
            title="migrations",
            command=pettycash("db", "upgrade"),
            environment=plan.environment,
        )
    ]
    if not plan.is_production:
        found.append(
            ChildSpec(
                name="seed",
                title="seed",
                command=pettycash("seed"),
                environment=plan.environment,
            )
        )
    return found


def story(plan: StackPlan) -> ChildSpec:
    """What tells the demo's past, once all is up."""
    return ChildSpec(
        name="story",
        title="demo story",
        tier=OURS,
        command=pettycash("demo", "story"),
        environment=plan.app_environment,
    )


def ours(plan: StackPlan) -> list[ChildSpec]:
    """Our own processes, in the order in which they start."""
    return [
        _api(plan),
        _relay(plan),
        *_workers(plan),
        _beat(plan),
        _flower(plan),
    ]


def _api(plan: StackPlan) -> ChildSpec:
    url = plan.api_url
    metrics = str(plan.folder.path / "metrics")
    return ChildSpec(
        name="api",
        title="API",
        tier=OURS,
        environment=plan.app_environment | {"PROMETHEUS_MULTIPROC_DIR": metrics},
        url=url,
        command=_python(
            "-m",
            "gunicorn",
            "--config=python:pettycash.stack.gunicorn_conf",
            f"--bind={LOOPBACK}:{plan.port('api')}",
            "pettycash.lab.demo.sign_in:app()" if plan.is_development else "wsgi:app",
        ),
        probe=probes.answers_ok(f"{plan.local_url('api')}/healthz"),
    )


def _relay(plan: StackPlan) -> ChildSpec:
    return ChildSpec(
        name="relay",
        title="relay",
        tier=OURS,
        command=_python("-m", "pettycash.relay"),
        environment=plan.app_environment,
    )


def _workers(plan: StackPlan) -> list[ChildSpec]:
    return [
        ChildSpec(
            name=name,
            title=name,
            tier=OURS,
            environment=plan.app_environment,
            command=_celery(
                "worker",
                "-Q",
                ",".join(worker.queues),
                "-n",
                f"{name}@%h",
                *worker.pool,
                "--without-gossip",
                "--without-mingle",
                "--loglevel",
                "INFO",
            ),
        )
        for name, worker in WORKERS.items()
    ]


def _beat(plan: StackPlan) -> ChildSpec:
    return ChildSpec(
        name="beat",
        title="beat",
        tier=OURS,
        environment=plan.app_environment,
        command=_celery("beat", "--pidfile", "", "--loglevel", "INFO"),
    )


def _flower(plan: StackPlan) -> ChildSpec:
    url = plan.environment["PETTYCASH_FLOWER_URL"]
    credentials = f"{FLOWER_USER}:{plan.secrets['flower_password']}"
    return ChildSpec(
        name="flower",
        title="Flower",
        tier=OURS,
        url=url,
        environment=plan.app_environment | {"FLOWER_BASIC_AUTH": credentials},
        command=_celery(
            "flower",
            f"--address={LOOPBACK}",
            f"--port={plan.port('flower')}",
            "--read_only",
        ),
        probe=probes.answers_ok(f"{plan.local_url('flower')}/healthcheck"),
    )


def _python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def pettycash(*arguments: str) -> list[str]:
    """A command of ours, run by this Python."""
    return _python("-m", "pettycash", *arguments)


def _celery(*arguments: str) -> list[str]:
    return _python("-m", "pettycash.stack.celery_command", *arguments)
