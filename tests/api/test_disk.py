"""PostgreSQL's disk is full, for real: a table lies on a file system of four megabytes."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from pettycash.runtime import db
from tests.api.client import ApiClient
from tests.factories.requisitions_http import NEW, PATH
from tests.servers import Database, Servers

MEGABYTES = 4
TABLES = ("requisitions", "requisition_lines", "idempotency_keys")
LAST = "requisition_lines"
"""What a request writes last: it lies on the small disk, so the rest of it was written before."""
ENOUGH = 300
"""So many requisitions fill what pages that are there already have left."""


@pytest.fixture
def disk(servers: Servers) -> Iterator[Path]:
    """A small file system that the server may write to."""
    folder = servers.folder / f"disk-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o755)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"a small disk needs the right to mount one: {mounted.stderr.strip()}")
    try:
        owner = servers.postgres.run_as
        os.chown(folder, owner.uid or os.getuid(), owner.gid or os.getgid())
        folder.chmod(0o700)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def superuser(servers: Servers, live: Database, disk: Path) -> Iterator[Any]:
    """A cursor in the test's database, one of whose tables lies on the small disk."""
    connection = servers.postgres.connect(database=live.name)
    cursor = connection.cursor()
    cursor.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
    try:
        cursor.execute(f"ALTER TABLE {LAST} SET TABLESPACE small")
        cursor.execute("CREATE TABLE filling (content text) TABLESPACE small")
        cursor.execute("ALTER TABLE filling ALTER content SET STORAGE plain")
        yield cursor
        db.dispose()
        cursor.execute(f"ALTER TABLE {LAST} SET TABLESPACE pg_default")
        cursor.execute("DROP TABLE IF EXISTS filling")
        cursor.execute("DROP TABLESPACE small")
    finally:
        connection.close()


def counted(cursor: Any) -> tuple[int, ...]:
    found = []
    for table in TABLES:
        cursor.execute(f"SELECT count(*) FROM {table}")
        found.append(cursor.fetchone()[0])
    return tuple(found)


def test_disk_full_is_answered_503_and_leaves_no_half_state(api: ApiClient, superuser: Any) -> None:
    staff = api.as_("staff")
    with pytest.raises(psycopg2.errors.DiskFull):
        superuser.execute(
            "INSERT INTO filling SELECT repeat('x', 7000) FROM generate_series(1, 9999)"
        )

    for _ in range(ENOUGH):
        before = counted(superuser)
        answer = staff.post(PATH, json=NEW, key=True)
        if answer.status_code != 201:
            break

    assert (answer.status_code, answer.json["code"]) == (503, "platform.read_only")
    assert answer.content_type == "application/problem+json"
    assert counted(superuser) == before
    assert staff.get(PATH).status_code == 200, "it goes on reading"
    ready = api.anonymous.get("/readyz")
    database = next(each for each in ready.json["checks"] if each["name"] == "database")
    assert (ready.status_code, database["ok"]) == (503, False)
    assert database["detail"] == "takes no writes"

    superuser.execute("DROP TABLE filling")
    assert staff.post(PATH, json=NEW, key=True).status_code == 201
    assert all(now > then for now, then in zip(counted(superuser), before, strict=True))
