"""The budget of waiting tests."""

import time

import pytest

from tests import patience


@pytest.mark.parametrize(
    ("loadavg", "cores", "factor"),
    [
        ("0.10 0.10 0.10 1/120 9", 2, 1),
        ("10.00 4.00 1.00 1/120 9", 2, 5),
        ("1.00 1.00 1.00 12/120 9", 2, 6),
        ("900.0 1.0 1.0 1/120 9", 2, patience.MOST),
    ],
)
def test_the_budget_grows_with_the_load(loadavg: str, cores: int, factor: float) -> None:
    assert patience.slowness(loadavg, cores=cores) == pytest.approx(factor)


def test_what_comes_true_is_not_waited_for() -> None:
    began = time.monotonic()

    assert patience.wait_until(lambda: True, 60)
    assert patience.budget(3) >= 3
    assert not patience.wait_until(lambda: False, 0.05)
    assert time.monotonic() - began < patience.budget(5)
