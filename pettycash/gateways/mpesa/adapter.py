"""The M-Pesa adapter: one payment to a customer (B2C v3), one question after it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

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
from pettycash.gateways.kit import exchanges
from pettycash.gateways.kit.http import RailSession
from pettycash.gateways.kit.tokens import TokenCache
from pettycash.gateways.mpesa.callbacks import read_facts
from pettycash.gateways.mpesa.calls import DarajaClient, TokenError
from pettycash.gateways.mpesa.codes import MpesaConfig
from pettycash.gateways.mpesa.credentials import (
    INITIATOR_NAME,
    CredentialsUnusableError,
    required,
    secrets_of,
    security_credential,
)
from pettycash.runtime import phones
from pettycash.runtime.rails import Rail

_REFERENCE = re.compile(r"[A-Za-z0-9-]+", re.ASCII)


class MpesaGateway:
    """Daraja: payments to customers. Shared by threads; keeps nothing but tokens.

    The same `OriginatorConversationID` sent again is refused as a duplicate, so a repeat never
    pays twice. Failures learned by callback carry no signature: a query confirms them.
    """

    rail: ClassVar[Rail] = Rail.MPESA
    same_id_is_safe: ClassVar[bool] = True
    confirms_failure_by_query: ClassVar[bool] = True
    decide_by: timedelta
    callback_sources: Mapping[str, tuple[str, ...]]

    def __init__(
        self, http: RailSession, tokens: TokenCache, config: MpesaConfig | None = None
    ) -> None:
        self.config = config or MpesaConfig()
        self.decide_by = self.config.decide_by
        self.callback_sources = self.config.callback_sources
        self._daraja = DarajaClient(http, tokens, self.config)

    def submit(
        self, instruction: PayoutInstruction, *, leave_by: Deadline | None = None
    ) -> Outcome:
        """Send a B2C payment once; see `Gateway.submit`.

        An expired token is refused before anything else is looked at, so one repeat with a new
        token belongs to the same submission.
        """
        kind = RequestType.INITIATE
        problems = self.validate(
            instruction.amount, instruction.currency, instruction.destination
        ) + self._reference_problems(instruction.originator_reference)
        if problems:
            words = "; ".join(each.message for each in problems)
            exchange = exchanges.local(kind, "local.invalid_instruction", words)
            return _outcome(OutcomeKind.REJECTED, exchange)
        try:
            payload = self._payment(instruction)
            reply, earlier = self._daraja.ask(
                kind, self.config.payment_path, payload, instruction.account, leave_by
            )
        except CredentialsUnusableError as error:
            exchange = exchanges.local(kind, "local.credentials", str(error))
            return _outcome(OutcomeKind.NOT_SENT, exchange, configuration_fault=True)
        except TokenError as error:
            return _outcome(
                OutcomeKind.NOT_SENT,
                error.exchange,
                configuration_fault=error.configuration_fault,
                throttled=error.throttled,
                earlier=error.earlier,
            )
        if reply.answer is None:
            left = reply.lost is None or reply.lost.left
            lost_as = OutcomeKind.IN_DOUBT if left else OutcomeKind.NOT_SENT
            return _outcome(lost_as, reply.exchange, earlier=earlier)
        answer = reply.answer
        return _outcome(
            answer.verdict.kind,
            reply.exchange,
            configuration_fault=answer.verdict.configuration_fault,
            throttled=answer.verdict.throttled,
            earlier=earlier,
            conversation_id=answer.conversation_id,
            provider_originator_id=answer.originator_id,
            originator_reference=_ours(answer.originator_id, instruction),
        )

    def query(
        self,
        instruction: PayoutInstruction,
        *,
        conversation_id: str | None = None,  # noqa: ARG002 - Daraja asks by our id or a receipt
        provider_reference: str | None = None,
    ) -> Outcome | Asked:
        """Ask for the transaction's status; see `Gateway.query`.

        The answer comes as a callback to `query_result`. A question that could not be put
        leaves the payment IN_DOUBT.
        """
        kind = RequestType.QUERY
        try:
            payload = self._question(instruction, provider_reference)
            reply, earlier = self._daraja.ask(
                kind, self.config.query_path, payload, instruction.account
            )
        except CredentialsUnusableError as error:
            exchange = exchanges.local(kind, "local.credentials", str(error))
            return _outcome(OutcomeKind.IN_DOUBT, exchange, configuration_fault=True)
        except TokenError as error:
            return _outcome(
                OutcomeKind.IN_DOUBT,
                error.exchange,
                configuration_fault=error.configuration_fault,
                throttled=error.throttled,
                earlier=error.earlier,
            )
        answer = reply.answer
        if answer is None:
            return _outcome(OutcomeKind.IN_DOUBT, reply.exchange, earlier=earlier)
        asked_as = answer.conversation_id or answer.originator_id
        if answer.verdict.kind is OutcomeKind.ACCEPTED and asked_as is not None:
            return Asked(reference=asked_as, exchange=reply.exchange, earlier_exchanges=earlier)
        return _outcome(
            OutcomeKind.IN_DOUBT,
            reply.exchange,
            configuration_fault=answer.verdict.configuration_fault,
            throttled=answer.verdict.throttled,
            earlier=earlier,
        )

    def read_callback(
        self, purpose: CallbackKind, body: bytes, instruction: PayoutInstruction
    ) -> Outcome:
        """Read a callback; see `Gateway.read_callback`."""
        facts = read_facts(purpose, body, self.config)
        is_query = purpose in (CallbackKind.QUERY_RESULT, CallbackKind.QUERY_TIMEOUT)
        exchange = exchanges.heard(
            RequestType.QUERY if is_query else RequestType.CONFIRM,
            purpose.value,
            body,
            (facts.code, facts.message),
            secrets_of(instruction.account.credentials),
        )
        return _outcome(
            facts.verdict.kind,
            exchange,
            configuration_fault=facts.verdict.configuration_fault,
            throttled=facts.verdict.throttled,
            provider_reference=facts.provider_reference,
            conversation_id=facts.conversation_id,
            provider_originator_id=facts.originator_id,
            originator_reference=_ours(facts.originator_id, instruction),
            asked_reference=facts.asked_reference,
            amount=facts.amount,
            fee=facts.fee,
            occurred_at=facts.occurred_at,
            destination=facts.destination,
        )

    def validate(self, amount: Decimal, currency: str, destination: str) -> list[FieldError]:
        """Whole shillings between the limits to a Kenyan mobile number, as normalised."""
        config = self.config
        found: list[FieldError] = []
        if currency != config.currency:
            found.append(
                FieldError(
                    field="currency",
                    code="mpesa.currency",
                    message=f"M-Pesa pays in {config.currency} only",
                )
            )
        if not amount.is_finite() or amount != amount.to_integral_value():
            found.append(
                FieldError(
                    field="amount", code="mpesa.fraction", message="M-Pesa pays whole shillings"
                )
            )
        elif not config.amount_min <= amount <= config.amount_max:
            found.append(
                FieldError(
                    field="amount",
                    code="mpesa.amount",
                    message=f"M-Pesa pays {config.amount_min} to {config.amount_max} at a time",
                )
            )
        if re.fullmatch(config.destination_pattern, destination) is None:
            found.append(
                FieldError(
                    field="destination",
                    code="mpesa.destination",
                    message="M-Pesa pays to numbers such as 254712345678",
                )
            )
        return found

    def normalise_destination(self, raw: str) -> str:
        """07…, 01…, +254…, 00254… and 254…, however spaced (`phones`), as 2547… or 2541…."""
        try:
            spelt = phones.spelt(raw, home="KE").removeprefix("+")
        except phones.NotAPhone as error:
            raise DestinationNotUnderstood(str(error)) from error
        if re.fullmatch(self.config.destination_pattern, spelt) is None:
            raise DestinationNotUnderstood("M-Pesa pays to Kenyan mobile numbers only")
        return spelt

    def shape_reference(self, derived: str) -> str:
        """Up to 19 letters, digits and dashes: as it is if it fits, else a digest of it."""
        if len(derived) <= self.config.reference_length_max and _REFERENCE.fullmatch(derived):
            return derived
        digest = hashlib.sha256(derived.encode()).digest()
        short = base64.b32encode(digest).decode().rstrip("=")
        return f"PC-{short}"[: self.config.reference_length_max]

    def _reference_problems(self, reference: str) -> list[FieldError]:
        if _REFERENCE.fullmatch(reference) and len(reference) <= self.config.reference_length_max:
            return []
        return [
            FieldError(
                field="originator_reference",
                code="mpesa.reference",
                message="the originator reference has not the form that M-Pesa takes",
            )
        ]

    def _payment(self, instruction: PayoutInstruction) -> dict[str, str]:
        account = instruction.account
        return {
            "OriginatorConversationID": instruction.originator_reference,
            "InitiatorName": required(account.credentials, INITIATOR_NAME),
            "SecurityCredential": security_credential(account.credentials),
            "CommandID": self.config.command_id,
            "Amount": f"{instruction.amount:.0f}",
            "PartyA": account.shortcode,
            "PartyB": instruction.destination,
            "Remarks": self._fit(instruction.remarks, instruction.originator_reference),
            "QueueTimeOutURL": instruction.callbacks.timeout,
            "ResultURL": instruction.callbacks.result,
            "Occassion": instruction.originator_reference,  # Daraja's spelling
        }

    def _question(
        self, instruction: PayoutInstruction, provider_reference: str | None
    ) -> dict[str, str]:
        account = instruction.account
        about = (
            {"TransactionID": provider_reference}
            if provider_reference
            # the field is called Original…, and holds the payment's Originator… id
            else {"OriginalConversationID": instruction.originator_reference}
        )
        return {
            "Initiator": required(account.credentials, INITIATOR_NAME),  # not InitiatorName here
            "SecurityCredential": security_credential(account.credentials),
            "CommandID": "TransactionStatusQuery",
            **about,
            "PartyA": account.shortcode,
            "IdentifierType": "4",  # an organisation's shortcode
            "ResultURL": instruction.callbacks.query_result,
            "QueueTimeOutURL": instruction.callbacks.query_timeout,
            "Remarks": self._fit("Status", instruction.originator_reference),
            "Occasion": instruction.originator_reference,  # one s here
        }

    def _fit(self, remarks: str, fallback: str) -> str:
        """Remarks in plain printable characters and within Daraja's bounds."""
        words = " ".join(remarks.split()).encode("ascii", "ignore").decode()
        text = "".join(each for each in words if each.isprintable())
        text = text[: self.config.remarks_length_max].strip()
        return text if len(text) >= self.config.remarks_length_min else fallback


def _ours(originator_id: str | None, instruction: PayoutInstruction) -> str | None:
    return originator_id if originator_id == instruction.originator_reference else None


def _outcome(
    kind: OutcomeKind,
    exchange: GatewayExchange,
    *,
    earlier: tuple[GatewayExchange, ...] = (),
    **facts: Any,
) -> Outcome:
    return Outcome(
        kind=kind,
        code=exchange.code,
        message=exchange.message,
        exchange=exchange,
        earlier_exchanges=earlier,
        **facts,
    )
