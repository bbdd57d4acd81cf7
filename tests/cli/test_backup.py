"""A backup is whole or nothing, and a restore of it is stamped before anybody can pay from it."""

import io
import json
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pyrage
import pytest
from psycopg2 import sql
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from pettycash.models.operations import PlatformPause
from pettycash.models.payments import PaymentAttempt
from pettycash.runtime import db
from pettycash.services.ledger import posting
from pettycash.services.operations import pauses
from pettycash.stack import children, postgres, schema
from pettycash.stack.backups import container, making, programs, restoring
from pettycash.stack.state import ROOT, StackError
from tests import production
from tests.cli.conftest import Command
from tests.factories import payments as making_payments
from tests.factories.people import company_id
from tests.patience import budget
from tests.posting import transfer
from tests.servers import Database, Servers, compose_for

CASTS = re.compile(r"::(character varying|text)(\[\])?|[()]")

Forge = Callable[[dict[str, Any]], None]


@pytest.fixture
def company(live: Database) -> Iterator[UUID]:
    found = company_id("DEMO")
    with db.scope(company_id=found, source="test"):
        yield found


@pytest.fixture
def target(servers: Servers, worker_number: int) -> Iterator[Database]:
    """An empty database of somebody whose name is not the one that was dumped."""
    name, owner = f"pettycash_restored_w{worker_number}", f"chief_w{worker_number}"
    servers.drop(name)
    with servers.superuser() as cursor:
        cursor.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(owner)))
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'pw'").format(sql.Identifier(owner)))
        cursor.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(name), sql.Identifier(owner)
            )
        )
    made = servers.database(name)
    yield Database(
        name=name,
        app_url=made.app_url,
        system_url=made.system_url,
        owner_url=f"postgresql+psycopg2://{owner}:pw@127.0.0.1:{servers.postgres.port}/{name}",
        superuser_url=made.superuser_url,
        redis_url=made.redis_url,
    )
    db.dispose()
    servers.drop(name)
    with servers.superuser() as cursor:
        cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(owner)))


def quiet(_words: str) -> None:
    """Nobody listens."""


def made(command: Command, folder: Path) -> Path:
    """A backup as the command writes it."""
    ran = command("backup", "--to", str(folder), "--json")
    assert ran.exit_code == 0, ran.output
    return Path(ran.json["file"])


def forged(file: Path, forge: Forge) -> Path:
    """The same dump, sealed under another manifest."""
    with container.opened(file, None) as reading:
        dump = io.BytesIO(b"".join(reading.pieces()))
        manifest = reading.manifest
    forge(manifest)
    other = file.with_name(f"forged-{file.name}")
    with container.created(other, "") as writing:
        writing.write(manifest, dump, lambda _bytes: None)
    return other


def one_shilling_more(manifest: dict[str, Any]) -> None:
    balances = manifest["facts"]["trial balance"]
    account = next(each for each in balances if each.startswith("DEMO 1100"))
    balances[account] = balances[account].replace("balance 0.00", "balance 1.00")


def schema_of(url: str) -> str:
    """The schema in SQL: tables, functions, triggers, policies, grants.

    Without casts and brackets: PostgreSQL writes a CHECK that it has read a little differently.
    """
    written = io.BytesIO()
    programs.find("pg_dump", major=15).run(
        "--schema-only", "--no-owner", "--enable-row-security", url=url,
        drain=lambda out: written.write(out.read()) and None,
    )  # fmt: skip
    lines = written.getvalue().decode("utf-8").splitlines()
    kept = (line for line in lines if not line.startswith(("--", "\\")))
    return "\n".join(CASTS.sub("", line) for line in kept)


def may_connect(url: str) -> set[str]:
    """Who may connect to the database; "-" is everybody."""
    with schema.as_owner(url) as session:
        return set(
            session.execute(
                text(
                    "SELECT CASE grantee WHEN 0 THEN '-' ELSE pg_get_userbyid(grantee) END"
                    " FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))"
                    " WHERE datname = current_database() AND privilege_type = 'CONNECT'"
                )
            ).scalars()
        )


def test_a_backup_is_of_one_instant_while_others_post(
    live: Database, company: UUID, target: Database, tmp_path: Path
) -> None:
    posted: list[str] = []

    def post(words: str) -> None:
        """At every step of the backup somebody posts, and commits."""
        with db.transaction() as session:
            source = f"test:{len(posted)} {words}"
            posting.post(session, [transfer(session, source, "10.00")])
        posted.append(source)

    post("before")
    backup = making.make(live.owner_url, tmp_path, recipient="", tell=post)

    assert len(posted) > 2
    entries = int(backup.facts["rows"]["journal_entries"])
    with schema.as_owner(live.owner_url) as session:
        now = session.execute(text("SELECT count(*) FROM journal_entries")).scalar_one()
    assert entries == now - (len(posted) - 1)
    # What was restored is compared with the manifest, figure by figure.
    restored = restoring.restore(
        backup.path, target.owner_url, identity=None, by="somebody", tell=quiet
    )
    assert len(restored.compared) > 80


def test_a_restore_is_the_same_database_and_stands_still(
    live: Database, company: UUID, target: Database, command: Command, tmp_path: Path
) -> None:
    with db.transaction() as session:
        payment = making_payments.executing(session)
    file = made(command, tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with schema.as_owner(target.owner_url) as session:  # as a restore that failed has left it
        session.execute(
            text(f"ALTER DATABASE {target.name} SET default_transaction_read_only = on")
        )

    restored = command("restore", str(file), "--into", target.owner_url, "--json")

    assert restored.exit_code == 0, restored.output
    assert restored.json["attempts_asked_first"] == 1
    assert "check withdrawn keys" in restored.json["check"]
    owner = target.owner_url.split("//")[1].split(":")[0]
    assert schema_of(target.owner_url).replace(owner, postgres.OWNER_ROLE) == schema_of(
        live.owner_url
    )
    assert may_connect(target.owner_url) == {owner, db.APP_ROLE, db.SYSTEM_ROLE}
    compose_for(target)
    with db.transaction() as session:
        (attempt,) = session.execute(select(PaymentAttempt)).scalars()
        assert (attempt.payment_id, attempt.asks_first) == (payment.id, True)
        with pytest.raises(pauses.Paused):
            pauses.check(session)
    with db.system_transaction() as session:
        for name in ("first", "second"):
            pauses.resume_everything(session, by=name, now=session.info["now"])
    with db.transaction() as session:
        number = making_payments.executing(session).number
    # 1 has been given out, and what may have been given out since.
    assert int(number.rsplit("-", 1)[1]) > 1_000


def test_an_encrypted_backup_needs_its_key(
    live: Database,
    target: Database,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine, other = (pyrage.x25519.Identity.generate() for _ in range(2))
    key, wrong_key = tmp_path / "key.txt", tmp_path / "wrong.txt"
    key.write_text(f"# made by age-keygen\n{mine}\n", encoding="utf-8")
    wrong_key.write_text(str(other), encoding="utf-8")
    monkeypatch.setenv("PETTYCASH_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PETTYCASH_BACKUP_RECIPIENT", str(mine.to_public()))
    monkeypatch.setattr(container, "PIECE_BYTES", 10_000)  # so that there is more than one
    file = made(command, tmp_path / "made")
    assert file.name.endswith(".tar.age")
    assert b"manifest.json" not in file.read_bytes()

    for words, reason in (
        ((), "is encrypted; name the file"),
        (("--identity", str(wrong_key)), "not encrypted to any of these keys"),
        (("--identity", str(tmp_path / "none.txt")), "no identity file"),
    ):
        with pytest.raises(StackError, match=reason):
            command("backup", "verify", str(file), *words)
    verified = command("backup", "verify", str(file), "--identity", str(key), "--json")
    assert (verified.json["ok"], verified.json["encrypted"]) == (True, True)
    into = ("--into", target.owner_url, "--identity", str(key))
    assert command("restore", str(file), *into).exit_code == 0

    cut_off = tmp_path / "cut.tar.age"
    # More than the empty blocks in which an archive may end: these hold nothing.
    cut_off.write_bytes(file.read_bytes()[:-20_000])
    with pytest.raises(container.Damaged, match="damaged or no backup"):
        command("backup", "verify", str(cut_off), "--identity", str(key))
    monkeypatch.setenv("PETTYCASH_BACKUP_RECIPIENT", "age1nobody")
    with pytest.raises(StackError, match="no recipient of age"):
        command("backup", "--to", str(tmp_path / "made"))
    assert list((tmp_path / "made").iterdir()) == [file]
    findings = {each["name"]: each for each in command("doctor", "--json").json}
    assert not findings["backups"]["well"]


def test_a_backup_goes_to_the_state_folder_and_in_production_where_it_is_told(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETTYCASH_STATE_DIR", str(tmp_path / "state"))
    file = Path(command("backup", "--json").json["file"])
    assert file.parent == tmp_path / "state" / "backups"
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    for name in [each for each in os.environ if each.startswith("PETTYCASH_")]:
        if name != "PETTYCASH_STATE_DIR":
            monkeypatch.delenv(name)
    for name, value in production.ENVIRON.items():
        if name not in ("DATABASE_URL", "REDIS_URL"):
            monkeypatch.setenv(name, value)
    refused = command("backup")
    assert (refused.exit_code, "--to FOLDER" in refused.output) == (2, True)
    assert made(command, tmp_path / "told").parent == tmp_path / "told"


def test_a_damaged_backup_is_found(command: Command, tmp_path: Path) -> None:
    file = made(command, tmp_path)
    whole = file.read_bytes()
    assert command("backup", "verify", str(file)).exit_code == 0
    middle = whole.index(b"PGDMP") + 20_000  # within the smallest dump

    def less(section: str) -> Callable[[dict[str, Any]], None]:
        return lambda manifest: manifest["facts"].pop(section)

    def another_table(manifest: dict[str, Any]) -> None:
        manifest["facts"]["rows"]["ghosts"] = "1"

    cases: dict[str, Callable[[], bytes]] = {
        "a byte": lambda: whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "cut off": lambda: whole[: len(whole) // 2],
        "no seal": lambda: whole[: whole.index(b"seal.json")],
        "a figure": lambda: whole.replace(b'KES": "debit 0', b'KES": "debit 1', 1),
        "nothing": lambda: b"",
        "a letter": lambda: b"Dear all, " * 1_000,
        "no holds": lambda: forged(file, less("open holds")).read_bytes(),
        "a table": lambda: forged(file, another_table).read_bytes(),
    }
    for what, damage in cases.items():
        other = tmp_path / f"{what}.tar"
        other.write_bytes(damage())
        (tmp_path / f"forged-{file.name}").unlink(missing_ok=True)
        assert other.read_bytes() != whole, what
        with pytest.raises(StackError, match=r"is damaged or no backup|is no whole backup"):
            command("backup", "verify", str(other))
    newer = forged(file, lambda manifest: manifest.update(format=2))
    with pytest.raises(StackError, match="newer pettycash"):
        command("backup", "verify", str(newer))


def test_a_backup_is_not_restored_over_anything(
    live: Database, command: Command, tmp_path: Path
) -> None:
    file = made(command, tmp_path)
    with pytest.raises(restoring.NotEmpty, match="is not empty"):
        command("restore", str(file), "--into", live.owner_url)
    with db.system_transaction() as session:
        assert session.execute(select(PlatformPause)).first() is None
    for words in ((str(file),), ("--into", live.owner_url), (str(file), "--stamp"), ("--stamp",)):
        assert command("restore", *words).exit_code == 2


def test_until_it_is_stamped_a_restored_database_takes_no_writes(
    live: Database, target: Database, command: Command, tmp_path: Path
) -> None:
    file = forged(made(command, tmp_path), one_shilling_more)

    with pytest.raises(restoring.Different, match="figures that differ: 1, such as trial"):
        command("restore", str(file), "--into", target.owner_url)

    compose_for(target)
    stopping = text("UPDATE payment_attempts SET state = 'sending'")
    with db.transaction() as session, pytest.raises(DBAPIError, match="read-only transaction"):
        session.execute(stopping)


def test_a_restore_by_other_means_is_stamped(live: Database, command: Command) -> None:
    moment = "2026-11-30T04:00:00+03:00"

    first = command("restore", "--stamp", "--taken-at", moment, "--json")
    again = command("restore", "--stamp", "--taken-at", moment)

    assert first.json["number"] == 1
    assert first.json["taken_at"] == "2026-11-30T01:00:00+00:00"
    assert "nothing was done" in again.output
    assert "check withdrawn keys" in again.output
    with db.system_transaction() as session:
        (standing,) = session.execute(select(PlatformPause)).scalars()
        assert standing.reason.startswith("Restored from 2026-11-30 01:00:00 UTC")
    for wrong, code in (("2999-01-01T00:00:00Z", "future"), ("2026-01-01T00:00:00", "zone")):
        refused = command("restore", "--stamp", "--taken-at", wrong)
        assert refused.refusal is not None
        assert code in refused.refusal.code
    assert command("restore", "--stamp", "--taken-at", "yesterday").exit_code == 2


def test_restore_drill_is_equal_to_the_shilling(
    live: Database, company: UUID, command: Command
) -> None:
    with db.transaction() as session:
        making_payments.executing(session)

    drilled = command("restore-drill", "--json")

    assert drilled.exit_code == 0, drilled.output
    figures = {(each["section"], each["what"]): each for each in drilled.json["figures"]}
    assert figures["open holds", "DEMO KES"]["new"].startswith("1 of 1500.00")
    assert figures["rows", "payments"]["new"] == "1"
    assert (drilled.json["different"], drilled.json["findings"]) == ([], [])


def test_restore_drill_fails_on_damage(
    live: Database, command: Command, servers: Servers, tmp_path: Path
) -> None:
    """On a figure that is not the backup's, and on books that were broken before it was made."""
    file = forged(made(command, tmp_path), one_shilling_more)
    drilled = command("restore-drill", str(file))
    assert drilled.exit_code == 1
    assert "DIFFERENT" in drilled.output
    assert "figures that differ: 1;" in drilled.output

    connection = servers.postgres.connect(database=live.name)
    connection.cursor().execute(
        "UPDATE ledger_accounts SET balance = balance + 1 WHERE code = '1100'"
    )
    connection.close()
    drilled = command("restore-drill", "--json")
    assert drilled.exit_code == 1
    assert drilled.json["different"] == []
    assert {each["check"] for each in drilled.json["findings"]} >= {"balance_is_sum_of_postings"}
    json.dumps(drilled.json)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_a_drill_leaves_nothing_of_it(
    live: Database, tmp_path: Path, sent: signal.Signals
) -> None:
    """A deploy, a time limit or a closed terminal: what it has restored is everybody's data."""
    with subprocess.Popen(
        children.pettycash("restore-drill"),
        env=os.environ | live.environ | {"TMPDIR": str(tmp_path)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as drill:
        try:
            deadline = time.monotonic() + budget(60)
            while not list(tmp_path.glob("*/postgres/**/postmaster.pid")):
                assert drill.poll() is None, drill.communicate()[0]
                assert time.monotonic() < deadline
                time.sleep(0.05)
            drill.send_signal(sent)
            assert drill.wait(timeout=budget(30)) == 128 + sent
        finally:
            drill.kill()

    assert list(tmp_path.iterdir()) == []


def test_a_program_is_not_older_than_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel's where it fits; it knows no TLS, and no server that is newer."""
    on_path = tmp_path / "pg_dump"
    on_path.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 99.1'\n", encoding="ascii")
    on_path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    embedded = postgres.binaries() / "pg_dump"
    assert programs.find("pg_dump", major=15).path == embedded
    assert programs.find("pg_dump", major=15, needs_tls=True).path == on_path
    assert programs.find("pg_dump", major=99).path == on_path
    with pytest.raises(StackError, match="apt install postgresql-client-100"):
        programs.find("pg_dump", major=100)
