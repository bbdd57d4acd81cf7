"""Waits that are drawn: within their bounds, and spread over all of them."""

import random
from collections import Counter

import pytest

from pettycash.services.foundation import jitter


@pytest.mark.parametrize(("times", "ceiling"), [(1, 20), (2, 40), (3, 80), (6, 640), (40, 900)])
def test_a_thousand_waits_are_spread_up_to_their_ceiling(times: int, ceiling: int) -> None:
    random.seed(20261130 + times)
    waits = [jitter.doubling(20.0, times, longest=900.0).total_seconds() for _ in range(1_000)]

    assert 1 <= min(waits) < 1 + ceiling / 50
    assert ceiling * 0.98 < max(waits) <= ceiling
    fullest = max(Counter(int(each) for each in waits).values())
    assert fullest <= max(2 * 1_000 / (ceiling - 1), 15), "no second is fuller than by chance"


def test_a_ceiling_below_the_floor_is_kept() -> None:
    assert jitter.up_to(0.5).total_seconds() == 0.5
