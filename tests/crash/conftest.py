"""One running system for all the crash tests of a worker; each test finds everybody alive.

`system`    PostgreSQL of the run (a database of its own), everything else its own
"""

from collections.abc import Iterator

import pytest

from tests.crash.system import System
from tests.servers import Servers


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes minutes runs where it is asked for: `pytest tests/crash -m soak`."""
    if "soak" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("soak")]
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
