"""The schedule of beat, as data. Each entry does "all that is due", no "run of 14:00".

Nothing but a heartbeat expires: expiry compares two hosts' clocks; a worker whose clock is ahead
would drop everything.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from celery.schedules import crontab

QUEUES = ("payments", "questions", "codes", "callbacks", "notices", "batch")

QUEUE_HEARTBEAT_SECONDS = 60.0

SCHEDULE: Mapping[str, Mapping[str, Any]] = {
    **{
        f"heartbeat-{queue}": {
            "task": "heartbeats.beat",
            "schedule": timedelta(seconds=QUEUE_HEARTBEAT_SECONDS),
            "kwargs": {"queue": queue},
            "options": {"queue": queue, "expires": QUEUE_HEARTBEAT_SECONDS},
        }
        for queue in QUEUES
    },
    "replenishments-sweep": {
        "task": "replenishments.sweep",
        "schedule": timedelta(minutes=10),
    },
    "reconciliation-nightly": {
        "task": "reconciliation.run_nightly",
        # Company time decides when a company's nightly hour has come, so it is asked all day long.
        "schedule": timedelta(minutes=15),
    },
    "notices-daily": {
        "task": "notifications.daily",
        # As above: each company has its own morning.
        "schedule": timedelta(minutes=15),
    },
    "ledger-partitions": {
        "task": "ledger.ensure_partitions",
        "schedule": crontab(hour="*/6", minute="20"),
    },
    "outbox-sweep-out": {
        "task": "outbox.sweep_out",
        "schedule": crontab(hour="*", minute="40"),
    },
    "identity-sweep-out": {
        "task": "identity.sweep_out",
        "schedule": crontab(hour="*", minute="50"),
    },
    "reports-sweep-out": {
        "task": "reports.sweep_out",
        "schedule": crontab(hour="*", minute="55"),
    },
}
