"""What the players know to be true, apart from the system, and how one of them does something."""

import functools
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import rule
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.gateways.base import Asked, Outcome
from pettycash.models.imprest import Store
from pettycash.models.ledger import LedgerAccount
from pettycash.models.payments import ON_THE_WAY
from pettycash.runtime import db, errors
from pettycash.services.foundation.actors import Actor
from pettycash.services.payments import Claim, Question
from pettycash.services.payments.case_resolutions import CaseProposal
from tests.factories import people
from tests.factories import rails as fakes
from tests.model.ground import Ground
from tests.model.rail import ModelRail, Order

T = TypeVar("T")

TRIALS = (
    *("the_rail_calls", "a_callback_is_processed"),
    *("a_worker_claims", "a_worker_marks_that_it_sends", "a_worker_sends", "a_worker_records"),
    *("somebody_begins_to_ask", "a_question_is_answered", "an_answer_is_recorded"),
    *("two_people_end_a_case", "somebody_says_how_a_case_ended"),
    *("somebody_agrees", "somebody_disagrees"),
)
"""Callbacks, single steps of a worker and people's words, each with anything between."""

which = st.integers(min_value=0, max_value=5)
"""One of the things there are, counted from the newest; names of rules' arguments say of what."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A payment that waited for its release when the example began."""

    requisition_id: UUID
    payment_id: UUID


@dataclass(frozen=True, kw_only=True)
class Released:
    """What the system answered to a release: it may never be untrue afterwards."""

    attempt_id: UUID
    payment_id: UUID
    requisition_id: UUID
    number: int
    reference: str
    amount: Decimal
    destination: str
    store_id: UUID
    is_cash: bool


@dataclass(kw_only=True)
class Worker:
    """A process that is somewhere between claiming and recording."""

    claim: Claim
    stage: str = "claimed"
    send_by: float = 0.0
    """When its adapter lets no first byte leave any more."""
    outcome: Any = None


@dataclass(kw_only=True)
class Asking:
    """A question to the rail, and what it answered, if it has."""

    question: Question
    answer: Outcome | Asked | None = None


@dataclass
class Memory:
    """One example's facts, each from an answer that the system gave or from the rail's ledger."""

    stock: list[Ready] = field(default_factory=list)
    requisitions: list[UUID] = field(default_factory=list)
    payments: list[UUID] = field(default_factory=list)
    released: dict[UUID, Released] = field(default_factory=dict)
    """By attempt, in order of release."""
    codes: dict[UUID, str] = field(default_factory=dict)
    grants: dict[UUID, str] = field(default_factory=dict)
    """Who has told the right code of a payment and not used it."""
    workers: list[Worker] = field(default_factory=list)
    questions: list[Asking] = field(default_factory=list)
    callbacks: list[UUID] = field(default_factory=list)
    pauses: list[UUID] = field(default_factory=list)
    seen: dict[UUID, tuple[int, CaseProposal]] = field(default_factory=dict)
    """The first proposal of each case, and which version of the case it was."""
    opening: dict[UUID, Decimal] = field(default_factory=dict)
    """Balance of each store before the example."""
    received: Counter[UUID] = field(default_factory=Counter)
    """What replenishments brought to each store."""
    acknowledged: set[UUID] = field(default_factory=set)
    """Attempts whose cash was acknowledged."""
    people_paid: set[UUID] = field(default_factory=set)
    people_not_paid: set[UUID] = field(default_factory=set)
    """Attempts that two people called so, rightly or not."""
    doubted: set[UUID] = field(default_factory=set)
    """Attempts that two people called unpaid, and whose sending was answered after that by a rail
    that has them, or may; nobody has said anything since."""
    returned: set[UUID] = field(default_factory=set)
    """Payments that two people called returned."""
    statuses: dict[UUID, str] = field(default_factory=dict)
    """Of each payment, as last seen."""
    states: dict[UUID, str] = field(default_factory=dict)
    """Of each attempt, likewise."""
    lost: list[Released] = field(default_factory=list)
    """Releases that a restore has taken out of the books; the rail may know them."""

    def copy(self) -> "Memory":
        """As it is now, whatever happens to it."""
        return replace(self, **{each.name: copy(getattr(self, each.name)) for each in fields(self)})


@dataclass
class Tally:
    """What was played, over all examples."""

    rules: Counter[str] = field(default_factory=Counter)
    under_way: Counter[str] = field(default_factory=Counter)
    """Those of them that were played while money was on its way."""
    refusals: Counter[str] = field(default_factory=Counter)
    """By code: a refusal is an answer, and anything else that is raised is a failure."""
    ends: Counter[str] = field(default_factory=Counter)
    """How payments stood when their example had come to rest."""
    examples: int = 0
    checks: int = 0

    def share_of_trials(self) -> float:
        """How much of what was played while money was on its way may have crossed it."""
        return sum(self.under_way[name] for name in TRIALS) / max(self.under_way.total(), 1)


class Player:
    """What every room of rules stands on."""

    ground: ClassVar[Ground]
    tally: ClassVar[Tally]
    company: ClassVar[UUID]
    actors: ClassVar[dict[str, Actor]]
    stock: ClassVar[tuple[Ready, ...]]

    memory: Memory
    backup: tuple[datetime, Memory] | None
    """When one was made, and what the players knew then."""
    rail: ModelRail
    open_scope: ExitStack
    is_played: bool
    is_refused: bool
    has_happened: bool
    """Whether the system has refused something, and done something, in the last rule."""

    def begin(self, **declared: bool) -> None:
        """Everything as it was; nobody has done anything yet. The rail says so much of itself."""
        self.ground.restore()
        self.memory = Memory(stock=list(self.stock))
        self.backup = None
        self.open_scope.enter_context(db.scope(company_id=self.company, source="model"))
        with db.transaction() as session:
            self.memory.opening = {
                row.id: row.balance
                for row in session.execute(
                    select(Store.id, LedgerAccount.balance).join(
                        LedgerAccount, LedgerAccount.id == Store.account_id
                    )
                )
            }
        self.rail = ModelRail(**declared)
        fakes.serve(self.rail)

    def actor(self, name: str) -> Actor:
        """A persona; nobody's roles change during the game."""
        if name not in self.actors:
            with db.transaction() as session:
                self.actors[name] = people.acting(session, name)
        return self.actors[name]

    def tries(self, work: Callable[[Session], T]) -> T | None:
        """Do something in a unit of work; None where the system refused, with all of it undone."""
        try:
            done = db.in_transaction(work)
        except errors.PettycashError as refusal:
            self.tally.refusals[refusal.code] += 1
            self.is_refused = True
            return None
        self.has_happened = True
        return done

    def order_of(self, released: Released) -> Order | None:
        """What the rail knows of an attempt."""
        return self.rail.orders.get(released.reference)

    def newest_release(self, payment_id: UUID) -> Released | None:
        """The last attempt of a payment."""
        found = [each for each in self.memory.released.values() if each.payment_id == payment_id]
        return found[-1] if found else None

    def waiting_last(self, released: Iterable[Released]) -> list[Released]:
        """Attempts in order of release, but those that may still be paid behind all others."""
        seen = self.memory.statuses
        return sorted(
            released, key=lambda each: seen.get(each.payment_id, "executing") in ON_THE_WAY
        )


def pick(things: list[T], index: int) -> T:
    """One of the things there are, counted from the newest."""
    return things[-1 - index % len(things)]


def play(**draws: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule that is counted."""

    def decorate(function: Callable[..., None]) -> Any:
        @functools.wraps(function)
        def counted(self: Player, **drawn: Any) -> None:
            if self.is_played:
                self.tally.rules[function.__name__] += 1
                if ON_THE_WAY & set(self.memory.statuses.values()):
                    self.tally.under_way[function.__name__] += 1
                self.is_refused = self.has_happened = False
                function(self, **drawn)

        return rule(**draws)(counted)

    return decorate
