"""What beat owes the queues, as data. Each entry does "all that is due", no "run of 14:00".

`expires` keeps a stopped queue from filling with copies that would all do the same.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from celery.schedules import crontab

QUEUES = ("payments", "notifications", "default", "batch")

CANARY_SECONDS = 60.0

SCHEDULE: Mapping[str, Mapping[str, Any]] = {
    **{
        f"canary-{queue}": {
            "task": "canary.sing",
            "schedule": timedelta(seconds=CANARY_SECONDS),
            "kwargs": {"queue": queue},
            "options": {"queue": queue, "expires": CANARY_SECONDS},
        }
        for queue in QUEUES
    },
    "replenishments-sweep": {
        "task": "replenishments.sweep",
        "schedule": timedelta(minutes=10),
        "options": {"expires": 600},
    },
    "reconciliation-nightly": {
        "task": "reconciliation.run_nightly",
        # Company time decides whether a company's night has come, so it is asked all day long.
        "schedule": timedelta(minutes=15),
        "options": {"expires": 900},
    },
    "ledger-partitions": {
        "task": "ledger.ensure_partitions",
        "schedule": crontab(hour="*/6", minute="20"),
        "options": {"expires": 3600},
    },
    "outbox-sweep-out": {
        "task": "outbox.sweep_out",
        "schedule": crontab(hour="*", minute="40"),
        "options": {"expires": 3600},
    },
}
