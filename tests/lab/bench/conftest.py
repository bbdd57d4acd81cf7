"""A folder that PostgreSQL can reach as another user, which pytest's own is not for root."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def reachable() -> Iterator[Path]:
    """An empty folder for what a command leaves in TMPDIR."""
    with tempfile.TemporaryDirectory(prefix="pettycash-tests-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)
