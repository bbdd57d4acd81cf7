"""The embedded PostgreSQL as whoever starts it: root, an ordinary user, a user without a name."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pettycash.stack.postgres import APP_ROLE, OWNER_ROLE, SYSTEM_ROLE, PostgresServer
from pettycash.stack.state import ROOT, StackError

ROLES = ("postgres", OWNER_ROLE, APP_ROLE, SYSTEM_ROLE)

RUN = """
import signal, subprocess, sys, time
from pathlib import Path
from pettycash.stack.ports import Ports
from pettycash.stack.postgres import PostgresServer
server = PostgresServer(
    Path(sys.argv[1]) / "postgres", Ports(usual=False).take(0), dict.fromkeys(sys.argv[2:], "pw")
)
print("made" if server.prepare() else "found", server.run_as.prefix[:1], server.run_as.uid)
process = subprocess.Popen(
    server.command(), env=server.environment(), cwd="/", stderr=subprocess.DEVNULL,
    **server.run_as.popen,
)
deadline = time.monotonic() + 20
while not server.is_ready() and time.monotonic() < deadline:
    time.sleep(0.02)
server.make_roles()
server.make_roles()
server.make_database()
print("ready", server.is_ready())
process.send_signal(signal.SIGINT)
print("ended", process.wait(20))
"""


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="pettycash-postgres-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def serve(home: Path, *prefix: str) -> str:
    """Make a cluster, run it, make our roles, stop it; what it said about that."""
    done = subprocess.run(
        [*prefix, sys.executable, "-c", RUN, str(home), *ROLES],
        check=False, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def as_uid(uid: int) -> tuple[str, ...]:
    """Run as another uid in a user namespace, where the files of this user stay reachable."""
    prefix = ("unshare", "--user", f"--map-user={uid}", f"--map-group={uid}")
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("user namespaces are not permitted here")
    return prefix


def test_it_runs_as_whoever_runs_the_tests(home: Path) -> None:
    said = serve(home)
    assert said.startswith("made")
    assert "ready True" in said
    assert "ended 0" in said
    assert serve(home).startswith("found")


def test_it_runs_as_an_ordinary_user(home: Path) -> None:
    said = serve(home, *as_uid(65534))
    assert "made () None" in said
    assert "ready True" in said


def test_it_runs_as_a_user_without_a_name(home: Path) -> None:
    """A bare uid, as container platforms give it; initdb alone would refuse."""
    said = serve(home, *as_uid(4_242_424))
    assert "unshare" in said
    assert "ready True" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_root_keeps_data_private_to_whom_it_runs_as(home: Path) -> None:
    serve(home)
    data = (home / "postgres").stat()
    assert data.st_uid != 0 or "unshare" in serve(home)
    assert data.st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused by PostgreSQL")
def test_root_in_a_folder_of_its_own_runs_it_in_a_namespace(home: Path) -> None:
    as_uid(65534)
    home.chmod(0o700)
    said = serve(home)
    assert "unshare" in said
    assert "ready True" in said


def test_an_initdb_that_was_cut_off_is_done_again(home: Path) -> None:
    (home / "postgres" / "data").mkdir(parents=True)
    (home / "postgres" / "data" / "PG_VERSION").write_text("18\n")
    assert serve(home).startswith("made")


def test_data_of_a_version_that_is_not_here_is_a_sentence(home: Path) -> None:
    serve(home)
    (home / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    server = PostgresServer(home / "postgres", 1, dict.fromkeys(ROLES, "pw"))
    with pytest.raises(StackError, match="no embedded PostgreSQL 9"):
        server.prepare()
