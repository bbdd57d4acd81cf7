"""Requests, open messages and signs of life as numbers. Served by `health` at /metrics.

Requests are counted where they are answered; open messages and signs of life are asked of the
database at each scrape, so that every process tells the same.
"""

import logging
import os
import time
from collections.abc import Iterable, Iterator

from flask import Flask, Response, g
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from pettycash.runtime import db
from pettycash.services.operations import heartbeats, outbox_messages, periodic_jobs
from pettycash.services.reconciliation import invariants

logger = logging.getLogger(__name__)

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


class Background(Collector):
    """Open messages, and the workers that live, at the moment of the scrape."""

    def collect(self) -> Iterator[Metric]:
        try:
            with db.system_transaction() as session:
                counts = outbox_messages.counts(session)
                jobs = periodic_jobs.failures(session)
                parts = heartbeats.signs(session, now=session.info["now"])
                strays = invariants.rows_in_rest(session)
        except SQLAlchemyError:
            logger.warning("the database does not answer a scrape", exc_info=True)
            yield GaugeMetricFamily("pettycash_database_up", "Whether it answered.", value=0)
            return
        yield GaugeMetricFamily("pettycash_database_up", "Whether it answered.", value=1)
        yield _gauge(
            "pettycash_outbox_messages",
            "Open outbox messages by topic and state; dead-lettered ones wait for operations.",
            ("topic", "state"),
            (
                ((each.topic, state), count)
                for each in counts
                for state, count in (
                    ("due", each.due),
                    ("waiting", each.waiting),
                    ("dead_lettered", each.dead_lettered),
                )
            ),
        )
        yield _gauge(
            "pettycash_outbox_failing",
            "Outbox messages that began some times in a row without coming to an end.",
            ("topic",),
            (((each.topic,), each.failing) for each in counts),
        )
        yield _gauge(
            "pettycash_periodic_job_failures",
            "How often in a row a periodic job has not come to its end.",
            ("job",),
            (((name,), failures) for name, failures in jobs),
        )
        yield _gauge(
            "pettycash_outbox_late_seconds",
            "For how long the oldest due outbox message of a topic has been due out of its turn.",
            ("topic",),
            (((each.topic,), each.late_seconds) for each in counts),
        )
        yield _gauge(
            "pettycash_heartbeat_age_seconds",
            "Since when a background part was last heard of; absent: never.",
            ("part",),
            (((each.name,), each.age_seconds) for each in parts if each.age_seconds is not None),
        )
        yield _gauge(
            "pettycash_rows_in_rest",
            "Rows outside of every month's partition, up to 1,000 of a table; absent: none.",
            ("table",),
            (((table,), count) for table, count in strays.items()),
        )


def _gauge(
    name: str,
    documentation: str,
    labels: tuple[str, ...],
    samples: Iterable[tuple[tuple[str, ...], float]],
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, documentation, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def exposition() -> bytes:
    """All processes of the API together and the background parts, in Prometheus' text format."""
    background = CollectorRegistry()
    background.register(Background())
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry) + generate_latest(background)
    return generate_latest() + generate_latest(background)
