"""Processes of the product, forked from one that has imported it: the imports cost a second each.

A test that starts many processes begins them as a `QuickChild`: same arguments, log, session, pid
to kill and exit code to read. What they inherit is what imports leave behind, and nothing else: the
environment is theirs alone, no descriptor stays open, no thread runs, settings are read and the
process is composed after the fork (tests/stack/test_zygote.py). `python -m tests.zygote SOCKET` is
the process that forks; it ends with the process of the tests.
"""

import functools
import gc
import importlib
import json
import math
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from sqlalchemy.orm import configure_mappers

from pettycash.stack.processes import Child, die_with_parent
from pettycash.stack.state import ROOT

LOADED = (
    "pettycash.app", "pettycash.relay", "pettycash.worker_app", "pettycash.cli.relay",
    "pettycash.lab.simulators.mpesa.server", "pettycash.stack.celery_command",
    "pettycash.stack.front", "celery.bin.beat", "celery.bin.celery", "celery.bin.worker",
    "celery.concurrency.prefork", "celery.concurrency.solo", "celery.worker.worker",
    "gunicorn.app.wsgiapp", "kombu.transport.redis",
)  # fmt: skip
"""What imports alone may do; what reads the environment when it is imported is not among them."""

FORKED = (
    "celery", "gunicorn", "pettycash", "pettycash.lab.mailbox", "pettycash.lab.simulators.mpesa",
    "pettycash.relay", "pettycash.stack.celery_command",
)  # fmt: skip
"""The modules that are run so; one that must be there before anything else is imported is not."""

ROOMS = ("pettycash.api", "pettycash.tasks")
METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""Read by prometheus_client when it is imported."""

REQUEST_BYTES_MAX = 100_000


class Forked(subprocess.Popen[bytes]):
    """A process that the zygote has forked and waits for: it tells the exit code by a pipe."""

    def __init__(self, pid: int, ended: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = ended

    def poll(self) -> int | None:
        """Its exit code once it has ended (negative: the signal)."""
        return self._read(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        code = self._read(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or math.inf)
        return code

    def _read(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], timeout)[0]:
            # Nothing is said where the zygote has died, and its children with it.
            self.returncode = int(os.read(self._ended, 16) or -signal.SIGKILL)
            os.close(self._ended)
        return self.returncode


class Zygote:
    """The process that forks; one for this process of the tests."""

    def __init__(self) -> None:
        self._requests, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.zygote", str(there.fileno())],
                cwd=ROOT, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL,
                env={}, start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - from the main thread
            )  # fmt: skip

    def fork(
        self, arguments: list[str], environment: Mapping[str, str], log: IO[bytes], sent: int
    ) -> Forked:
        """Run `python -m ARGUMENTS`; `sent` is what it gets should the zygote end."""
        request = {"arguments": arguments, "environment": dict(environment), "sent": sent}
        ended, tell = os.pipe()
        try:
            message = [json.dumps(request).encode()]
            socket.send_fds(self._requests, message, [log.fileno(), tell])
        finally:
            os.close(tell)
        return Forked(int(self._requests.recv(16)), ended)


@functools.cache
def zygote() -> Zygote:
    """Started by the first who asks."""
    return Zygote()


class QuickChild(Child):
    """A child that is forked where its command is a module of this Python."""

    def _spawn(self, environment: Mapping[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        program, *words = self.spec.command
        is_known = program == sys.executable and words[0] == "-m" and words[1] in FORKED
        if not is_known or self.spec.popen or METRICS in environment:
            return super()._spawn(environment, log)
        return zygote().fork(words[1:], environment, log, self.spec.stop_signal)


def load() -> None:
    """Import all of it, and see to it that nothing came of that but modules."""
    for name in LOADED:
        importlib.import_module(name)
    for name in ROOMS:
        package = importlib.import_module(name)
        for each in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(each.name)
    configure_mappers()
    gc.collect()
    gc.freeze()
    assert threading.active_count() == 1


def serve(requests: socket.socket) -> dict[str, Any]:
    """Fork what is asked for until nobody can ask any more; returns in each child."""
    running: dict[int, tuple[int, int]] = {}  # its pidfd → its pid, the pipe for its exit code
    while True:
        ready, _, _ = select.select([requests, *running], [], [])
        for pidfd in [each for each in ready if each is not requests]:
            pid, tell = running.pop(pidfd)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.write(tell, str(code).encode())
            os.close(tell)
            os.close(pidfd)
        if requests not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES_MAX, 2)
        if not message:
            sys.exit()
        log, tell = descriptors
        request: dict[str, Any] = json.loads(message)
        be_mortal = die_with_parent(signal.Signals(request["sent"]))
        pid = os.fork()
        if not pid:
            os.setsid()
            be_mortal()
            os.dup2(log, 1)
            os.dup2(log, 2)
            requests.close()
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            return request
        os.close(log)
        running[os.pidfd_open(pid)] = pid, tell
        requests.send(str(pid).encode())


def become(request: dict[str, Any]) -> None:
    """Be `python -m` with these arguments and this environment, beside what Python adds to it."""
    os.environ.update(request["environment"])
    sys.stdout.reconfigure(line_buffering="PYTHONUNBUFFERED" in os.environ)  # type: ignore[union-attr]
    module, *sys.argv[1:] = request["arguments"]
    Path("/proc/self/comm").write_text(module.rpartition(".")[2], "utf-8")  # for who looks on
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    asking = socket.socket(fileno=int(sys.argv[1]))
    load()
    become(serve(asking))
