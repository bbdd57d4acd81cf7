"""`backup`, `restore` and `restore-drill`: everything there is, in one file, and back again."""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from pettycash import composition
from pettycash.cli import state_folder, tables
from pettycash.cli.host import at_host, login_name
from pettycash.cli.schema import owner_settings, told
from pettycash.runtime import config
from pettycash.runtime import settings as installed
from pettycash.runtime.settings import Settings
from pettycash.services.payments import restores
from pettycash.stack import schema
from pettycash.stack.backups import drill as drilling
from pettycash.stack.backups import making, restoring
from pettycash.stack.backups.facts import Compared
from pettycash.stack.backups.making import Backup, Tell

FOLDER = "backups"
CHECK = "check withdrawn keys, roles and people of the lost time before two people resume"

ENDED_BY = (signal.SIGTERM, signal.SIGHUP)

FILE = click.Path(dir_okay=False, path_type=Path)
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
identity_option = click.option(
    "--identity", type=FILE, help="File with the private key of an encrypted backup."
)


@click.group(invoke_without_command=True)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that it is written to (default: backups in the state folder; not in production).",
)
@as_json_option
@click.pass_context
def backup(ctx: click.Context, folder: Path | None, as_json: bool) -> None:
    """Write one file with everything, beside whatever goes on.

    Encrypted where PETTYCASH_BACKUP_RECIPIENT is set. What is old is yours to remove.
    """
    if ctx.invoked_subcommand is not None:
        return
    made = _make(owner_settings(), folder)
    if as_json:
        click.echo(json.dumps(_shown(made)))
        return
    kept = "encrypted" if made.is_encrypted else "not encrypted"
    click.echo(f"{made.path} ({made.path.stat().st_size:,} bytes, {kept})")
    click.echo(f"taken at {made.taken_at.isoformat()}; try it: bin/pettycash restore-drill FILE")


@backup.command("verify")
@click.argument("file", type=FILE)
@identity_option
@as_json_option
def verify(file: Path, identity: Path | None, as_json: bool) -> None:
    """Read FILE from front to back; exit code 1 where it is not what was written."""
    with _progress() as tell:
        found = making.verify(file, identity, tell=tell)
    if as_json:
        click.echo(json.dumps(_shown(found) | {"ok": True}))
        return
    rows = sum(int(each) for each in found.facts["rows"].values())
    click.echo(
        f"{file} is whole: taken at {found.taken_at.isoformat()}, schema"
        f" {found.manifest['revision']}, {rows:,} rows, sha256 {found.dump_sha256}"
    )


@click.command()
@click.argument("file", type=FILE, required=False)
@click.option("--into", "url", help="Owner's URL of an empty database.")
@click.option("--stamp", "only_stamp", is_flag=True, help="It is restored already; only stamp it.")
@click.option("--taken-at", "moment", help="With --stamp: from when on all is lost, with its zone.")
@identity_option
@as_json_option
def restore(
    *,
    file: Path | None,
    url: str | None,
    only_stamp: bool,
    moment: str | None,
    identity: Path | None,
    as_json: bool,
) -> None:
    """Restore FILE into an empty database, or stamp one that was restored by other means.

    Either way everything is paused afterwards until two people resume, and what may have been
    sent in the lost time is asked about before it is sent.
    """
    if only_stamp:
        if file or url or identity or not moment:
            raise click.UsageError("--stamp goes with --taken-at TIME and nothing else")
        settings = owner_settings()
        _use(settings)
        owner = settings.database_owner_url
        with told(owner), at_host(), schema.as_owner(owner) as session:
            done = restores.stamp(
                session, taken_at=_instant(moment), by=login_name(), now=session.info["now"]
            )
        _print_stamp(done, as_json=as_json, more={})
        return
    if moment or not (file and url):
        raise click.UsageError("name a FILE and --into URL, or --stamp with --taken-at TIME")
    settings = _settings_with(url)
    _use(settings)
    with _progress() as tell, at_host():
        restored = restoring.restore(
            file, settings.database_owner_url, identity=identity, by=login_name(), tell=tell
        )
    equal = f"{len(restored.compared)} figures are those of the backup"
    if not as_json:
        click.echo(f"restored {file}, now at schema {restored.revision}: {equal}")
    _print_stamp(
        restored.stamp,
        as_json=as_json,
        more={"revision": restored.revision, "figures": len(restored.compared)},
    )


@click.command("restore-drill")
@click.argument("file", type=FILE, required=False)
@identity_option
@as_json_option
def restore_drill(file: Path | None, identity: Path | None, as_json: bool) -> None:
    """Restore FILE, or a backup made now, on a server of its own and check its books.

    Exit code 0: equal to the shilling, and the books hold. Nothing of the server stays.
    """
    settings = owner_settings() if file is None else _settings_with(None)
    _use(settings)
    with _progress() as tell, at_host(), tempfile.TemporaryDirectory() as folder:
        if file is None:
            owner = settings.database_owner_url
            with told(owner):
                file = making.make(owner, Path(folder), recipient="", tell=tell).path
        done = drilling.drill(file, identity=identity, by=login_name(), tell=tell)
    if as_json:
        click.echo(json.dumps(_drilled(file, done), indent=2))
    else:
        _print_drilled(file, done)
    sys.exit(0 if done.ok else 1)


def _make(settings: Settings, folder: Path | None) -> Backup:
    if folder is None:
        if settings.environment == "production":
            raise click.UsageError("in production say where with --to FOLDER")
        state = state_folder()
        state.prepare()
        folder = state.path / FOLDER
    owner = settings.database_owner_url
    with told(owner), _progress() as tell:
        return making.make(owner, folder.absolute(), recipient=settings.backup_recipient, tell=tell)


def _use(settings: Settings) -> None:
    """Let the services know all that is released: a stamp ends the codes that are out."""
    installed.install(settings)
    composition.attach()


def _settings_with(owner_url: str | None) -> Settings:
    try:
        more = {} if owner_url is None else {"DATABASE_OWNER_URL": owner_url}
        return config.read(dict(os.environ) | more)
    except config.InvalidConfiguration as error:
        raise click.ClickException(f"the configuration is not usable: {error}") from error


def _instant(moment: str) -> datetime:
    try:
        return datetime.fromisoformat(moment)
    except ValueError as error:
        raise click.UsageError(
            f"{moment} is no instant; write it as 2026-11-30T04:00:00+03:00"
        ) from error


@contextmanager
def _progress() -> Iterator[Tell]:
    """Progress, in one line that moves on a terminal; nothing elsewhere.

    Whoever ends it, by SIGTERM or by hanging up, ends it as Ctrl-C does: what was begun is cleared
    away, which may be a whole database.
    """
    before = {number: signal.getsignal(number) for number in ENDED_BY}
    for number in (each for each in ENDED_BY if before[each] is not signal.SIG_IGN):  # nohup
        signal.signal(number, _end)
    try:
        if not sys.stderr.isatty():
            yield lambda _words: None
            return
        with Console(stderr=True).status("beginning") as status:
            yield status.update
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: object) -> None:
    for each in ENDED_BY:
        signal.signal(each, signal.SIG_IGN)  # it is ending
    sys.exit(128 + number)


def _shown(found: Backup) -> dict[str, Any]:
    return {
        "file": str(found.path),
        "bytes": found.path.stat().st_size,
        "encrypted": found.is_encrypted,
        "dump_bytes": found.dump_bytes,
        "dump_sha256": found.dump_sha256,
        "manifest": found.manifest,
    }


def _print_stamp(done: restores.Stamp, *, as_json: bool, more: dict[str, Any]) -> None:
    row = done.restore
    keys = [f"{company} {name}" for company, name in done.keys]
    if as_json:
        stamped = {
            "number": row.number,
            "is_new": done.is_new,
            "taken_at": row.taken_at.isoformat(),
            "stamped_at": row.stamped_at.isoformat(),
            "covers_until": row.covers_until.isoformat(),
            "counters": row.counters,
            "attempts_asked_first": done.attempts,
            "sessions_ended": done.sessions,
            "releases_voided": done.releases,
            "api_keys": keys,
            "roles": done.roles,
            "people": done.people,
            "check": CHECK,
        }
        click.echo(json.dumps(more | stamped, indent=2))
        return
    taken_at = row.taken_at.astimezone(UTC).isoformat()
    if not done.is_new:
        click.echo(f"stamped already as restore {row.number}, from {taken_at}; nothing was done")
    else:
        jumped = sum(len(each) for each in row.counters.values())
        click.echo(f"stamped as restore {row.number}: what came after {taken_at} is lost here")
        click.echo(
            "everything is paused; to go on: bin/pettycash resume --all --as USERNAME, twice"
        )
        click.echo(f"{done.attempts} attempts ask the rail before they are sent")
        click.echo(f"{jumped} counters jumped past what the lost time can have used")
        click.echo(f"{done.sessions} sessions were ended, {done.releases} codes or grants voided")
    click.echo(
        f"valid now: {len(keys)} API keys ({', '.join(keys) or 'none'}), {done.roles} roles,"
        f" {done.people} memberships; what was withdrawn in the lost time has come back"
    )
    click.secho(CHECK, bold=True)


def _drilled(file: Path, done: drilling.Drilled) -> dict[str, Any]:
    return {
        "ok": done.ok,
        "file": str(file),
        "revision": done.revision,
        "seconds": round(done.seconds, 1),
        "figures": [
            {"section": each.section, "what": each.what, "old": each.old, "new": each.new}
            for each in done.compared
        ],
        "different": [f"{each.section}: {each.what}" for each in _different(done.compared)],
        "findings": [
            {"check": each.check, "object_id": each.object_id, **each.detail}
            for each in done.findings
        ],
    }


def _different(compared: Sequence[Compared]) -> list[Compared]:
    return [each for each in compared if not each.is_equal]


def _print_drilled(file: Path, done: drilling.Drilled) -> None:
    tables.show(
        f"{file.name}, restored",
        ("section", "what", "backup", "restored", "result"),
        (
            (each.section, each.what, each.old, each.new, "equal" if each.is_equal else "DIFFERENT")
            for each in done.compared
        ),
        paint=lambda column, cell: (
            {"equal": "green", "DIFFERENT": "bold red"}.get(cell) if column == "result" else None
        ),
    )
    for each in done.findings:
        click.echo(json.dumps({"check": each.check, "object_id": each.object_id, **each.detail}))
    different = len(_different(done.compared))
    if done.ok:
        click.echo(f"equal to the shilling, and the books hold ({done.seconds:.1f} s)")
    else:
        click.echo(
            f"figures that differ: {different}; rows that break the books: {len(done.findings)}"
            f" ({done.seconds:.1f} s)"
        )
