"""A rail that is free to do whatever a rail may do, with a ledger of its own.

It knows what moved; the system only hears of it. It never lies about money in an answer of its own
(`Gateway` promises that), but it loses answers, repeats them, keeps silent, changes its mind about
when to say what, and calls back with rubbish.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pettycash.gateways.base import Asked, Outcome, OutcomeKind, PayoutInstruction
from pettycash.gateways.flight import Deadline
from pettycash.runtime import settings
from tests.factories import payments as making
from tests.factories import rails

K = OutcomeKind
ANOTHER_PHONE = "254799999999"

REMEMBERED_SECONDS = 25 * 3_600.0
"""How long it knows a reference: a repeat that comes later is another order to it, and is paid.

The system repeats for a day; the hour is for bytes that were on their way already.
"""


class Submitting(StrEnum):
    """What becomes of one sending."""

    ACCEPTS = "accepts"  # will decide later
    PAYS = "pays"  # moves the money and proves it at once
    REFUSES = "refuses"
    REFUSES_UNSEEN = "refuses_unseen"  # at its gate, before it looks at the reference
    NOT_SENT = "not_sent"  # provably never processed
    LOST_BEFORE = "lost_before"  # no answer; it never got there
    LOST_AFTER = "lost_after"  # no answer; it got there and waits
    LOST_AFTER_PAYING = "lost_after_paying"
    LOST_AFTER_REFUSING = "lost_after_refusing"
    PAYS_LESS = "pays_less"  # takes another amount than it was told to, and says so


UNSEEN = {
    Submitting.NOT_SENT: rails.NOT_SENT,
    Submitting.LOST_BEFORE: rails.LOST,
    Submitting.REFUSES_UNSEEN: rails.outcome(K.REJECTED, code="refused_at_the_gate"),
}
"""What it answers where it has not looked at the reference."""

LOST = frozenset(
    {
        Submitting.LOST_BEFORE,
        Submitting.LOST_AFTER,
        Submitting.LOST_AFTER_PAYING,
        Submitting.LOST_AFTER_REFUSING,
    }
)
WAITS = (Submitting.ACCEPTS, *sorted(LOST))
"""What leaves a payment on its way: the rail has it and decides later, or was not heard."""


class Answering(StrEnum):
    """What becomes of one question."""

    TRUTH = "truth"
    TRUTH_WITH_FEE = "truth_with_fee"
    LOST = "lost"
    ASKED = "asked"  # the answer will be a callback, or never come


class Calling(StrEnum):
    """What a callback says of an order."""

    TRUTH = "truth"
    WRONG_AMOUNT = "wrong_amount"
    WRONG_PAYEE = "wrong_payee"
    OTHER_REFERENCE = "other_reference"
    NO_REFERENCE = "no_reference"
    USED_RECEIPT = "used_receipt"  # a success that another payment's receipt shall prove
    FAILURE = "failure"  # right or wrong: its failures wait for the rail's own word
    TOOK_TOO_LONG = "took_too_long"
    RUBBISH = "rubbish"


@dataclass(frozen=True, kw_only=True)
class Movement:
    """Money that left."""

    reference: str
    receipt: str
    amount: Decimal
    destination: str
    fee: Decimal


@dataclass(kw_only=True)
class Order:
    """What arrived under one reference."""

    instruction: PayoutInstruction
    arrived_at: float
    state: str = "pending"
    movement: Movement | None = None
    arrivals: int = 1


class ModelRail(rails.FakeGateway):
    """One rail of one example."""

    def __init__(
        self,
        *,
        same_id_is_safe: bool,
        confirms_failure_by_query: bool,
        frees_refused: bool,
        says_not_known: bool,
    ) -> None:
        super().__init__()
        self.same_id_is_safe = same_id_is_safe  # type: ignore[misc]
        self.confirms_failure_by_query = confirms_failure_by_query  # type: ignore[misc]
        self.frees_refused = frees_refused
        """Whether a reference that it refused may be used again: no adapter knows that."""
        self.says_not_known = says_not_known
        """Whether it says so where it knows nothing under a reference."""
        self.orders: dict[str, Order] = {}
        self.movements: list[Movement] = []
        self.submitting = Submitting.ACCEPTS
        self.answering = Answering.TRUTH
        self.instructions: list[tuple[PayoutInstruction, Submitting]] = []
        """Everything that was ever handed over, in order."""
        self._said = 0

    def submit(
        self, instruction: PayoutInstruction, *, leave_by: Deadline | None = None
    ) -> Outcome:
        """Whatever `submitting` says; once only, then it accepts again."""
        del leave_by  # of real clocks: who stands still in the game is stopped by its own
        how, self.submitting = self.submitting, Submitting.ACCEPTS
        self.instructions.append((instruction, how))
        if how in UNSEEN:
            return UNSEEN[how]
        known = self.orders.get(instruction.originator_reference)
        if known is not None and not (known.state == "refused" and self.frees_refused):
            return self._repeated(known, how)
        order = Order(instruction=instruction, arrived_at=now())
        self.orders[instruction.originator_reference] = order
        self._taken(order, how)
        if how in LOST:
            return rails.LOST
        return self._accepted(order) if how is Submitting.ACCEPTS else self.truth(order)

    def _repeated(self, known: Order, how: Submitting) -> Outcome:
        known.arrivals += 1
        if not self.same_id_is_safe or now() > known.arrived_at + REMEMBERED_SECONDS:
            self._move(known)  # a rail that does not know its own references pays again
        elif how not in LOST and known.state == "refused":
            return rails.REJECTED
        # Another order under this reference is refused, which says nothing of the first.
        return rails.LOST if how in LOST else rails.outcome(K.REJECTED, code="duplicate")

    def _taken(self, order: Order, how: Submitting) -> None:
        match how:
            case Submitting.PAYS | Submitting.LOST_AFTER_PAYING:
                self._move(order)
            case Submitting.PAYS_LESS:
                self._move(order, amount=order.instruction.amount - 1)
            case Submitting.REFUSES | Submitting.LOST_AFTER_REFUSING:
                order.state = "refused"

    def query(self, instruction: PayoutInstruction, **_ids: str | None) -> Outcome | Asked:
        """What became of an instruction, as far as `answering` lets it say so."""
        return rails.to_question(self._answer(instruction))

    def _answer(self, instruction: PayoutInstruction) -> Outcome | Asked:
        if self.answering is Answering.ASKED:
            return rails.ASKED
        order = self.orders.get(instruction.originator_reference)
        if order is None and self.says_not_known and self.answering is not Answering.LOST:
            return rails.outcome(K.NOT_KNOWN)
        if self.answering is Answering.LOST or order is None:
            return rails.outcome(K.IN_DOUBT, code="unknown")
        return self.truth(order, with_fee=self.answering is Answering.TRUTH_WITH_FEE)

    def decide(self, order: Order, *, pays: bool) -> None:
        """A pending order comes to its end."""
        if order.state == "pending":
            if pays:
                self._move(order)
            else:
                order.state = "refused"

    def truth(self, order: Order, *, with_fee: bool = False) -> Outcome:
        """What the ledger says of an order."""
        ours = order.instruction.originator_reference
        if order.movement is not None:
            return rails.proof(
                order.instruction,
                receipt=order.movement.receipt,
                amount=order.movement.amount,
                fee=order.movement.fee if with_fee else None,
            )
        if order.state == "refused":
            return rails.outcome(K.REJECTED, code="insufficient", originator_reference=ours)
        return rails.outcome(K.IN_DOUBT, code="processing", originator_reference=ours)

    def body(
        self,
        instruction: PayoutInstruction,
        calling: Calling,
        *,
        repeats: bool,
        booked: str | None,
    ) -> bytes:
        """The bytes of a callback; a repeat is the same to the last byte.

        `booked` is a receipt that has proven another attempt already, for whoever uses it again.
        """
        if not repeats:
            self._said += 1
        if calling is Calling.RUBBISH:
            return b'{"kind": "settled", ' + str(self._said).encode()
        facts = self._facts(instruction, calling, booked)
        if "originator_reference" in facts:
            facts["provider_originator_id"] = facts["originator_reference"]
        return making.as_json(code=f"call-{self._said}", **facts)

    def _facts(
        self, instruction: PayoutInstruction, calling: Calling, booked: str | None
    ) -> dict[str, Any]:
        order = self.orders.get(instruction.originator_reference)
        movement = order.movement if order is not None else None
        facts: dict[str, Any] = {
            "kind": "settled",
            "provider_reference": movement.receipt if movement else f"FAKE{self._said:06d}",
            "originator_reference": instruction.originator_reference,
            "amount": str(movement.amount if movement else instruction.amount),
            "destination": instruction.destination,
        }
        match calling:
            case Calling.TRUTH if movement is None:
                refused = order is not None and order.state == "refused"
                facts = {
                    "kind": "rejected" if refused else "in_doubt",
                    "originator_reference": instruction.originator_reference,
                }
            case Calling.WRONG_AMOUNT:
                facts["amount"] = str(instruction.amount + 1000)
            case Calling.WRONG_PAYEE:
                facts["destination"] = ANOTHER_PHONE
            case Calling.OTHER_REFERENCE:
                facts |= {"originator_reference": "T-unknown", "conversation_id": "AG_unknown"}
            case Calling.NO_REFERENCE:
                del facts["originator_reference"]
            case Calling.USED_RECEIPT:
                if booked is not None:
                    facts["provider_reference"] = booked
                else:
                    del facts["amount"]
            case Calling.FAILURE | Calling.TOOK_TOO_LONG:
                facts = {
                    "kind": "rejected" if calling is Calling.FAILURE else "in_doubt",
                    "originator_reference": instruction.originator_reference,
                }
        return facts

    def _accepted(self, order: Order) -> Outcome:
        conversation = f"AG_{order.instruction.originator_reference}"
        return replace(rails.ACCEPTED, conversation_id=conversation)

    def _move(self, order: Order, *, amount: Decimal | None = None) -> None:
        movement = Movement(
            reference=order.instruction.originator_reference,
            receipt=f"RCP{len(self.movements) + 1:06d}",
            amount=amount or order.instruction.amount,
            destination=order.instruction.destination,
            fee=Decimal(len(self.movements) % 3 * 5),
        )
        order.state, order.movement = "paid", movement
        self.movements.append(movement)


def now() -> float:
    """Seconds since the example began."""
    return settings.current().clock_shift_seconds
