"""Fixtures that every test may ask for: real servers, a session that is rolled back, a live system.

session   the application role in the demo company, in a transaction that is rolled back after
          SET CONSTRAINTS ALL IMMEDIATE, so that deferred triggers have had their say
live      a database of one's own where commits are real: for HTTP, races, workers, crashes
client    Flask's test client on `live`
"""

import gc
import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import pytest_timeout
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy.orm import Session

from pettycash.app import create_app
from tests import answers, lock_order, patience
from tests import servers as test_servers
from tests.factories.scenes import Scenes
from tests.restoring import Restored
from tests.rolling_back import rolled_back
from tests.servers import Database, Servers

FOLDER = pytest.StashKey[Path]()
CONTROLLER = pytest.StashKey[int]()
REDIS_DATABASES = 16
ON_DEMAND = ("soak", "crash_product")

# How long an example takes tells of the machine, not of the code.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """One folder for the run's servers, made by the controller and told to its workers."""
    lock_order.RECORDER.listen()
    answers.RECORDER.listen()
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        config.stash[FOLDER] = Path(worker["servers_folder"])
        config.stash[CONTROLLER] = int(worker["controller_pid"])
        return
    folder = Path(tempfile.mkdtemp(prefix="pettycash-tests-"))
    folder.chmod(0o711)  # PostgreSQL may run as another user
    config.stash[FOLDER] = folder
    config.stash[CONTROLLER] = os.getpid()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """The collected tests stay until the end: the garbage collector need not look at them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist: called in the controller for each worker."""
    node.workerinput["servers_folder"] = str(node.config.stash[FOLDER])
    node.workerinput["controller_pid"] = node.config.stash[CONTROLLER]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test of minutes runs where it is asked for: `pytest -m soak`. Groups come first, then what
    is slow: a long one that began last would keep one worker busy and the others idle.
    """
    unwanted = [each for each in ON_DEMAND if each not in config.option.markexpr]
    left_out = [item for item in items if any(item.get_closest_marker(each) for each in unwanted)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items.sort(
        key=lambda each: (
            each.get_closest_marker("xdist_group") is None,
            each.get_closest_marker("slow") is None,
        )
    )


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool:
    """A test that hangs is ended after a budget, not after a time."""
    longer = settings._replace(timeout=patience.budget(settings.timeout))
    pytest_timeout.pytest_timeout_set_timer(item, longer)
    return True


def pytest_collection_finish(session: pytest.Session) -> None:
    """xdist writes a test's group into its node id; where that is lost, groups do nothing."""
    if getattr(session.config.option, "loadgroup", False):
        lost = [
            each.nodeid
            for each in session.items
            if each.get_closest_marker("xdist_group") and "@" not in each.nodeid
        ]
        if lost:
            raise pytest.UsageError(f"xdist runs {lost[0]} outside its group")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Locks that were taken in a circle, and answers that the OpenAPI document does not declare,
    fail the run; each worker has seen a part of it.
    """
    folder = session.config.stash[FOLDER]
    worker = getattr(session.config, "workerinput", {}).get("workerid")
    lock_order.RECORDER.write(folder / f"locks-{worker or 'alone'}.json")
    answers.RECORDER.write(folder / f"answers-{worker or 'alone'}.json")
    if worker:
        return
    if circle := lock_order.circle(lock_order.merged(folder)):
        print("\n\nTables are locked in a circle (docs/reliability.md, The order of locks):")
        print(*circle, sep="\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if undeclared := answers.merged(folder):
        print("\n\nThe API answers what its OpenAPI document does not declare (docs/api.md):")
        print(*(f"{what} ({test})" for what, test in sorted(undeclared.items())), sep="\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How long the tests of each room took, all workers together."""
    rooms: Counter[str] = Counter()
    for report in itertools.chain(*terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            rooms[Path(report.nodeid.partition("::")[0]).parts[1]] += report.duration
    terminalreporter.section("seconds by room")
    for room, seconds in rooms.most_common():
        terminalreporter.write_line(f"{seconds:7.1f}s {room}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """The controller has the last word."""
    if not hasattr(config, "workerinput") and FOLDER in config.stash:
        test_servers.dismiss(config.stash[FOLDER])


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """PostgreSQL and Redis of this run."""
    return test_servers.obtain(pytestconfig.stash[FOLDER], pytestconfig.stash[CONTROLLER])


@pytest.fixture(scope="session")
def worker_number(worker_id: str) -> int:
    """0 without xdist, else the worker's number."""
    return int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0


@pytest.fixture(scope="session")
def database(servers: Servers, worker_number: int) -> Iterator[Database]:
    """This worker's database: for tests that roll back."""
    name = f"pettycash_w{worker_number}"
    yield servers.clone(name, redis_database=worker_number % REDIS_DATABASES)
    servers.drop(name)


@pytest.fixture(scope="session")
def demo_company(database: Database, servers: Servers) -> str | None:
    """The id of the demo organisation; None while nothing seeds one."""
    connection = servers.postgres.connect(database=database.name)
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT id::text FROM companies ORDER BY id LIMIT 1")
        row = cursor.fetchone()
    finally:
        connection.close()
    return str(row[0]) if row else None


@pytest.fixture(scope="session")
def scenes(database: Database, servers: Servers) -> Iterator[Scenes]:
    """What tests that roll back begin with, made once."""
    made = Scenes(servers, database)
    yield made
    made.close()


@pytest.fixture
def session(database: Database, demo_company: str | None, scenes: Scenes) -> Iterator[Session]:
    """The application role in the demo company; nothing of it stays."""
    with rolled_back(database, company_id=demo_company) as opened:
        opened.info["scenes"] = scenes
        yield opened


@pytest.fixture(scope="session")
def restored(servers: Servers, worker_number: int) -> Iterator[Restored]:
    """The database that `live` gives, to one test after the other."""
    name = f"pettycash_live_w{worker_number}"
    made = Restored(servers, name, redis_database=worker_number % REDIS_DATABASES)
    yield made
    made.close()


@pytest.fixture
def live(restored: Restored) -> Database:
    """A database of the test's own, as the seeded one is, and an empty Redis."""
    fresh = restored.fresh()
    with Redis.from_url(fresh.redis_url) as client:
        client.flushdb()
    test_servers.compose_for(fresh)
    return fresh


@pytest.fixture
def client(live: Database) -> FlaskClient:
    """Flask's test client on a live database."""
    return create_app(live.settings).test_client()
