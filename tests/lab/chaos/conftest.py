"""Doors that tests spoil."""

from collections.abc import Iterator

import pytest

from pettycash.lab.chaos.proxy import Proxies


@pytest.fixture
def proxies() -> Iterator[Proxies]:
    made = Proxies()
    try:
        yield made
    finally:
        made.close()
