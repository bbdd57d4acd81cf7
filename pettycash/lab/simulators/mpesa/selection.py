"""Choosing the scenario of one request: header, one-shot order, test number, seeded plan.

The first of these that has something decides alone; they are not mixed.
"""

import json
import sqlite3
from dataclasses import dataclass

from pettycash.lab.simulators.mpesa import scenarios, store
from pettycash.lab.simulators.mpesa.catalogue import TIMES, Dimension
from pettycash.lab.simulators.mpesa.scenarios import NO_FAULT, RandomPlan, Scenario, ScenarioPart
from pettycash.lab.simulators.mpesa.store import SimulatorStore

_PLAN = "plan"


@dataclass(frozen=True)
class SelectionFacts:
    """What a request is about, as far as its body can be read. Empty: not said."""

    reference: str = ""
    phone: str = ""
    receipt: str = ""


class Selector:
    """Finds the scenario and counts how often a fault met a reference."""

    def __init__(self, store_: SimulatorStore) -> None:
        self._store = store_

    def for_payment(self, header: str, subject: SelectionFacts) -> Scenario:
        """The scenario of a B2C request.

        Raises:
            UnknownScenario: the header names none.
        """
        if header:
            return scenarios.parse(header)
        with self._store.unit() as db:
            ordered = _take(db, "payment", subject)
            if ordered is not None:
                return ordered
            scenario = scenarios.of_phone(subject.phone)
            if not scenario.parts:
                plan = read_plan(db)
                key = plan.key(reference=subject.reference, phone=subject.phone) if plan else ""
                scenario = plan.scenario(key) if plan and key else scenario
            gate = scenario.part(Dimension.GATE)
            if gate is None or _still_meets(db, gate, subject.reference):
                return scenario
            rest = {side: part for side, part in scenario.parts.items() if part is not gate}
            return Scenario(scenario.text, rest)

    def for_query(self, header: str, subject: SelectionFacts) -> ScenarioPart | None:
        """The fault of a status query: its own, or the one its payment was given.

        Raises:
            UnknownScenario: the header names none.
        """
        if header:
            return scenarios.parse(header).part(Dimension.QUERY)
        with self._store.unit() as db:
            ordered = _take(db, "query", subject)
            if ordered is not None:
                return ordered.part(Dimension.QUERY)
            row = db.execute(
                "SELECT originator_reference, scenario FROM payments"
                " WHERE originator_reference = ? OR receipt = ?",
                (subject.reference, subject.receipt),
            ).fetchone()
            reference, scenario = subject.reference, NO_FAULT
            if row is not None:
                reference = row["originator_reference"]
                scenario = scenarios.recall(row["scenario"])
            elif plan := read_plan(db):
                scenario = plan.scenario(reference)
            part = scenario.part(Dimension.QUERY)
            return part if part and _still_meets(db, part, reference) else None

    def for_token(self, header: str) -> ScenarioPart | None:
        """The fault of a token request; a plan draws by the number of tokens asked for so far."""
        if header:
            return scenarios.parse(header).part(Dimension.TOKEN)
        with self._store.unit() as db:
            ordered = _take(db, "token", SelectionFacts())
            if ordered is not None:
                return ordered.part(Dimension.TOKEN)
            plan = read_plan(db)
            if plan is None:
                return None
            asked = _count(db, reference="", fault="token request")
            return plan.scenario(f"token {asked}").part(Dimension.TOKEN)


def read_plan(db: sqlite3.Connection) -> RandomPlan | None:
    text = store.switch(db, _PLAN, "")
    return RandomPlan.read(json.loads(text)) if text else None


def set_plan(db: sqlite3.Connection, plan: RandomPlan | None) -> None:
    """Follow `plan` from now on; None follows none. Counting starts anew."""
    store.set_switch(db, _PLAN, json.dumps(plan.as_json()) if plan else None)
    db.execute("DELETE FROM sightings")


def _count(db: sqlite3.Connection, *, reference: str, fault: str) -> int:
    """Count one more meeting of `fault` and `reference`; returns how many there are now."""
    db.execute(
        "INSERT INTO sightings (originator_reference, fault, times) VALUES (?, ?, 1)"
        " ON CONFLICT (originator_reference, fault) DO UPDATE SET times = times + 1",
        (reference, fault),
    )
    row = db.execute(
        "SELECT times FROM sightings WHERE originator_reference = ? AND fault = ?",
        (reference, fault),
    ).fetchone()
    return int(row["times"])


def _still_meets(db: sqlite3.Connection, part: ScenarioPart, reference: str) -> bool:
    if part.fault.unit != TIMES or part.number == 0:
        return True
    met = _count(db, reference=reference, fault=part.name + part.code)
    return met <= part.number


def _take(db: sqlite3.Connection, operation: str, subject: SelectionFacts) -> Scenario | None:
    """Use up one meeting of the oldest one-shot order that this request fits."""
    row = db.execute(
        "SELECT id, scenario, remaining FROM faults WHERE operation = ?"
        " AND originator_reference IN ('', ?) AND phone IN ('', ?) ORDER BY id LIMIT 1",
        (operation, subject.reference, subject.phone),
    ).fetchone()
    if row is None:
        return None
    if row["remaining"] == 1:
        db.execute("DELETE FROM faults WHERE id = ?", (row["id"],))
    else:
        db.execute("UPDATE faults SET remaining = remaining - 1 WHERE id = ?", (row["id"],))
    return scenarios.recall(row["scenario"])
