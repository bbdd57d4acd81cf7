"""The commands round the running stack: up, status, secrets, logs, mailbox, reset."""

import importlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from pettycash.cli import names_servers, state_folder, tables
from pettycash.stack import console
from pettycash.stack.plan import StackPlan, caller_environment
from pettycash.stack.ports import Ports
from pettycash.stack.processes import ChildState, is_alive
from pettycash.stack.state import AlreadyRunning, StackError, StateFolder
from pettycash.stack.supervisor import StartFailed, Supervisor

ALREADY_RUNNING = 3
"""Exit code of a second `up`."""


@click.command()
@click.option("--any-port", is_flag=True, help="Take free ports instead of the usual ones.")
@click.option("--no-story", is_flag=True, help="Leave the demo organisation without a past.")
def up(any_port: bool, no_story: bool) -> None:
    """Start the whole system and keep it running until Ctrl-C."""
    folder = state_folder()
    folder.prepare()
    try:
        with folder.held():
            ports = Ports(usual=not any_port)
            plan = StackPlan(folder, caller_environment(), ports, tells_story=not no_story)
            sys.exit(Supervisor(plan).run())
    except AlreadyRunning:
        click.echo(_where_it_runs(folder), err=True)
        sys.exit(ALREADY_RUNNING)
    except StartFailed as error:
        console.failure(str(error), error.log)
        sys.exit(1)


def _where_it_runs(folder: StateFolder) -> str:
    run = folder.read_run() or {}
    api = run.get("connections", {}).get("api_url")
    state = f"runs already, process {run.get('pid')}"
    if not run.get("ready") or not api:
        return f"pettycash {state}, and is starting or stopping; see: bin/pettycash status"
    return f"pettycash {state}, API at {api}; stop it there with Ctrl-C or use it as it is"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(as_json: bool) -> None:
    """Say what runs; exit code 0 only if all of it is ready.

    Where no stack runs here but DATABASE_URL names servers (in a container), they are asked.
    """
    folder = state_folder()
    found = _asked() if names_servers(folder) else _status(folder)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif "checks" in found:
        columns = ("name", "ok", "detail")
        tables.show("Checks", columns, [[each[key] for key in columns] for each in found["checks"]])
    elif not found["running"]:
        click.echo("not running")
    else:
        _print_processes(found["processes"])
        if found["story"]:
            click.echo(f"demo story: {STORY.get(found['story'], found['story'])}")
    sys.exit(0 if found["ready"] else 1)


def _asked() -> dict[str, Any]:
    """Ask the servers: loaded only here, since it is ten times as much as all of `status`."""
    found: dict[str, Any] = importlib.import_module("pettycash.cli.deployed").status()
    return found


def _status(folder: StateFolder) -> dict[str, Any]:
    """The supervisor's own report, believed only as far as the processes are there."""
    run = folder.read_run() if folder.is_held() else None
    if run is None:
        return {"running": False, "ready": False, "pid": None, "processes": []}
    processes = []
    for each in run["processes"]:
        alive = each["pid"] is not None and is_alive(each["pid"], each["ticks"])
        shown = {key: each[key] for key in ("name", "pid", "url", "state", "restarts")}
        processes.append(shown if alive else shown | {"state": _ended(each["state"])})
    all_ready = all(each["state"] == ChildState.READY for each in processes)
    ready = bool(run["ready"] and processes and all_ready)
    return {
        "running": True,
        "ready": ready,
        "pid": run["pid"],
        "processes": processes,
        "story": run.get("story"),
    }


STORY = {
    ChildState.STARTING: "being written",
    ChildState.DONE: "written",
    ChildState.FAILED: "ended early, goes on with the next `up`; see: bin/pettycash logs story",
}
"""How far the demo's past is; the system is ready without it."""


def _ended(state: str) -> str:
    """The state of a process that is not there, whatever was last written of it."""
    return state if state in {ChildState.WAITING, ChildState.STOPPED} else ChildState.BACKING_OFF


def _print_processes(processes: list[dict[str, Any]]) -> None:
    columns = ("name", "pid", "url", "state", "restarts")

    def colour(column: str, text: str) -> str | None:
        if column != "state":
            return None
        return "green" if text == ChildState.READY else "yellow"

    rows = [
        [each[name] if each[name] is not None else "-" for name in columns] for each in processes
    ]
    tables.show("Processes", columns, rows, paint=colour)


@click.command("secrets")
@click.option("--json", is_flag=True, hidden=True, help="It is JSON anyway.")
def show_secrets(json: bool) -> None:  # noqa: ARG001 - accepted so that every command takes it
    """Print every credential and connection URL of the development stack as JSON."""
    if os.environ.get("PETTYCASH_ENV") == "production":
        raise StackError("secrets are not shown in production")
    folder = state_folder()
    run = folder.read_run()
    if run is None:
        raise StackError("there are no secrets yet; start the stack: bin/pettycash up")
    _print_json(run["connections"] | {"personas": folder.personas()})


def _print_json(content: object) -> None:
    click.echo(json.dumps(content, indent=2))


@click.command()
@click.argument("name", required=False)
@click.option("-n", "--lines", default=40, show_default=True, help="How many of the last lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on printing until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: name → lines.")
def logs(name: str | None, lines: int, follow: bool, as_json: bool) -> None:
    """Print what the processes wrote: all of them, or NAME."""
    folder = state_folder()
    files = {file.stem: file for file in sorted(folder.logs.glob("*.log"))}
    if name is not None:
        if name not in files:
            known = ", ".join(files) or "none yet"
            raise StackError(f"there is no log of {name!r}; there are: {known}")
        files = {name: files[name]}
    tails = {each: _tail(file, lines) for each, file in files.items()}
    if as_json:
        _print_json(tails)
        return
    prefixed = len(files) > 1
    for each, tail in tails.items():
        for line in tail:
            click.echo(f"{each}: {line}" if prefixed else line)
    if follow:
        for each, line in _follow(files):
            click.echo(f"{each}: {line}" if prefixed else line)


def _tail(file: Path, lines: int) -> list[str]:
    content = file.read_bytes()[-(lines * 500) - 2000 :].decode("utf-8", errors="replace")
    return content.splitlines()[-lines:] if lines else []


def _follow(files: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """New whole lines as they come; a file that was started anew is read from its beginning."""
    seen = {name: file.stat().st_size for name, file in files.items()}
    while True:
        for name, file in files.items():
            size = file.stat().st_size if file.exists() else 0
            if size < seen[name]:
                seen[name] = 0
            if size == seen[name]:
                continue
            with file.open("rb") as source:
                source.seek(seen[name])
                fresh = source.read()
            whole = fresh[: fresh.rfind(b"\n") + 1]
            seen[name] += len(whole)
            for line in whole.decode("utf-8", errors="replace").splitlines():
                yield name, line
        time.sleep(0.3)


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Throw away the development data: the next `up` starts from nothing."""
    if os.environ.get("PETTYCASH_ENV") == "production":
        raise StackError("reset is refused in production")
    folder = state_folder()
    folder.prepare()
    try:
        with folder.held():
            if not yes:
                click.confirm(f"Delete everything in {folder.path}?", abort=True)
            for entry in folder.path.iterdir():
                if entry == folder.lock_file:
                    continue
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
    except AlreadyRunning as error:
        raise StackError(f"{error}; stop it first (Ctrl-C where it runs)") from error
    if os.environ.get("DATABASE_URL"):
        click.echo("what is in your own database (DATABASE_URL) was left alone")
    click.echo("reset: the next bin/pettycash up starts from nothing")
