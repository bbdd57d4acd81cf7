"""One simulator and one receiver for a module; every test uses ids of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.simulators.daraja import Daraja, Receiver, Simulator


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    process = Simulator(tmp_path_factory.mktemp("mpesa")).start()
    yield process
    assert process.end() == 0


@pytest.fixture(scope="module")
def client(simulator: Simulator, receiver: Receiver) -> Daraja:
    return Daraja(simulator, receiver)


@pytest.fixture
def start(tmp_path: Path, receiver: Receiver) -> Iterator[Callable[..., Daraja]]:
    """Start a simulator of one's own, with options; ended after the test."""
    running: list[Simulator] = []

    def starter(*options: str) -> Daraja:
        running.append(Simulator(tmp_path / "mpesa", *options).start())
        return Daraja(running[-1], receiver)

    yield starter
    for process in running:
        if process.process is not None and process.process.poll() is None:
            process.end()
