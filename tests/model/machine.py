"""What Hypothesis plays: every room of rules, and what has to hold after each of them."""

import sys
from contextlib import ExitStack

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from pettycash.runtime import db
from tests.factories.people import company_id
from tests.model import checks
from tests.model.ground import Ground
from tests.model.memory import Memory, Tally
from tests.model.people import People
from tests.model.quiescence import Quiescence
from tests.model.rail import WAITS, Submitting


class EveryRule:
    """Stands where Hypothesis has its choice of rules."""

    def is_enabled(self, _name: str) -> bool:
        return True


EVERY_RULE = EveryRule()


class Machine(Quiescence, People, RuleBasedStateMachine):
    """One example: what a company, its workers and a hostile rail may do in some steps."""

    def __init__(self) -> None:
        super().__init__()
        # Hypothesis leaves about half of the rules out of each example. A payment goes through ten
        # of them, so that is done in a quarter of the examples only.
        strategy = self._rules_strategy
        strategy.enabled_rules_strategy = st.shared(
            st.one_of(*[st.just(EVERY_RULE)] * 3, strategy.enabled_rules_strategy),
            key=("rules of this example", self),
        )
        self.is_played = self.is_refused = self.has_happened = False
        self.memory = Memory()
        self.backup = None
        self.open_scope = ExitStack()

    @initialize(
        example=st.integers(min_value=0, max_value=2**63),
        declared=st.fixed_dictionaries(
            {
                "same_id_is_safe": st.sampled_from((True, True, False)),
                "confirms_failure_by_query": st.booleans(),
                "frees_refused": st.booleans(),
                "says_not_known": st.sampled_from((True, True, False)),
            }
        ),
        first=st.sampled_from((None, *WAITS)),
        is_a_case=st.booleans(),
    )
    def a_rail_is_chosen(
        self, example: int, declared: dict[str, bool], first: Submitting | None, is_a_case: bool
    ) -> None:
        """What it declares of itself; and there is something to pay, or on its way already.

        Hypothesis begins with the emptiest example that there is, which nobody needs to play.
        """
        self.is_played = example > 0
        if self.is_played:
            self.begin(**declared)
            for by in ("treasury_2", "custodian", "treasury_2"):
                self.a_payment_is_ready(index=len(self.memory.stock) - 1)
                self.release(self.memory.payments[-1], by)
            if first is not None:
                self.rail.submitting = first
                self.run("payments.submit", next(iter(self.memory.released.values())))
                if is_a_case:
                    self.keep_silent()

    @invariant()
    def everything_holds(self) -> None:
        """I1 to I7, after every rule that the system has not refused as a whole."""
        if self.is_played and (self.has_happened or not self.is_refused):
            with db.transaction() as session:
                checks.check(self, session)
            self.tally.checks += 1

    def teardown(self) -> None:
        """Come to rest, if nothing was found before."""
        try:
            if sys.exc_info()[0] is None and self.is_played:
                self.come_to_rest()
                self.tally.examples += 1
        finally:
            self.open_scope.close()


def machine(on: Ground, counting: Tally) -> type[Machine]:
    """The machine that plays on this ground and counts here; what it starts from is made now."""
    facts = {
        "ground": on,
        "tally": counting,
        "company": company_id("DEMO"),
        "actors": {},
        "__doc__": Machine.__doc__,
    }
    stock = type("Clerk", (People,), dict(facts))().prepare()
    on.keep()
    facts["stock"] = stock
    return type("Machine", (Machine,), facts)
