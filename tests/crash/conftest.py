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

ON_DEMAND = ("soak", "crash_product")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes minutes runs where it is asked for: `pytest tests/crash -m soak`."""
    unwanted = [each for each in ON_DEMAND if each not in config.option.markexpr]
    left_out = [item for item in items if any(item.get_closest_marker(each) for each in unwanted)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def running(servers: Servers, worker_number: int) -> Iterator[System]:
    """The system, started once."""
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
