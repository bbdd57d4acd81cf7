"""The model, as long as a run of all tests may take; `bin/pettycash model` plays for longer."""

import pytest

from tests.model.ground import Ground
from tests.model.machine import machine
from tests.model.memory import Tally
from tests.model.playing import play
from tests.patience import budget

EXAMPLES, STEPS, SEED = 7, 40, 1
SECONDS = 60.0
"""They take some ten. The shares below tell of all of them: of few examples they are chance."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whatever_is_played_the_books_hold_and_nothing_is_paid_twice(ground: Ground) -> None:
    counted = Tally()

    found = play(
        machine(ground, counted),
        counted,
        examples=EXAMPLES,
        steps=STEPS,
        seed=SEED,
        seconds=budget(SECONDS),
        shrink=False,
    )

    if found is not None:
        print(f"again: bin/pettycash model --examples 1 --steps {STEPS} --seed {found.seed}")
        raise found.error
    print(f"{counted.examples} examples, {counted.rules.total()} rules, {counted.checks} checks")
    assert counted.examples >= EXAMPLES / 5
    assert counted.rules.total() > counted.examples * STEPS * 0.9
    # What is refused as a whole changes nothing, and more than half is not refused.
    assert counted.checks > counted.examples * STEPS * 0.5
    assert counted.share_of_trials() > 1 / 5, "hardly anything crossed what was on its way"
    assert counted.ends["success"] > counted.examples / 5, "the games hardly ever paid anything"
