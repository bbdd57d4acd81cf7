"""The ground that examples and games are played on."""

from collections.abc import Iterator

import pytest

from tests.model.ground import Ground
from tests.servers import Servers


@pytest.fixture
def ground(servers: Servers, worker_number: int) -> Iterator[Ground]:
    made = Ground(servers, f"pettycash_model_w{worker_number}", redis_database=worker_number)
    yield made
    made.close()
