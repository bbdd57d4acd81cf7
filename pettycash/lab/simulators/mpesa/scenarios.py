"""Which faults one request meets: by header, one-shot order, phone number, or seeded plan."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pettycash.lab.simulators.mpesa.catalogue import (
    ALIASES,
    FAMILIES,
    FAULTS,
    TEST_NUMBERS,
    Dimension,
    RailFault,
)

_TEST_NUMBER = re.compile(r"2547000[0-9]{2}([0-9]{3})")
_CODE = re.compile(r"[A-Za-z0-9_]{1,10}")
_QUERY_OPERATION = frozenset({Dimension.QUERY})
BY_REFERENCE, BY_PHONE = "reference", "phone"
_TOKEN_OPERATION = frozenset({Dimension.TOKEN})


class UnknownScenario(ValueError):
    """No fault has this name, its number is not one, or two faults spoil the same side."""


@dataclass(frozen=True)
class ScenarioPart:
    """One fault with its argument; `code` is filled for the families (`fail_2001`: 2001)."""

    fault: RailFault
    number: float
    code: str = ""

    @property
    def name(self) -> str:
        return self.fault.name


@dataclass(frozen=True)
class Scenario:
    """At most one fault for each side of the exchange; `text` can be parsed again."""

    text: str
    parts: Mapping[Dimension, ScenarioPart]

    def part(self, dimension: Dimension) -> ScenarioPart | None:
        return self.parts.get(dimension)

    @property
    def operation(self) -> str:
        """The call that a one-shot order with this scenario waits for."""
        sides = frozenset(self.parts)
        if sides and sides <= _TOKEN_OPERATION:
            return "token"
        return "query" if sides and sides <= _QUERY_OPERATION else "payment"


NO_FAULT = Scenario("", {})


def _single(text: str) -> ScenarioPart:
    name, _, number_text = text.partition(":")
    try:
        number = float(number_text) if number_text else None
    except ValueError as error:
        raise UnknownScenario(f"{text!r}: the part after the colon is no number") from error
    if number is not None and not 0 <= number < 1e9:
        raise UnknownScenario(f"{text!r}: the number is out of range")
    if name in FAULTS:
        fault = FAULTS[name]
        return ScenarioPart(fault, fault.number if number is None else number)
    for prefix, fault in FAMILIES.items():
        code = name.removeprefix(prefix)
        if code != name and _CODE.fullmatch(code) and code.strip("0"):
            return ScenarioPart(fault, fault.number if number is None else number, code)
    raise UnknownScenario(f"no scenario is called {name!r}")


def _atoms(text: str) -> Iterator[str]:
    for piece in text.split("+"):
        name = piece.strip()
        if name in ALIASES:
            yield from ALIASES[name].split("+")
        elif name:
            yield name


def parse(text: str) -> Scenario:
    """Read `name`, `name:number` or several joined by `+`.

    Raises:
        UnknownScenario: a name, a number, or two faults for one side.
    """
    parts: dict[Dimension, ScenarioPart] = {}
    atoms = list(_atoms(text))
    for atom in atoms:
        part = _single(atom)
        side = part.fault.dimension
        if side in parts:
            raise UnknownScenario(f"{parts[side].name} and {part.name} spoil the same side: {side}")
        parts[side] = part
    return Scenario("+".join(atoms), parts)


def recall(text: str) -> Scenario:
    """A scenario read back from the state folder; one that an older version knew has no fault."""
    try:
        return parse(text)
    except UnknownScenario:
        return NO_FAULT


def of_phone(phone: str) -> Scenario:
    """The scenario of a test number (`TEST_NUMBERS`); any other number has none."""
    match = _TEST_NUMBER.fullmatch(phone)
    text = TEST_NUMBERS.get(match[1]) if match else None
    return parse(text) if text else NO_FAULT


@dataclass(frozen=True)
class RandomPlan:
    """A seeded random plan: the same seed, rates and reference always give the same scenario.

    Whose references are other ones in each run has it draw `by` the receiver's phone instead.
    """

    seed: int
    rates: Mapping[str, float]
    by: str = BY_REFERENCE

    @classmethod
    def read(cls, payload: object) -> "RandomPlan":
        """Read `{"seed": 1, "rates": {"answer_lost_after": 0.1, ...}}`, `"by": "phone"` if wanted.

        Raises:
            UnknownScenario: not this shape, an unknown name, or rates of one side above 1.
        """
        if not isinstance(payload, dict) or not set(payload) <= {"seed", "rates", "by"}:
            raise UnknownScenario('a plan is {"seed": integer, "rates": {scenario: share}}')
        by = payload.get("by", BY_REFERENCE)
        if by not in (BY_REFERENCE, BY_PHONE):
            raise UnknownScenario(f"a plan draws by {BY_REFERENCE} or by {BY_PHONE}")
        seed, rates = payload.get("seed", 0), payload.get("rates", {})
        if type(seed) is not int or not isinstance(rates, dict):
            raise UnknownScenario("seed is an integer, rates an object")
        totals: dict[Dimension, float] = {}
        for text, rate in rates.items():
            if type(rate) not in (int, float) or not 0 <= rate <= 1:
                raise UnknownScenario(f"the rate of {text!r} is a number from 0 to 1")
            side = _leading_side(parse(text))
            totals[side] = totals.get(side, 0.0) + rate
            if totals[side] > 1.000001:
                raise UnknownScenario(f"the rates that spoil the {side} add up to more than 1")
        return cls(seed, {str(text): float(rate) for text, rate in rates.items()}, by)

    def as_json(self) -> dict[str, object]:
        shown: dict[str, object] = {"seed": self.seed, "rates": dict(self.rates)}
        return shown if self.by == BY_REFERENCE else shown | {"by": self.by}

    def key(self, *, reference: str, phone: str) -> str:
        """What a payment's scenario is drawn by; empty where the request does not say it."""
        return phone if self.by == BY_PHONE else reference

    def scenario(self, reference: str) -> Scenario:
        """One independent draw for each side, by the first fault of a combined name.

        Where two draws want the same side, the scenario of more parts wins, so that combined
        names keep their rate.
        """
        chosen: dict[Dimension, ScenarioPart] = {}
        drawn = [self._draw(side, reference) for side in Dimension]
        for scenario in sorted(filter(None, drawn), key=lambda one: -len(one.parts)):
            if not set(scenario.parts) & set(chosen):
                chosen.update(scenario.parts)
        return Scenario("+".join(_text(part) for part in chosen.values()), chosen)

    def _draw(self, side: Dimension, reference: str) -> Scenario | None:
        digest = hashlib.sha256(f"{self.seed}|{side}|{reference}".encode()).digest()
        point = int.from_bytes(digest[:8]) / 2**64
        for text, rate in sorted(self.rates.items()):
            scenario = parse(text)
            if _leading_side(scenario) is not side:
                continue
            if point < rate:
                return scenario
            point -= rate
        return None


def _leading_side(scenario: Scenario) -> Dimension:
    if not scenario.parts:
        raise UnknownScenario("a rate needs the name of a scenario")
    return next(iter(scenario.parts))


def _text(part: ScenarioPart) -> str:
    return f"{part.name}{part.code}:{part.number!r}"
