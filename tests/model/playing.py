"""Playing a number of examples, each of them by a seed of its own.

Hypothesis makes most of its examples by changing earlier ones, which suits what is small and quick.
Here one example takes a second and a payment needs ten rules in a row, so each is drawn anew; and
`--examples 1 --seed S` plays any one of them again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Machine
from tests.model.memory import Tally

SEEDS_APART = 1_000_003
"""Between the runs of neighbouring seeds, so that they have no example in common."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """An example that did not hold; Hypothesis has written its steps into the error's notes."""

    seed: int
    error: Exception


def play(
    player: type[Machine],
    counted: Tally,
    *,
    examples: int,
    steps: int,
    seed: int,
    shrink: bool,
    seconds: float = float("inf"),
    after_each: Callable[[], None] = lambda: None,
) -> Found | None:
    """Play until something is found, all examples have been played, or so many seconds are over."""
    began = time.monotonic()
    settings = hypothesis.settings(
        max_examples=2,  # the first is empty: see `a_rail_is_chosen`
        stateful_step_count=steps,
        database=None,
        deadline=None,
        phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    for number in range(examples):
        if time.monotonic() - began > seconds:
            break
        each = seed + number * SEEDS_APART
        try:
            run_state_machine_as_test(hypothesis.seed(each)(player), settings=settings)
        except Exception as error:  # noqa: BLE001 - whatever a service has raised is a finding
            return Found(seed=each, error=error)
        assert counted.examples == number + 1, "an example was not played to its end"
        after_each()
    return None
