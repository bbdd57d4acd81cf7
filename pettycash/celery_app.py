"""The Celery application: the settings that reliability asks for.

Celery over Redis can lose a message, run it twice, and run it twice at once. So a message is only
a hint to look at a row; these settings make each of the three rarer, none removes it.
"""

import ssl
import urllib.parse
from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from pettycash.runtime import broker_watchdog
from pettycash.runtime.settings import Settings
from pettycash.tasks import schedule

ROUTES = {
    "payments.*": {"queue": "payments"},
    "payments.resolve": {"queue": "questions"},
    "otp.*": {"queue": "codes"},
    "notifications.acknowledgement_code": {"queue": "codes"},
    "callbacks.*": {"queue": "callbacks"},
    "notifications.*": {"queue": "notices"},
    **{
        f"{domain}.*": {"queue": "batch"}
        for domain in (
            *("approvals", "reconciliation", "ledger", "replenishments", "outbox", "identity"),
            "reports",
        )
    },
}
"""By a task's name, or by the domain that begins it. There is no queue for the rest: what stands
here under no name can't be sent."""

SOFT_SHUTDOWN_SECONDS = {"production": 40.0}
SOFT_SHUTDOWN_ELSEWHERE_SECONDS = 3.0
"""How long a worker that must stop gives its running tasks: in production longer than a call to a
rail may take."""

BROKER_OPTIONS = {
    # Twice the usual hard time limit and more, or a message comes back while its task still runs:
    # as that of a long night may, whose second run waits for the first one's lock and gives up.
    "visibility_timeout": 300,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    # Without these a half-open connection hangs for ever.
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "global_keyprefix": "pettycash:",
}


def _tls(broker_url: str) -> dict[str, Any] | None:
    """How a broker over TLS is checked: left alone, kombu takes any certificate."""
    parts = urllib.parse.urlsplit(broker_url)
    if parts.scheme == "rediss":
        return {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    if parts.scheme == "amqps":
        return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": parts.hostname}
    return None


def create_celery(settings: Settings) -> Celery:
    """Build the application that names tasks and holds none: enough to send, schedule and show.

    Loading the tasks, and what they stand on, takes 30 MB more; a worker's does
    (`pettycash.worker_app`).
    """
    celery = Celery("pettycash", broker=settings.broker_url)
    celery.steps["consumer"].add(broker_watchdog.Turning)
    is_production = settings.environment == "production"
    over_redis = settings.broker_url.startswith(("redis", "rediss"))
    arguments = None if over_redis else {"x-queue-type": "quorum"}
    celery.conf.update(
        task_queues=[
            # Named in full: without a key of its own a queue would get Celery's default one.
            Queue(name, Exchange(name), routing_key=name, queue_arguments=arguments)
            for name in schedule.QUEUES
        ],
        task_create_missing_queues=False,
        task_routes=ROUTES,
        broker_use_ssl=_tls(settings.broker_url),
        broker_transport_options=BROKER_OPTIONS if over_redis else {"confirm_publish": True},
        task_acks_late=True,
        # The claim in PostgreSQL makes a second run harmless; without this a killed child's
        # message is acknowledged and lost.
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_soft_shutdown_timeout=SOFT_SHUTDOWN_SECONDS.get(
            settings.environment, SOFT_SHUTDOWN_ELSEWHERE_SECONDS
        ),
        worker_enable_soft_shutdown_on_idle=is_production,
        # A payment must not be shot between "sent" and "recorded".
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_max_tasks_per_child=1000,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_publish_retry_policy={
            "max_retries": 2,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 0.5,
        },
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        enable_utc=True,
        timezone="UTC",
        beat_schedule=dict(schedule.SCHEDULE),
        beat_max_loop_interval=30,
        beat_enable_remote_control=True,
        worker_send_task_events=True,
        task_send_sent_event=True,
        worker_hijack_root_logger=False,
    )
    return celery
