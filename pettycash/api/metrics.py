"""Requests as numbers: how many, how long, how they ended. Served by `health` at /metrics."""

import os
import time

from flask import Flask, Response, g
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess

REQUESTS = Counter(
    "pettycash_http_requests", "Requests by operation and status.", ("operation", "status")
)
SECONDS = Histogram(
    "pettycash_http_request_seconds",
    "Time to an answer, by operation.",
    ("operation",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def install(application: Flask) -> None:
    """Count every request. Labels are names of operations: their number is bounded."""
    application.before_request(_begin)
    application.after_request(_count)


def _begin() -> None:
    g.begun_at = time.monotonic()


def _count(response: Response) -> Response:
    operation = g.get("admitted") or "none"
    REQUESTS.labels(operation, str(response.status_code)).inc()
    if "begun_at" in g:
        SECONDS.labels(operation).observe(time.monotonic() - g.begun_at)
    return response


def exposition() -> bytes:
    """All processes of the API together, in Prometheus' text format."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
    return generate_latest()
