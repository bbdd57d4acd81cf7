"""What `up` says: a line for each step, one banner, and after that only incidents."""

import contextlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click


def _say(text: str, **style: Any) -> None:
    """Print; a terminal or pipe that is gone must not take the stack with it."""
    with contextlib.suppress(OSError):
        click.secho(text, **style)


def starting(production: bool) -> None:
    """The first line."""
    _say(f"pettycash {'(production) ' if production else ''}is starting", bold=True)


def step(title: str, seconds: float, detail: str = "") -> None:
    """One line for a part that is ready, with the seconds it took."""
    mark = click.style("ready", fg="green")
    _say(f"  {title:<20} {mark} {seconds:5.1f} s  {detail}".rstrip())


def note(text: str) -> None:
    """Something worth knowing before the banner."""
    _say(f"  {text}")


def moved_port(name: str, usual: int, port: int) -> None:
    """A taken port gave way."""
    _say(f"  port {usual} is taken, {name} uses {port}")


def incident(name: str, text: str) -> None:
    """Something that happened after the banner."""
    at = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
    _say(f"{at}  {name}: {text}", fg="yellow")


def failure(sentence: str, log: list[str]) -> None:
    """Why it did not come up, with the last lines of the log that knows more."""
    _say(f"pettycash: {sentence}", fg="red", err=True)
    for line in log:
        _say(f"  | {line}", err=True)


def banner(connections: Mapping[str, Any], personas: Mapping[str, Any], began: float) -> None:
    """Every URL and every sign-in, once."""
    simulators: Mapping[str, str] = connections["simulators"]
    api = str(connections["api_url"])
    rows = [
        ("console", f"{api}/console/"),
        ("API", f"{api}/api"),
        ("documentation", f"{api}/docs/"),
        ("mailbox", str(connections["mailbox"])),
        *((f"simulator {rail}", f"{url}/_sim/ledger") for rail, url in simulators.items()),
        ("Flower", str(connections["flower"])),
        ("PostgreSQL", str(connections["database_url"])),
        ("Redis", str(connections["redis_url"])),
    ]
    _say("")
    _say(f"pettycash is up after {time.monotonic() - began:.1f} s", bold=True, fg="green")
    for name, url in rows:
        if url:
            _say(f"  {name:<20} {url}")
    if personas:
        _say("")
        _say(f"  {'sign in as':<22} {'user name':<22} password")
        for name, persona in personas.items():
            username, password = persona.get("username", ""), persona.get("password", "")
            _say(f"  {name:<22} {username:<22} {password}")
        _say("  (one-time code secrets: bin/pettycash secrets)")
    _say("")
    _say("Try: bin/pettycash demo pay      Stop: Ctrl-C (the data stay)")


def stopping() -> None:
    """The first line of the end."""
    _say("")
    _say("stopping")


def stopped(seconds: float) -> None:
    """The last line."""
    _say(f"stopped after {seconds:.1f} s; the data are kept")
