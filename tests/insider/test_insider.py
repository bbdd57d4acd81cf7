"""Some games of the insider, always the same ones; `bin/pettycash insider` plays others."""

import time
from collections.abc import Iterator

import pytest

from tests.insider.game import Tally
from tests.insider.playing import Table
from tests.model.ground import Ground
from tests.servers import Servers

SEEDS, STEPS = (23, 4, 3), 60
SECONDS = 300.0
"""They take some 15; a machine that is busy with other things plays as many as it can."""


@pytest.fixture
def table(servers: Servers, worker_number: int) -> Iterator[Table]:
    ground = Ground(servers, f"pettycash_insider_w{worker_number}", redis_database=worker_number)
    yield Table(ground)
    ground.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nobody_of_the_house_moves_money_alone(table: Table) -> None:
    until = time.monotonic() + SECONDS
    for seed in SEEDS:
        if time.monotonic() > until:
            return
        found = table.play(games=1, steps=STEPS, seed=seed, shrink=False)
        if found is None:
            continue
        print(f"again: bin/pettycash insider --games 1 --steps {STEPS} --seed {found.seed}")
        print(f"hostile: {', '.join(found.hostile)}", *found.lines, sep="\n")
        raise found.error
    check_depth(table.tally)


def check_depth(tally: Tally) -> None:
    """An insider whose honest people never pay, or who is refused everything, shows nothing."""
    for what in ("payments success", "cases judged", "redirects approved", "refills approved"):
        assert tally.progress[what], f"no {what} in all games: {tally.progress}"
    assert tally.progress["payments success"] >= tally.games
    assert tally.accepted.total() > tally.tried.total() / 5, tally.refused.most_common(5)
