"""The state folder: secrets made once, what is running now, and the lock that keeps it to one.

Layout of `.pettycash/` (mode 0711: PostgreSQL may have to reach its data as another user):
    secrets.json   0600  passwords and keys of this machine's stack
    run.json       0600  the running stack: processes, URLs, environment of its children
    personas.json  0600  sign-ins of the demo organisation, written by `seed`
    postgres/ redis/ mailbox/ simulators/ logs/
"""

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
"""The checkout, or the folder that an image holds it in."""

DIGITS_OF_A_SECRET = 32

PERSONAS = (
    "staff", "branch_manager", "department_head", "regional_manager", "group_finance_manager",
    "treasury", "treasury_2", "custodian", "cfo", "ceo", "fpa", "auditor", "operator", "admin",
    "other_company", "other_admin", "other_admin_2", "other_treasury", "other_treasury_2",
    "other_treasury_3", "other_custodian", "other_operator", "escalation", "other_escalation",
)  # fmt: skip
"""The sign-ins that are promised by name; the demo organisation has more people than these."""


class StackError(Exception):
    """The stack can't do what was asked. The message is one sentence and says what mends it."""


class AlreadyRunning(StackError):
    """Another supervisor holds the state folder."""


def folder_from(environ: Mapping[str, str]) -> Path:
    """The state folder; a relative path counts from the checkout, wherever one calls from."""
    return (ROOT / environ.get("PETTYCASH_STATE_DIR", ".pettycash")).absolute()


def write_private(path: Path, content: str) -> None:
    """Replace a file by one that only its owner can read, in one step."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    fresh.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None where there is no such file or it holds none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None


@dataclass(frozen=True)
class StateFolder:
    """One stack's folder. Several stacks on one machine differ in nothing else."""

    path: Path

    @property
    def secrets_file(self) -> Path:
        return self.path / "secrets.json"

    @property
    def run_file(self) -> Path:
        return self.path / "run.json"

    @property
    def personas_file(self) -> Path:
        return self.path / "personas.json"

    @property
    def lock_file(self) -> Path:
        return self.path / "up.lock"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def mailbox(self) -> Path:
        return self.path / "mailbox"

    @property
    def simulators(self) -> Path:
        return self.path / "simulators"

    def prepare(self) -> None:
        """Make the folder and its rooms.

        Raises:
            StackError: it can't be written by this user.
        """
        try:
            self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
            if os.access(self.path, os.W_OK) and self.path.stat().st_uid == os.geteuid():
                self.path.chmod(0o711)
            for room in (self.logs, self.mailbox, self.simulators):
                room.mkdir(mode=0o700, exist_ok=True)
            usable = os.access(self.path, os.W_OK)
        except (PermissionError, FileExistsError, NotADirectoryError, OSError) as error:
            raise StackError(
                f"the state folder {self.path} can't be used ({error.strerror})"
                "; name another with PETTYCASH_STATE_DIR"
            ) from error
        if not usable:
            raise StackError(
                f"the state folder {self.path} belongs to another user; run as that user or name"
                " another with PETTYCASH_STATE_DIR"
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for one supervisor; the kernel lets go of it however that one ends.

        Raises:
            AlreadyRunning: somebody holds it.
        """
        with self.lock_file.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyRunning(f"the stack of {self.path} is already running") from error
            yield

    def is_held(self) -> bool:
        """Whether a supervisor runs on this folder now."""
        try:
            with self.lock_file.open("r") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def read_run(self) -> dict[str, Any] | None:
        """What the supervisor last wrote about itself, running or not."""
        return read_json(self.run_file)

    def personas(self) -> dict[str, dict[str, str]]:
        """The promised sign-ins, each with `username`, `password`, `totp_secret`."""
        written = read_json(self.personas_file) or {}
        return {name: written[name] for name in PERSONAS if name in written}

    def forget_personas(self) -> None:
        """Sign-ins of a database that is no more are worse than none."""
        self.personas_file.unlink(missing_ok=True)

    def secrets(self) -> dict[str, str]:
        """This folder's secrets; those that are missing are made, those there are never changed."""
        known = {name: str(value) for name, value in (read_json(self.secrets_file) or {}).items()}
        fresh = {name: make() for name, make in SECRET_MAKERS.items() if name not in known}
        if fresh:
            known |= fresh
            write_private(self.secrets_file, json.dumps(known, indent=2, sort_keys=True) + "\n")
        return known


def _password() -> str:
    """Letters and digits only: it stands in URLs, shell lines and SQL without quoting."""
    alphabet = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "".join(secrets.choice(alphabet) for _ in range(DIGITS_OF_A_SECRET))


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")


def _hex_key() -> str:
    return secrets.token_hex(32)


SECRET_MAKERS = {
    "postgres_password": _password,
    "owner_password": _password,
    "app_password": _password,
    "system_password": _password,
    "redis_password": _password,
    "flower_password": _password,
    "secret_key": _fernet_key,
    "otp_key": _hex_key,
    "callback_key": _hex_key,
    "cursor_key": _hex_key,
}
