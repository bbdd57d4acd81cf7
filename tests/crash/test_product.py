"""Every crash point with every fault, one at a time: `bin/pettycash crash-points`."""

from collections.abc import Callable

import pytest

from pettycash.runtime.crash_points import Fault
from tests.crash.plays import PLAYS
from tests.crash.stage import Stage

pytestmark = [pytest.mark.crash_product, pytest.mark.timeout(240)]

PRODUCT = [
    (name, point, fault) for name, play in PLAYS.items() for point in play.points for fault in Fault
]


@pytest.mark.parametrize(
    ("name", "point", "fault"), PRODUCT, ids=[f"{point}-{fault}" for _, point, fault in PRODUCT]
)
def test_a_fault_at_a_point_is_survived(
    stage: Stage,
    name: str,
    point: str,
    fault: Fault,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("point", point)
    record_property("fault", fault.value)
    (survived,) = stage.perform(PLAYS[name], [point], fault)

    record_property("hits", survived.hits)
    record_property("seconds", f"{survived.seconds:.2f}")
    assert survived.hits, f"nobody came by {point}"
