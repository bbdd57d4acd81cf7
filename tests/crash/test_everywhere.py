"""Every named crash point of the code is reached, and what dies there is survived."""

import collections
from pathlib import Path

import pytest

from pettycash.runtime.crash_points import Fault
from tests.crash import points
from tests.crash.plays import PLAYS
from tests.crash.stage import Stage
from tests.crash.system import System

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(240)]


def test_every_point_of_the_code_is_in_exactly_one_play() -> None:
    in_code = points.in_code()
    assert [point.place for point in in_code if point.name is None] == []
    counted = collections.Counter(point.name for point in in_code)
    assert [name for name, times in counted.items() if times > 1] == []
    played = collections.Counter(point for play in PLAYS.values() for point in play.points)
    assert [name for name, times in played.items() if times > 1] == []
    assert set(counted) == set(played)


def test_a_point_without_a_literal_name_is_seen(tmp_path: Path) -> None:
    (tmp_path / "hidden.py").write_text(
        "crash_points.crash_point(name)\ncrash_point('a.b')\ncrash_point(f'a.{b}')\n", "utf-8"
    )

    found = points.in_code(tmp_path)

    assert [point.name for point in found] == [None, "a.b", None]


@pytest.mark.parametrize("name", PLAYS)
def test_whoever_dies_at_a_point_of_a_play_it_ends_well(stage: Stage, name: str) -> None:
    """SIGKILL at each point, once; worker and gunicorn go on, the relay is started again."""
    play = PLAYS[name]
    survived = stage.perform(play, play.points, Fault.KILL)

    assert [each.point for each in survived if not each.hits] == []
    assert stage.system.children["worker"].exit_code() is None
    assert stage.system.children["api"].exit_code() is None


def test_two_relays_publish_and_one_payment_is_made_of_each(system: System) -> None:
    system.restart("relay-2")
    paid = [system.payment() for _ in range(5)]

    system.release(*paid)

    system.await_success(*paid)
    system.assert_paid_once(*paid)
