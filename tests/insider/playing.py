"""Playing games, each by a seed of its own, and each step of a game by dice of its own.

So a step that is left out leaves the dice of the others as they were, and what was found is played
again without everything that it does not need.
"""

import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random

from pettycash.app import create_app
from pettycash.models.access import Role
from pettycash.services.foundation import encryption
from pettycash.tasks import imprest as replenishment_tasks
from tests.api.client import ApiClient
from tests.insider import company
from tests.insider.game import HOUR, MINUTE, Game, Tally, Wrong
from tests.insider.honest import Honest
from tests.insider.hostile import Insider, Operation, operations
from tests.insider.rules import Rules
from tests.model.ground import Ground

SILENCE = (61.0, 6 * MINUTE, 11 * MINUTE, 61 * MINUTE)
"""A rail that answers nothing for so long makes a case of what it was told."""
PAIRS = 0.3
"""How many games have two hostile people; none of two is the cfo (control.md §9)."""

WEIGHT = {Role.TREASURY: 2.0, Role.ADMIN: 2.0, Role.CFO: 3.0, Role.AUDITOR: 0.5}
"""How often whoever holds a role is the hostile one, where that is not 1."""

OPEN_CASES = "SELECT FROM cases WHERE status <> 'resolved' LIMIT 1"
UNDER_WAY = """
SELECT FROM payments WHERE status = 'executing' AND method <> 'cash'
    AND (SELECT count(*) FROM cases WHERE status <> 'resolved') < 2 LIMIT 1
"""

TENANTED = """
SELECT c.relname FROM pg_class c JOIN pg_attribute i ON i.attrelid = c.oid AND i.attname = 'id'
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND c.relnamespace = 'public'::regnamespace
        AND (c.relname IN ('companies', 'users') OR EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'company_id'))
"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A game in which something happened that never may."""

    seed: int
    hostile: tuple[str, ...]
    error: Exception
    lines: list[str]


class Table:
    """Where games are played: one database, one application, people whose password is known."""

    def __init__(self, ground: Ground) -> None:
        ground.keep()
        self.ground = ground
        self.tally = Tally()
        self.api = ApiClient(create_app(ground.database.settings))
        self.known: list[Operation] = operations(
            self.api.anonymous.get("/api/openapi.json").json or {}
        )
        self.password_hash = encryption.hash_password(company.PASSWORD)
        tables = [name for (name,) in ground.read(TENANTED)]
        ids = " UNION ".join(f'SELECT id::text FROM "{each}"' for each in tables)
        self.foreign = frozenset(each for (each,) in ground.read(ids))
        """Every row of every other company: they are there before a game begins."""

    def play(
        self,
        *,
        games: int,
        steps: int,
        seed: int,
        shrink: bool,
        after_each: Callable[[], None] = lambda: None,
        seconds: float = float("inf"),
    ) -> Found | None:
        """Play until something is found, all games are over, or so much time."""
        began = time.monotonic()
        for number in range(games):
            if time.monotonic() - began > seconds:
                break
            found = self.game(seed + number, steps)
            if found is not None:
                return self._shorter(found, steps) if shrink else found
            after_each()
        return None

    def game(self, seed: int, steps: int, without: Collection[int] = ()) -> Found | None:
        """One game."""
        dice = Random(seed)
        self.ground.restore()
        organisation = company.found(dice, password_hash=self.password_hash)
        hostile = self._hostile(dice, organisation)
        game = Game(
            self.ground,
            api=self.api,
            tally=self.tally,
            organisation=organisation,
            hostile=hostile,
            foreign=self.foreign,
        )
        with ExitStack() as scope:
            game.enter(scope)
            try:
                self._play(game, seed, [n for n in range(steps) if n not in without])
            except Exception as error:  # noqa: BLE001 - whatever is raised is a finding
                return Found(seed=seed, hostile=hostile, error=error, lines=game.lines)
        self.tally.games += 1
        return None

    def _play(self, game: Game, seed: int, steps: list[int]) -> None:
        rules, honest = Rules(game), Honest(game)
        insider = Insider(game, self.known)
        for step in steps:
            game.step = step
            dice = Random(f"{seed} {step}")
            insider.act(dice)
            honest.act(dice, times=dice.choice((1, 1, 2)))
            game.work(dice)
            self._let_time_pass(game, dice)
            rules.check()
            self.tally.steps += 1
        rules.check_books()
        statuses = game.rows("SELECT status, count(*) AS n FROM payments GROUP BY status")
        self.tally.progress.update({f"payments {each.status}": each.n for each in statuses})

    @staticmethod
    def _let_time_pass(game: Game, dice: Random) -> None:
        drawn = dice.random()
        if drawn < 0.25 and game.rows(UNDER_WAY):
            for seconds in SILENCE:
                game.wait(seconds, dice, is_silent=True)
        elif drawn < 0.35 and game.rows(OPEN_CASES):
            game.wait(25 * HOUR, dice, is_silent=dice.random() < 0.7)
        elif drawn < 0.42:
            game.wait(dice.choice((21.0, 61.0, 6 * MINUTE, 16 * MINUTE)), dice)
        elif drawn < 0.47:
            replenishment_tasks.sweep()

    @staticmethod
    def _hostile(dice: Random, organisation: company.Organisation) -> tuple[str, ...]:
        people = [*organisation.people]
        weights = [
            max((WEIGHT.get(role, 1.0) for role, _ in each.roles), default=0.5)
            for each in organisation.people.values()
        ]
        first, second = dice.choices(people, weights, k=2)
        is_pair = first != second and dice.random() < PAIRS
        if is_pair and not any(organisation.people[e].has(Role.CFO) for e in (first, second)):
            return first, second
        return (first,)

    def _shorter(self, found: Found, steps: int) -> Found:
        """The same fault with fewer steps, as far as leaving some out goes."""
        left_out: set[int] = set()
        size = steps // 2
        while size:
            for begin in range(0, steps, size):
                some = set(range(begin, begin + size)) - left_out
                again = self.game(found.seed, steps, left_out | some) if some else None
                if again is not None and type(again.error) is type(found.error):
                    found, left_out = again, left_out | some
            size //= 2
        return found


__all__ = ["Found", "Table", "Wrong"]
