"""The plan of faults: drawn before anything runs, the same for the same options."""

import pytest

from pettycash.lab.chaos.faults import OTHERS, VICTIMS, FaultKind, draw
from pettycash.lab.chaos.options import GATEWAY_RATES, Options
from pettycash.lab.simulators.mpesa.scenarios import RandomPlan


def test_the_same_options_draw_the_same_plan_and_another_seed_another() -> None:
    assert draw(Options(kills=50, seed=7)) == draw(Options(kills=50, seed=7))
    assert draw(Options(kills=50, seed=7)) != draw(Options(kills=50, seed=8))


@pytest.mark.parametrize("kills", [0, 1, 6, 20, 100])
def test_there_are_as_many_kills_as_asked_for_and_every_part_is_among_them(kills: int) -> None:
    killed = [fault.part for fault in draw(Options(kills=kills)) if fault.kind is FaultKind.KILL]
    assert len(killed) == kills
    assert set(VICTIMS[:kills]) <= set(killed)


def test_a_large_run_has_every_fault() -> None:
    done = {(fault.kind, fault.part) for fault in draw(Options(kills=100, restore=True))}
    assert set(OTHERS) <= done
    assert {kind for kind, _ in done} == set(FaultKind)


def test_faults_are_spread_over_the_payments_in_order() -> None:
    places = [fault.at for fault in draw(Options(kills=20))]
    assert places == sorted(places)
    assert 0 < places[0] < places[-1] < 1


def test_a_restore_brings_back_an_earlier_backup_and_changes_nothing_else() -> None:
    plan = draw(Options(kills=20, restore=True))
    places = {fault.kind: number for number, fault in enumerate(plan)}
    assert 0 < places[FaultKind.BACKUP] < places[FaultKind.RESTORE] < len(plan) - 1
    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)
    assert [fault for fault in plan if fault.part != "database"] == draw(Options(kills=20))


def test_clocks_are_wrong_by_two_hours_in_both_directions() -> None:
    hours = {fault.hours for fault in draw(Options(kills=100)) if fault.kind is FaultKind.SKEW}
    assert hours == {-2.0, 2.0}


def test_the_rail_knows_every_scenario_and_spoils_a_third_of_all_references() -> None:
    plan = RandomPlan.read({"seed": 1, "rates": dict(GATEWAY_RATES)})
    spoilt = sum(bool(plan.scenario(f"reference {number}").parts) for number in range(1000))
    assert spoilt > 333
