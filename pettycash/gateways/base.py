"""Requests to rails and their answers, in terms that belong to no rail.

A gateway is stateless: no database, no retries of its own, no opinion on a payment's status. It
says what one exchange with the rail proves; services decide what follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Protocol
from uuid import UUID

from pettycash.gateways.flight import Deadline
from pettycash.runtime import errors
from pettycash.runtime.rails import Rail


class OutcomeKind(StrEnum):
    """The outcome that a gateway exchange proves."""

    NOT_SENT = "not_sent"  # provably never processed: the same reference may be sent again
    ACCEPTED = "accepted"  # acknowledged, money not yet moved
    SETTLED = "settled"  # explicit yes, with amount and provider reference
    REJECTED = "rejected"  # explicit no: no money moved because of this request
    NOT_KNOWN = "not_known"  # of a question: the rail knows nothing under this reference
    IN_DOUBT = "in_doubt"  # everything else, including answers we do not recognise


class RequestType(StrEnum):
    """The purpose of a gateway exchange, as the log names it."""

    INITIATE = "INITIATE"
    QUERY = "QUERY"
    CONFIRM = "CONFIRM"  # a callback: the rail speaks, we listen
    CANCEL = "CANCEL"
    REFUND = "REFUND"


class CallbackKind(StrEnum):
    """The URL of an attempt that the rail called."""

    RESULT = "result"
    TIMEOUT = "timeout"
    QUERY_RESULT = "query_result"
    QUERY_TIMEOUT = "query_timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAccountView:
    """One account at a provider, opened for the time of a call.

    `credentials` holds plaintext secrets under the names that the rail's adapter documents; it
    stays out of `repr` so that no log line or traceback shows it.
    """

    id: UUID
    company_id: UUID
    rail: Rail
    base_url: str
    shortcode: str
    credentials: Mapping[str, str] = field(repr=False)
    environment: str = "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackUrls:
    """Where the rail shall report; the last path segment of each is a secret."""

    result: str = field(repr=False)
    timeout: str = field(repr=False)
    query_result: str = field(repr=False)
    query_timeout: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutInstruction:
    """Everything a rail needs to pay once; the same for every repeat of one attempt.

    `originator_reference` is ours, stored before the first byte and already shaped by
    `Gateway.shape_reference`. `amount` is in the currency's major unit. `destination` is as
    `Gateway.normalise_destination` gives it. `remarks` is free text; the adapter fits it.
    """

    originator_reference: str
    amount: Decimal
    currency: str
    destination: str = field(repr=False)
    payee_name: str = field(repr=False)
    remarks: str
    account: ProviderAccountView
    callbacks: CallbackUrls


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayExchange:
    """One conversation with the rail, already sanitised: safe to store and to show.

    `request` and `response` hold only JSON values (numbers with a fraction as strings), no
    credentials, and phone numbers masked to their last three digits. `response` is None where
    no answer came; an answer that is no JSON object stands under the key "raw".
    """

    request_type: RequestType
    request: Mapping[str, Any]
    response: Mapping[str, Any] | None
    http_status: int | None
    code: str
    message: str
    processing_time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How an outcome's facts stand beside what was instructed.

    `contradicted` names facts that differ, `unproven` facts that the outcome does not carry:
    among "reference", "amount" and "destination".
    """

    contradicted: tuple[str, ...]
    unproven: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """True where reference, amount and payee are all there and all ours."""
        return not self.contradicted and not self.unproven

    @property
    def names_reference(self) -> bool:
        """True where it is about our reference, whatever else it says."""
        return "reference" not in {*self.contradicted, *self.unproven}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome that a gateway exchange proves, and the payment that it names.

    The identifying facts are what the *rail* said, not what we asked: a forged or misdirected
    callback shows there. `agreement` compares them with the instruction.
    """

    kind: OutcomeKind
    code: str  # the rail's code as text; "transport.…" and "local.…" are ours
    message: str  # sanitised
    exchange: GatewayExchange
    provider_reference: str | None = None  # the receipt that reconciliation matches on
    conversation_id: str | None = None  # the rail's id of the conversation about this payment
    originator_reference: str | None = None  # ours, if the rail echoed it
    provider_originator_id: str | None = None  # the originator id as the rail wrote it
    asked_reference: str | None = None  # of a query's callback: the query's own id
    amount: Decimal | None = None
    fee: Decimal | None = None  # None: not proven, which is not the same as none
    occurred_at: datetime | None = None  # when it happened in the world, UTC
    destination: str | None = field(default=None, repr=False)
    # True: every payment of this account will fare the same until a person mends something
    configuration_fault: bool = False
    # True: the rail asks for fewer requests; back off before the next one
    throttled: bool = False
    # exchanges of the same call before the decisive one, e.g. a token refused as expired
    earlier_exchanges: tuple[GatewayExchange, ...] = ()

    def agreement(
        self, instruction: PayoutInstruction, *, conversation_id: str | None = None
    ) -> Agreement:
        """Compare reference, amount and payee with the instruction.

        `conversation_id` is the one stored from the synchronous answer, if any: a match on it
        counts as a match of the reference, since some callbacks carry only the rail's own ids.
        """
        contradicted: list[str] = []
        unproven: list[str] = []
        matched = self.originator_reference == instruction.originator_reference or (
            conversation_id is not None and self.conversation_id == conversation_id
        )
        if not matched:
            # the rail's own form of an id differs from ours without saying anything; a
            # conversation that is known and another one says that this is about other money
            other = conversation_id is not None and self.conversation_id is not None
            (contradicted if other else unproven).append("reference")
        if self.amount is None:
            unproven.append("amount")
        elif self.amount != instruction.amount:
            contradicted.append("amount")
        if self.destination is None:
            unproven.append("destination")
        elif self.destination != instruction.destination:
            contradicted.append("destination")
        return Agreement(contradicted=tuple(contradicted), unproven=tuple(unproven))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The rail took a question and will answer by callback; `reference` is the query's own id."""

    reference: str
    exchange: GatewayExchange
    earlier_exchanges: tuple[GatewayExchange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """Why a rail would refuse a payment: `field` is amount, currency or destination."""

    field: str
    code: str
    message: str


class DestinationNotUnderstood(errors.RuleViolation):
    """This rail can't pay to the given destination."""

    # the detail names why, without the number
    code = "payment.invalid_destination"


class Gateway(Protocol):
    """One rail. Stateless: no database, no retries, no opinion on payment status."""

    rail: ClassVar[Rail]
    # the rail refuses a second payment under one reference, so repeating one never pays twice
    same_id_is_safe: ClassVar[bool]
    # a failure learned by callback needs a query's answer before a new attempt is released
    confirms_failure_by_query: ClassVar[bool]
    # how long a payment may be executing before it is in doubt
    decide_by: timedelta
    # the networks that the rail calls back from, by the account's environment; none: any
    callback_sources: Mapping[str, tuple[str, ...]]

    def submit(
        self, instruction: PayoutInstruction, *, leave_by: Deadline | None = None
    ) -> Outcome:
        """Send once. A lost answer is IN_DOUBT, never REJECTED. Never raises for the rail.

        After `leave_by` no first byte leaves: what had not left by then is NOT_SENT.
        """

    def query(
        self,
        instruction: PayoutInstruction,
        *,
        conversation_id: str | None = None,
        provider_reference: str | None = None,
    ) -> Outcome | Asked:
        """Ask what became of an instruction. Never moves money. Asked: the answer is a callback.

        An outcome speaks of the *payment*: a question that could not be asked leaves it
        IN_DOUBT, never NOT_SENT. `provider_reference` is for a proven receipt only.
        """

    def read_callback(
        self, purpose: CallbackKind, body: bytes, instruction: PayoutInstruction
    ) -> Outcome:
        """Say what a callback proves. Pure; any bytes give an outcome, none raises.

        Whether it is about this payment is for the caller to see: `Outcome.agreement`.
        """

    def validate(self, amount: Decimal, currency: str, destination: str) -> list[FieldError]:
        """Every rule of the rail that a payment breaks; empty where the rail would take it."""

    def normalise_destination(self, raw: str) -> str:
        """The one spelling of a destination.

        Raises:
            DestinationNotUnderstood: no destination on this rail.
        """

    def shape_reference(self, derived: str) -> str:
        """Our derived reference in the form that the rail takes: same in, same out."""
