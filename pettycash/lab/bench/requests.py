"""POSTs over HTTP to the API as `up` serves it, beside a bare Flask route with one INSERT.

Both stand behind gunicorn with the same configuration and are asked over eight connections at
once. The API does everything: session, scope, limits, idempotency, rules, audit fields, answer.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pettycash.lab.bench import bare, http_load
from pettycash.lab.bench.benchmark import Benchmark, at_least
from pettycash.lab.bench.stage import Stage
from pettycash.lab.chaos.paying import REQUESTER, House
from pettycash.models.base import new_id
from pettycash.stack import postgres, probes
from pettycash.stack.ports import LOOPBACK
from pettycash.stack.processes import ChildSpec

AGAINST = "bare Flask + 1 INSERT by psycopg2, same gunicorn"


WIRE: dict[str, Any] = {
    "kind": "expense",
    "origin": "branch",
    "amount": "20.00",
    "currency": "KES",
    "purpose": "Water for the office",
    "payee_name": "Spring Water",
    "method": "mpesa",
    "destination": "0712345678",
    "lines": [{"description": "Water", "amount": "20.00", "category": "utilities"}],
}
"""A requisition as a client sends it."""


@dataclass(frozen=True)
class Endpoints:
    """Where clients are served: the API, and the bare route."""

    house: House
    cursor: Any
    api_port: int
    bare_port: int
    sized: Callable[[int], int]


def setup(stage: Stage) -> Endpoints:
    """Start both servers, and warm their workers up."""
    stage.compose()
    stage.superuser().cursor().execute(
        f"{bare.TABLE}; GRANT INSERT ON bench_rows TO {postgres.APP_ROLE}"
    )
    stage.start("api")
    bare_port = stage.plan.ports.take(0)
    stage.launch([_bare_spec(stage, bare_port)])
    counter = Endpoints(
        house=House.find(),
        cursor=stage.superuser().cursor(),
        api_port=stage.plan.port("api"),
        bare_port=bare_port,
        sized=lambda full: stage.sized(full, quick=max(full // 50, 4)),
    )
    _raise(counter, 200)
    # Each connection compiles the triggers of a release, and plans its statements, just once.
    _execute(counter, 200)
    _bare(counter, 200)
    return counter


def _bare_spec(stage: Stage, port: int) -> ChildSpec:
    return ChildSpec(
        name="bare",
        title="bare Flask",
        environment=stage.plan.app_environment,
        command=[
            sys.executable,
            "-m",
            "gunicorn",
            "--config=python:pettycash.stack.gunicorn_conf",
            f"--bind={LOOPBACK}:{port}",
            "pettycash.lab.bench.bare:application",
        ],
        probe=probes.tcp(f"tcp://{LOOPBACK}:{port}", port),
    )


def _raise(counter: Endpoints, count: int) -> float:
    token = counter.house.token(REQUESTER)
    requests = [
        http_load.post("/api/requisitions/", WIRE, _headers(token))
        for _ in range(counter.sized(count))
    ]
    return http_load.rate(counter.api_port, requests)


def _execute(counter: Endpoints, count: int) -> float:
    token = counter.house.token()
    requests = [
        http_load.post(
            f"/api/payments/{counter.house.pay(number).id}/execute/", None, _headers(token)
        )
        for number in range(counter.sized(count))
    ]
    # A live database knows how large its tables are; plans of an empty one would be kept.
    counter.cursor.execute("ANALYZE")
    return http_load.rate(counter.api_port, requests)


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Idempotency-Key": str(new_id())}


def _bare(counter: Endpoints, count: int) -> float:
    requests = [http_load.post("/rows", WIRE)] * counter.sized(count)
    return http_load.rate(counter.bare_port, requests)


BENCHMARKS = (
    Benchmark(
        name="post-requisition",
        what="POST requisition: session, scope, idempotency, audit fields",
        against=AGAINST,
        unit="requests/s",
        goal=at_least(0.3),
        setup=setup,
        measured=lambda counter: _raise(counter, 600),
        reference=lambda counter: _bare(counter, 2_000),
    ),
    Benchmark(
        name="post-execute",
        what="POST execute: every check, hold, execution, outbox",
        against=AGAINST,
        unit="requests/s",
        goal=at_least(0.2),
        setup=setup,
        measured=lambda counter: _execute(counter, 200),
        reference=lambda counter: _bare(counter, 2_000),
    ),
)
