"""`stack`: a running stack, as a newcomer starts it, for all tests here that leave it running."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.running import Stack


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    """One for a worker, in a folder that PostgreSQL's own user can reach into.

    It ends with the last test of this folder: idle, it would still cost the others time.
    """
    home = Path(tempfile.mkdtemp(prefix="pettycash-stack-"))
    home.chmod(0o711)
    found = Stack(home / "shared")
    try:
        found.up()
        yield found
        found.end_by_ctrl_c()
    finally:
        found.end()
        shutil.rmtree(home, ignore_errors=True)
