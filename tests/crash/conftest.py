"""One running system for all the crash tests of a worker; each test finds everybody alive.

`system`    PostgreSQL of the run (a database of its own), everything else its own
`stage`     the same, with a worker whose children may die, and people who insist on answers
"""

from collections.abc import Iterator

import pytest

from tests.crash.processes import POOL
from tests.crash.stage import Stage
from tests.crash.system import System
from tests.servers import Servers


@pytest.fixture(scope="package")
def running(servers: Servers, worker_number: int) -> Iterator[System]:
    """The system, started once; it ends with this folder: idle, it would still compute."""
    name = f"pettycash_crash_w{worker_number}"
    made = System(servers.folder / f"crash-w{worker_number}", servers.clone(name))
    try:
        made.start()
        yield made
    finally:
        made.end()
        servers.drop(name)


@pytest.fixture
def system(running: System) -> System:
    """The system with everybody alive and no fault armed."""
    running.compose()
    running.revive()
    return running


@pytest.fixture
def stage(running: System) -> Stage:
    """The system with everybody alive and a worker whose children may die; no fault armed."""
    running.compose()
    running.revive(POOL)
    return Stage(running)
