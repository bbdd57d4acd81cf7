"""How gunicorn serves the API, under `up` and in a container alike.

The application is loaded once and forked: the workers share its memory, and each drops the
pooled connections that it inherited, since two processes on one socket corrupt each other.
"""

import gc
import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker
from prometheus_client import multiprocess
from sqlalchemy.orm import configure_mappers

from pettycash import app
from pettycash.runtime import db, process

process.log_as_json()

SWITCH_SECONDS = 0.0005
"""How long a thread keeps the interpreter while others wait for it; 5 ms by default. A thread that
holds a row's lock comes back from each statement and has to wait for that long."""

worker_class = "pettycash.stack.front.BufferingWorker"
worker_connections = 500  # of each worker; below the 1,024 descriptors that a process usually has
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))  # gunicorn's own variable
threads = 8
preload_app = True
control_socket_disable = True  # it would lie in the home folder, one for all stacks
timeout = 60
graceful_timeout = 5
keepalive = 5
max_requests = 10_000
max_requests_jitter = 1_000
limit_request_line = 8190
sendfile = False  # bodies pass through the worker's own outlet
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - heartbeat only
accesslog = "-"

_metrics = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
if _metrics:
    # What the processes of an earlier run counted would be added to what these will count.
    shutil.rmtree(_metrics, ignore_errors=True)
    Path(_metrics).mkdir(mode=0o700, parents=True)


class OneLog(Logger):  # type: ignore[misc]
    """gunicorn's own lines and its access log, through the log of the process."""

    def _set_handler(self, log: Any, *_rest: Any, **_more: Any) -> None:
        log.propagate = True

    def access(self, resp: Any, req: Any, environ: Any, request_time: timedelta) -> None:
        """One line for each request, with what the application says of it (`app.ABOUT`)."""
        self.access_log.info(
            "request",
            extra={
                "method": req.method,
                "path": environ.get("PATH_INFO"),
                "status": int(str(resp.status).partition(" ")[0]),  # a broken request has no more
                "bytes": resp.sent,
                "ms": request_time // timedelta(milliseconds=1),
                "remote_address": environ.get("REMOTE_ADDR"),
                **environ.get(app.ABOUT, {}),
            },
        )


logger_class = OneLog


def when_ready(_server: Arbiter) -> None:
    """Keep the collector's hands off what is loaded, so that workers go on sharing its pages.

    Each worker would configure the mappers at its first query, in pages of its own.
    """
    configure_mappers()
    gc.collect()
    gc.freeze()


def post_fork(_server: Arbiter, _worker: Worker) -> None:
    """Leave the parent its sockets."""
    db.dispose(close=False)
    sys.setswitchinterval(SWITCH_SECONDS)


def child_exit(_server: Arbiter, worker: Worker) -> None:
    """Take a dead worker's gauges out of /metrics."""
    if _metrics:
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
