"""A rail whose every word is scripted, in place of the M-Pesa adapter."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from pettycash.gateways import registry
from pettycash.gateways.base import (
    Asked,
    CallbackKind,
    DestinationNotUnderstood,
    FieldError,
    GatewayExchange,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
    RequestType,
)
from pettycash.gateways.flight import Deadline
from pettycash.runtime.rails import Rail

K = OutcomeKind


def exchange(kind: RequestType = RequestType.INITIATE, code: str = "test") -> GatewayExchange:
    """A sanitised exchange that says nothing."""
    return GatewayExchange(
        request_type=kind,
        request={},
        response={"code": code},
        http_status=200,
        code=code,
        message=f"said {code}",
        processing_time_ms=1,
    )


def outcome(kind: OutcomeKind, *, code: str = "", **facts: Any) -> Outcome:
    """What one exchange proves."""
    code = code or kind.value
    return Outcome(
        kind=kind, code=code, message=f"said {code}", exchange=exchange(code=code), **facts
    )


def proof(of: PayoutInstruction, *, receipt: str = "RKT1234567", **facts: Any) -> Outcome:
    """A complete proof that an instruction was paid."""
    whole: dict[str, Any] = {
        "provider_reference": receipt,
        "originator_reference": of.originator_reference,
        "amount": of.amount,
        "destination": of.destination,
    }
    return outcome(K.SETTLED, **(whole | facts))


NOT_SENT = outcome(K.NOT_SENT)
ACCEPTED = outcome(K.ACCEPTED, conversation_id="AG_1")
REJECTED = outcome(K.REJECTED, code="400.002.02")
LOST = outcome(K.IN_DOUBT, code="transport.read_timeout")
ASKED = Asked(reference="Q_1", exchange=exchange(RequestType.QUERY))


def to_question(said: Outcome | Asked) -> Outcome | Asked:
    """The same, in answer to a question: the exchange log tells it from an answer to a call."""
    if isinstance(said, Asked):
        return said
    return replace(said, exchange=replace(said.exchange, request_type=RequestType.QUERY))


Answer = Outcome | Asked | Callable[[PayoutInstruction], Outcome | Asked]


class FakeGateway:
    """Answers what it is told to, in order; the last answer stays. Remembers what it was asked."""

    rail: ClassVar[Rail] = Rail.MPESA
    same_id_is_safe: ClassVar[bool] = True
    confirms_failure_by_query: ClassVar[bool] = True
    callback_sources: ClassVar[dict[str, tuple[str, ...]]] = {"production": ("192.0.2.0/24",)}

    def __init__(self) -> None:
        self.decide_by = timedelta(minutes=5)
        self.submits: list[Answer] = [ACCEPTED]
        self.queries: list[Answer] = [ASKED]
        self.sent: list[PayoutInstruction] = []
        self.asked: list[PayoutInstruction] = []

    def submit(
        self, instruction: PayoutInstruction, *, leave_by: Deadline | None = None
    ) -> Outcome:
        del leave_by
        self.sent.append(instruction)
        said = self._next(self.submits, instruction)
        assert isinstance(said, Outcome)
        return said

    def query(
        self,
        instruction: PayoutInstruction,
        *,
        conversation_id: str | None = None,
        provider_reference: str | None = None,
    ) -> Outcome | Asked:
        del conversation_id, provider_reference
        self.asked.append(instruction)
        return to_question(self._next(self.queries, instruction))

    def read_callback(
        self, purpose: CallbackKind, body: bytes, instruction: PayoutInstruction
    ) -> Outcome:
        """The body is JSON: kind and the facts of an Outcome; anything else proves nothing."""
        try:
            facts = json.loads(body)
            kind = K(facts.pop("kind"))
        except (ValueError, KeyError, AttributeError, TypeError):
            return outcome(K.IN_DOUBT, code="callback.unreadable")
        if purpose in (CallbackKind.TIMEOUT, CallbackKind.QUERY_TIMEOUT):
            kind = K.IN_DOUBT
        for name in ("amount", "fee"):
            if name in facts:
                facts[name] = Decimal(facts[name])
        if "occurred_at" in facts:
            facts["occurred_at"] = datetime.fromisoformat(facts["occurred_at"])
        if facts.get("originator_reference") == "ours":
            facts["originator_reference"] = instruction.originator_reference
        return outcome(kind, **facts)

    def validate(self, amount: Decimal, currency: str, destination: str) -> list[FieldError]:
        del currency, destination
        if amount != amount.to_integral_value():
            return [FieldError(field="amount", code="fake.fraction", message="whole ones only")]
        return []

    def normalise_destination(self, raw: str) -> str:
        digits = "".join(each for each in raw if each.isdigit())
        if len(digits) < 9:
            raise DestinationNotUnderstood("this is no phone number")
        return "254" + digits[-9:]

    def shape_reference(self, derived: str) -> str:
        return f"T-{derived[:17]}"

    def _next(self, answers: list[Answer], instruction: PayoutInstruction) -> Outcome | Asked:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer(instruction) if callable(answer) else answer


def serve(gateway: FakeGateway) -> None:
    """Let a fake speak for M-Pesa until the process is composed anew."""
    registry.register(Rail.MPESA, lambda: gateway)
