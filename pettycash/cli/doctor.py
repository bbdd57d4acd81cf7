"""`doctor`: names what is wrong on this machine and what mends it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import click
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from pettycash.cli import deployed, names_servers, state_folder
from pettycash.runtime import config, pool
from pettycash.runtime.settings import Settings
from pettycash.stack import postgres, redis
from pettycash.stack.backups import container
from pettycash.stack.plan import USUAL_PORTS
from pettycash.stack.ports import is_free
from pettycash.stack.processes import ChildState
from pettycash.stack.state import StackError, StateFolder

FREE_BYTES_MIN = 500_000_000


@dataclass(frozen=True)
class HealthCheck:
    """One thing that was looked at. `mend` says what to do where it is not well."""

    name: str
    well: bool
    text: str
    mend: str = ""


def _python(_folder: StateFolder) -> HealthCheck:
    return HealthCheck("python", True, sys.version.split()[0])


def _state(folder: StateFolder) -> HealthCheck:
    try:
        folder.prepare()
    except StackError as error:
        return HealthCheck("state folder", False, str(error), "set PETTYCASH_STATE_DIR")
    return HealthCheck("state folder", True, str(folder.path))


def _private(folder: StateFolder) -> HealthCheck:
    for file in (folder.secrets_file, folder.run_file, folder.personas_file):
        if file.exists() and file.stat().st_mode & 0o077:
            return HealthCheck(
                "secrets", False, f"{file} can be read by others", f"chmod 600 {file}"
            )
    return HealthCheck("secrets", True, "readable by their owner only")


def _disk(folder: StateFolder) -> HealthCheck:
    free = shutil.disk_usage(folder.path).free
    text = f"{free / 1e9:.1f} GB free"
    return HealthCheck(
        "disk", free >= FREE_BYTES_MIN, text, "free 0.5 GB or name another state folder"
    )


def _postgres(folder: StateFolder) -> HealthCheck:
    settings = config.read()
    if settings.database_url:
        return _own_postgres(settings)
    program = postgres.binaries() / "postgres"
    how = postgres.run_as(folder.path / "postgres" / "data", program)
    done = subprocess.run(
        [*how.prefix, str(program), "--version"],
        check=False, capture_output=True, text=True, cwd="/", **how.popen,
    )  # fmt: skip
    mend = "reinstall: remove .venv and start again, or set DATABASE_URL"
    return HealthCheck(
        "PostgreSQL", done.returncode == 0, (done.stdout or done.stderr).strip(), mend
    )


def _own_postgres(settings: Settings) -> HealthCheck:
    urls = (settings.database_url, settings.database_system_url, settings.database_owner_url)
    try:
        for url in filter(None, urls):
            engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 3})
            pool.introduce(engine)
            engine.connect().close()
    except pool.BehindPooler as refusal:
        mend = "name PostgreSQL itself in DATABASE_URL, …_SYSTEM_URL, …_OWNER_URL"
        return HealthCheck("PostgreSQL", False, str(refusal), mend)
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        return HealthCheck("PostgreSQL", False, reason, "start it, or correct DATABASE_URL")
    return HealthCheck("PostgreSQL", True, "your own, by DATABASE_URL")


def _redis(_folder: StateFolder) -> HealthCheck:
    url = config.read().redis_url
    if url:
        found = deployed.redis_answers(url)
        text = f"your own, by REDIS_URL: {found['detail']}"
        return HealthCheck("Redis", found["ok"], text, "start it, or correct REDIS_URL")
    done = subprocess.run(
        [str(redis.program()), "--version"], check=False, capture_output=True, text=True
    )
    mend = "reinstall: remove .venv and start again, or set REDIS_URL"
    return HealthCheck("Redis", done.returncode == 0, done.stdout.strip()[:60], mend)


def _mail(_folder: StateFolder) -> HealthCheck:
    url = config.read().smtp_url
    if not url:
        return HealthCheck("mail", True, "to the development mailbox")
    found = deployed.mail_answers(url)
    return HealthCheck("mail", found["ok"], found["detail"], "start it, or correct SMTP_URL")


def _configuration(_folder: StateFolder) -> HealthCheck:
    try:
        # The secrets of a running stack are not in this shell's environment.
        settings = config.read()
    except config.InvalidConfiguration as error:
        return HealthCheck("configuration", False, str(error), "see docs/configuration.md")
    own_codes = "codes go out by e-mail; a stolen mailbox reads them (TOTP is always accepted)"
    text = f"{settings.environment}; {own_codes}"
    return HealthCheck("configuration", True, text)


def _backups(_folder: StateFolder) -> HealthCheck:
    recipient = config.read().backup_recipient
    if not recipient:
        text = "would not be encrypted: PETTYCASH_BACKUP_RECIPIENT is not set"
        return HealthCheck("backups", True, text)
    container.recipient_of(recipient)
    return HealthCheck("backups", True, f"are encrypted to {recipient[:12]}…")


def _ports(folder: StateFolder) -> HealthCheck:
    if folder.is_held():
        return HealthCheck("ports", True, "in use by the running stack")
    taken = [f"{port} ({name})" for name, port in USUAL_PORTS.items() if not is_free(port)]
    if taken:
        text = f"taken: {', '.join(taken)}; `up` uses free ones instead"
        return HealthCheck("ports", True, text)
    return HealthCheck("ports", True, "all usual ones are free")


def _running(folder: StateFolder) -> HealthCheck:
    if names_servers(folder):
        return _asked()
    if not folder.is_held():
        return HealthCheck("stack", True, "not running; start it: bin/pettycash up")
    run = folder.read_run() or {}
    bad = [each for each in run.get("processes", []) if each["state"] != ChildState.READY]
    if bad:
        names = ", ".join(f"{each['name']} ({each['state']})" for each in bad)
        return HealthCheck(
            "stack", False, f"not ready: {names}", f"bin/pettycash logs {bad[0]['name']}"
        )
    again = [each for each in run.get("processes", []) if each["restarts"]]
    text = ", ".join(f"{each['name']} restarted {each['restarts']} times" for each in again)
    return HealthCheck("stack", True, text or "all ready")


def _asked() -> HealthCheck:
    """Ask the database about everybody who works on it."""
    bad = [each for each in deployed.look(config.read()) if not each["ok"]]
    text = ", ".join(f"{each['name']} ({each['detail']})" for each in bad)
    return HealthCheck(
        "system", not bad, text or "all ready", "start what is named, or read its log"
    )


EXAMINATIONS: tuple[Callable[[StateFolder], HealthCheck], ...] = (
    _python, _configuration, _state, _private, _disk,
    _postgres, _redis, _mail, _backups, _ports, _running,
)  # fmt: skip


def examine(folder: StateFolder) -> Iterator[HealthCheck]:
    """Look at everything; a look that fails is a finding too."""
    for look in EXAMINATIONS:
        try:
            yield look(folder)
        except (StackError, pool.BehindPooler) as error:
            yield HealthCheck(look.__name__.strip("_"), False, str(error), "as the sentence says")
        except config.InvalidConfiguration:
            text = "can't be looked at: the configuration is not usable"
            yield HealthCheck(look.__name__.strip("_"), False, text, "mend the configuration first")
        except OSError as error:
            yield HealthCheck(
                look.__name__.strip("_"), False, str(error), "run it as the owner of the folder"
            )


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def doctor(as_json: bool) -> None:
    """Look for what keeps pettycash from running, and say what mends it."""
    findings = list(examine(state_folder()))
    if as_json:
        click.echo(json.dumps([asdict(each) for each in findings], indent=2))
    else:
        for each in findings:
            mark = (
                click.style("well   ", fg="green")
                if each.well
                else click.style("PROBLEM", fg="red")
            )
            click.echo(f"{mark}  {each.name:<14} {each.text}")
            if not each.well:
                click.echo(f"         {'':<14} mend: {each.mend}")
    sys.exit(0 if all(each.well for each in findings) else 1)
