"""The whole stack as real processes: it comes up, heals, and goes without a trace."""

import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
import redis
import requests

from pettycash.celery_app import create_celery
from pettycash.runtime import config
from pettycash.stack import probes
from pettycash.stack.children import WORKERS
from pettycash.stack.plan import USUAL_PORTS
from pettycash.stack.ports import LOOPBACK, is_free
from pettycash.stack.processes import is_alive
from pettycash.stack.state import StateFolder
from tests import production
from tests.patience import budget
from tests.servers import Servers, wait_until
from tests.stack.running import Stack

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack"), pytest.mark.timeout(240)]

IN_ORDER = [
    "PostgreSQL", "Redis", "migrations", "seed", "simulator mpesa", "API", "relay", *WORKERS,
    "beat", "Flower",
]  # fmt: skip


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder that PostgreSQL's own user can reach into, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="pettycash-stack-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def sql(stack: Stack, statement: str) -> list[tuple[object, ...]]:
    """Run a statement as the owner."""
    url = stack.secrets()["database_owner_url"].replace("+psycopg2", "")
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def test_each_part_is_announced_in_order_with_its_seconds(stack: Stack) -> None:
    lines = [line.strip() for line in stack.first_words.splitlines()]
    ready = [line for line in lines if " ready " in line and line.split("  ")[0] in IN_ORDER]
    assert [line.split("  ")[0] for line in ready] == IN_ORDER
    assert all(" s" in line for line in ready)


def test_nothing_follows_the_banner(stack: Stack) -> None:
    assert stack.first_words.count("pettycash is up after") == 1
    assert stack.first_words.rstrip().splitlines()[-1].startswith("Try: ")


def test_the_banner_begins_with_the_console(stack: Stack) -> None:
    (first, *_) = stack.first_words.partition("pettycash is up after")[2].splitlines()[1:]
    assert first.split() == ["console", f"{stack.secrets()['api_url']}/console/"]


def test_limits_that_are_not_productions_own_are_named(stack: Stack) -> None:
    (line,) = (each for each in stack.first_words.splitlines() if "limits other than" in each)
    assert "PETTYCASH_WRITES_PER_PERSON_PER_MINUTE=600 (60)" in line


def test_status_says_ready_at_once(stack: Stack) -> None:
    began = time.monotonic()
    done = stack.call("status")
    assert time.monotonic() - began < budget(3)
    assert done.returncode == 0
    found = stack.status()
    assert found["ready"] is True
    assert found["story"] is None, "nobody asked for one"
    assert {each["state"] for each in found["processes"]} == {"ready"}
    assert {"name", "pid", "url", "state", "restarts"} == set(found["processes"][0])


def test_secrets_open_every_door(stack: Stack) -> None:
    secrets = stack.secrets()
    for name, role in (
        ("database_url", "pettycash_app"),
        ("database_owner_url", "pettycash_owner"),
        ("database_system_url", "pettycash_system"),
    ):
        connection = psycopg2.connect(secrets[name].replace("+psycopg2", ""))
        cursor = connection.cursor()
        cursor.execute(
            "SELECT current_user, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == (role, False, False)
        connection.close()
    with redis.Redis.from_url(secrets["redis_url"]) as client:
        assert client.ping()
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert secrets["simulators"]["mpesa"].startswith("http://127.0.0.1:")
    assert secrets["mailbox"].startswith("http://127.0.0.1:")
    assert urlsplit(secrets["flower"]).password
    assert {"staff", "treasury", "treasury_2", "custodian", "other_company"} <= set(
        secrets["personas"]
    )
    for persona in secrets["personas"].values():
        assert {"username", "password", "totp_secret"} <= set(persona)


def test_secrets_are_for_their_owner_only(stack: Stack) -> None:
    for name in ("secrets.json", "run.json", "personas.json", "redis/redis.conf"):
        assert (stack.state / name).stat().st_mode & 0o077 == 0, name
    for folder in ("logs", "mailbox", "simulators", "postgres"):
        assert (stack.state / folder).stat().st_mode & 0o077 == 0, folder


def test_no_secret_stands_on_a_command_line(stack: Stack) -> None:
    secrets = (stack.state / "secrets.json").read_text()
    hidden = [line.split('"')[3] for line in secrets.splitlines() if '": "' in line]
    assert len(hidden) >= 8
    for pid, _ in stack.everyone():
        command = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
        assert not [each for each in hidden if each in command], command


def test_our_processes_never_see_the_owners_url(stack: Stack) -> None:
    pids = stack.pids()
    for name in ("api", "relay", *WORKERS, "beat", "flower"):
        environment = Path(f"/proc/{pids[name]}/environ").read_bytes()
        assert b"DATABASE_URL=" in environment
        assert b"DATABASE_OWNER_URL=" not in environment


def test_everything_listens_on_loopback_only(stack: Stack) -> None:
    ours = {f"socket:[{inode}]" for inode in listening_elsewhere()}
    for pid, _ in stack.everyone():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                assert os.readlink(descriptor) not in ours  # noqa: PTH115 - not a path
            except FileNotFoundError:
                continue


def listening_elsewhere() -> list[str]:
    """Inodes of sockets that listen on more than loopback."""
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            address, state, inode = fields[1].split(":")[0], fields[3], fields[9]
            if state == "0A" and not address.endswith("0100007F"):
                found.append(inode)
    return found


def test_a_second_up_says_where_the_first_one_runs(stack: Stack) -> None:
    done = stack.call("up")
    assert done.returncode == 3
    assert stack.secrets()["api_url"] in done.stderr
    assert str(stack.process.pid) in done.stderr
    assert stack.status()["ready"] is True


def test_reset_is_refused_while_it_runs(stack: Stack) -> None:
    done = stack.call("reset", "--yes")
    assert done.returncode == 1
    assert "stop it first" in done.stderr
    assert stack.status()["ready"] is True


def test_doctor_finds_nothing(stack: Stack) -> None:
    done = stack.call("doctor")
    assert done.returncode == 0, done.stdout


def test_logs_are_there_by_name(stack: Stack) -> None:
    assert "ready to accept connections" in stack.call("logs", "postgres").stdout
    assert "there is no log of 'nonsense'" in stack.call("logs", "nonsense").stderr


def test_flower_is_read_only_and_behind_a_password(stack: Stack) -> None:
    flower = urlsplit(stack.secrets()["flower"])
    with socket.create_connection((LOOPBACK, flower.port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b" 401 " in connection.recv(100)


def test_flower_shows_workers_and_tasks_that_it_does_not_hold(stack: Stack) -> None:
    secrets = stack.secrets()
    flower = urlsplit(secrets["flower"])
    bare = f"http://{LOOPBACK}:{flower.port}/api"
    signed_in = (flower.username or "", flower.password or "")
    urls = {"DATABASE_URL": secrets["database_url"], "REDIS_URL": secrets["redis_url"]}

    def shown() -> bool:
        heartbeat = {"kwargs": {"queue": "batch"}, "queue": "batch"}
        celery.send_task("heartbeats.beat", **heartbeat)  # it shows what happens while it looks
        try:
            tasks = requests.get(f"{bare}/tasks", auth=signed_in, timeout=10).json()
            workers = requests.get(f"{bare}/workers?refresh=1", auth=signed_in, timeout=10).json()
        except requests.RequestException:
            return False
        done = {each["name"] for each in tasks.values() if each["state"] == "SUCCESS"}
        known = {name for each in workers.values() for name in each.get("registered", ())}
        return "heartbeats.beat" in done and "payments.submit" in known

    with create_celery(config.read(urls)) as celery:
        assert wait_until(shown, 60)


@pytest.mark.parametrize(
    "name", ["api", "relay", "worker", "beat", "flower", "redis", "postgres", "simulator-mpesa"]
)
def test_a_killed_child_comes_back(stack: Stack, name: str) -> None:
    before = stack.pids()
    os.kill(before[name], signal.SIGKILL)

    def is_back() -> bool:
        processes = (StateFolder(stack.state).read_run() or {})["processes"]
        again = next(each for each in processes if each["name"] == name)
        return bool(again["restarts"]) and {each["state"] for each in processes} == {"ready"}

    assert wait_until(is_back, 60, step=0.1), stack.output[-3000:]
    found = stack.status()
    assert found["ready"] is True
    assert next(each["pid"] for each in found["processes"] if each["name"] == name) != before[name]
    assert f"{name}: killed by signal 9" in stack.output


def test_neither_ctrl_c_nor_a_kill_of_the_supervisor_costs_data_or_leaves_an_orphan(
    home: Path,
) -> None:
    """One stack is started four times, once as a whole: that costs ten seconds. Ctrl-C of a whole
    one is how the one of all tests here ends.
    """
    stack = Stack(home / "kept", arguments=())
    try:
        with _taken(USUAL_PORTS["api"]):
            stack.up()
        sql(stack, "CREATE TABLE kept AS SELECT 42 AS answer")
        personas = stack.secrets()["personas"]
        _a_taken_port_has_given_way(stack)

        left = stack.everyone()
        assert len(left) > 10
        stack.kill()
        assert wait_until(lambda: not any(is_alive(*each) for each in left), 15)
        assert stack.status()["running"] is False
        _begins(stack, as_far_as="seed")
        assert sql(stack, "SELECT answer FROM kept") == [(42,)]
        assert stack.secrets()["personas"] == personas
        _was_properly_shut_down(stack)

        stack.end_by_ctrl_c()
        assert stack.status() == {"running": False, "ready": False, "pid": None, "processes": []}
        assert "database system is shut down" in stack.call("logs", "postgres").stdout
        _begins(stack, as_far_as="Redis")
        assert sql(stack, "SELECT answer FROM kept") == [(42,)]
        _was_properly_shut_down(stack)

        # At once: the successor waits for what its predecessor left.
        left = stack.everyone()
        stack.kill()
        _begins(stack, as_far_as="Redis")
        assert not [each for each in left if is_alive(*each)]
        _was_properly_shut_down(stack)
    finally:
        stack.end()


@contextmanager
def _taken(port: int) -> Iterator[None]:
    """Somebody listens at a port; where somebody else does already, so much the better."""
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_free(port):
            squatter.bind((LOOPBACK, port))
            squatter.listen()
        yield


def _a_taken_port_has_given_way(stack: Stack) -> None:
    port = urlsplit(stack.secrets()["api_url"]).port
    assert port != USUAL_PORTS["api"]
    assert f"port {USUAL_PORTS['api']} is taken, api uses {port}" in stack.output
    assert stack.status()["ready"] is True


def _begins(stack: Stack, *, as_far_as: str) -> None:
    stack.begin()
    assert wait_until(lambda: f"  {as_far_as} " in stack.output or stack.has_ended(), 60)
    assert not stack.has_ended(), stack.output


def _was_properly_shut_down(stack: Stack) -> None:
    log = stack.call("logs", "-n", "200", "postgres").stdout
    assert "was not properly shut down" not in log


def test_ctrl_c_while_starting_leaves_nothing(home: Path) -> None:
    stack = Stack(home / "hasty")
    try:
        stack.begin()
        assert wait_until(lambda: "Redis" in stack.output, 30)
        left = stack.everyone()
        assert stack.interrupt() == 0
        assert not [each for each in left if is_alive(*each)]
    finally:
        stack.end()


def test_a_part_that_can_not_start_is_named_with_its_log(home: Path) -> None:
    stack = Stack(home / "broken")
    stack.state.mkdir(mode=0o711)
    (stack.state / "postgres").mkdir(mode=0o700)
    (stack.state / "postgres" / "made").touch()
    (stack.state / "postgres" / "data").mkdir()
    stack.begin()
    try:
        assert stack.process.wait(budget(30)) == 1
        assert "PostgreSQL ended while starting" in stack.output
        assert "  | " in stack.output
        assert "Traceback" not in stack.output
    finally:
        stack.end()


def test_production_runs_on_own_servers_without_demo_data(home: Path, servers: Servers) -> None:
    """The test run's servers stand in for the servers that somebody has."""
    servers.drop("pettycash_own")
    servers.postgres.make_database("pettycash_own")
    database = servers.database("pettycash_own", redis_database=15)
    environ = production.ENVIRON | {
        "SMTP_URL": "smtp://user:password@127.0.0.1:9",
        "DATABASE_URL": database.app_url,
        "DATABASE_OWNER_URL": database.owner_url,
        "REDIS_URL": database.redis_url,
    }
    own = Stack(home / "own", environ=environ)
    try:
        own.up()
        assert set(own.pids()) == {"api", "relay", *WORKERS, "beat", "flower"}
        assert "PostgreSQL (yours)" in own.output
        assert "DATABASE_SYSTEM_URL is not set" in own.output
        assert "seed" not in own.output
        assert own.status()["ready"] is True
        api = next(each["url"] for each in own.status()["processes"] if each["name"] == "api")
        assert wait_until(probes.answers_ok(f"{api}/readyz"), 40, step=0.5)
    finally:
        if own.process and not own.has_ended():  # once asked, a worker has 40 s for its calls
            own.process.send_signal(signal.SIGINT)
            wait_until(lambda: "stopping" in own.output, 10)
        own.end()
        servers.drop("pettycash_own")


def test_an_owner_url_must_stand_beside_a_database_url(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "half", environ={"DATABASE_URL": "postgresql://a@127.0.0.1/b"})
    done = stack.call("up")
    assert done.returncode == 1
    assert "DATABASE_OWNER_URL" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_production_without_its_secrets_does_not_start(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "production", environ={"PETTYCASH_ENV": "production"})
    done = stack.call("up")
    assert done.returncode == 1
    for name in ("PETTYCASH_SECRET_KEYS", "PETTYCASH_OTP_KEY", "SMTP_URL"):
        assert name in done.stderr
    assert "Traceback" not in done.stderr
    for command in ("reset", "secrets"):
        assert stack.call(command).returncode == 1
