"""Tasks are tried one by one here; how a worker goes on is tried in `test_lists`."""

import pytest

from pettycash.tasks import outbox_tasks


@pytest.fixture(autouse=True)
def each_call_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker goes on with what a test counts as waiting."""
    monkeypatch.setattr(outbox_tasks, "STAYS_SECONDS", 0.0)
