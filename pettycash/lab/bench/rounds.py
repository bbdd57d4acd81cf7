"""Runs benchmarks: measured and reference in turn, so that what slows the machine slows both."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from pettycash.lab.bench.benchmark import Benchmark
from pettycash.lab.bench.stage import Stage, staged
from pettycash.runtime import config

Say = Callable[[str], None]

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a benchmark gave: medians over its rounds, and the lowest and highest beside them."""

    name: str
    what: str
    against: str
    unit: str
    value: float
    reference: float | None
    ratio: float | None
    goal: float
    sense: str
    ok: bool
    rounds: int
    spread: Interval
    reference_spread: Interval | None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def run(
    chosen: Sequence[Benchmark[Any]],
    *,
    rounds: int,
    quick: bool,
    environ: Mapping[str, str],
    say: Say,
) -> Iterator[Row]:
    """Run benchmarks one after the other; neighbours with the same setup share a stage.

    Raises:
        StackError: a server or process of the stage did not start.
    """
    for setup, group in groupby(chosen, key=lambda each: each.setup):
        benchmarks = list(group)
        say(f"{', '.join(each.name for each in benchmarks)}: setting the stage")
        with staged(environ, quick=quick) as stage:
            say(f"limits other than production's: {config.other_limits(stage.plan.environment)}")
            state = setup(stage)
            for each in benchmarks:
                row = _row(each, state, stage, rounds=each.rounds or rounds, say=say)
                # Said at once: a later benchmark that fails takes no earlier figure with it.
                say(f"{row.name}: {row.value:g} {row.unit}, reference {row.reference}")
                yield row


def _row(benchmark: Benchmark[Any], state: Any, stage: Stage, *, rounds: int, say: Say) -> Row:
    values: list[float] = []
    references: list[float] = []
    sides = [(benchmark.measured, values)]
    if benchmark.reference is not None:
        sides.append((benchmark.reference, references))
    count = 1 if stage.quick else rounds
    for number in range(1, count + 1):
        say(f"{benchmark.name}: round {number} of {count}")
        for side, figures in sides:
            figures.append(side(state))
        # Who goes first finds the machine as the other one left it: by turns.
        sides.reverse()
    value = statistics.median(values)
    reference = statistics.median(references) if references else None
    ratio = None if reference is None else value / reference
    figure = value if ratio is None else ratio
    return Row(
        name=benchmark.name,
        what=benchmark.what,
        against=benchmark.against,
        unit=benchmark.unit,
        value=round(value, 4),
        reference=None if reference is None else round(reference, 4),
        ratio=None if ratio is None else round(ratio, 3),
        goal=benchmark.goal.bound,
        sense=benchmark.goal.sense.value,
        ok=benchmark.goal.is_met(figure),
        rounds=count,
        spread=_interval(values),
        reference_spread=_interval(references) if references else None,
    )


def _interval(figures: Sequence[float]) -> Interval:
    return round(min(figures), 4), round(max(figures), 4)
