"""Reading what Daraja sends to our URLs: any bytes are read, and only a full proof settles.

The rules are those that every `Result` envelope of the reference follows: one parameter or a
list of them, codes as number or text, keys that repeat, ids of the query outside and of the
payment inside, East Africa Time without an offset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from pettycash.gateways.base import CallbackKind, OutcomeKind
from pettycash.gateways.mpesa.codes import UNKNOWN, CodeMeaning, MpesaConfig, success_unpadded
from pettycash.runtime.wire import amount_of, read_object, word_of

EAT = timezone(timedelta(hours=3), "EAT")  # no daylight saving
CODE_LENGTH_MAX = 20

_COMPACT_TIME = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})", re.ASCII
)
_DOTTED_TIME = re.compile(
    r"([0-9]{2})\.([0-9]{2})\.([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2})", re.ASCII
)
_PARTY = re.compile(r"\+?(254[0-9]{9}|0[0-9]{9})(?![0-9*])")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackFacts:
    """A callback, read: its verdict on the payment, and what it says it is about."""

    verdict: CodeMeaning
    code: str
    message: str
    provider_reference: str | None = None
    conversation_id: str | None = None
    originator_id: str | None = None
    asked_reference: str | None = None
    amount: Decimal | None = None
    fee: Decimal | None = None
    occurred_at: datetime | None = None
    destination: str | None = None


UNREADABLE = CallbackFacts(
    verdict=UNKNOWN, code="callback.unreadable", message="the body is no JSON object"
)


def read_facts(purpose: CallbackKind, body: bytes, config: MpesaConfig) -> CallbackFacts:
    """Read a callback's body for the URL it came to. Never raises."""
    parsed = read_object(body)
    if parsed is None:
        return UNREADABLE
    result = parsed.get("Result")
    if not isinstance(result, dict):
        return _flat(purpose, parsed)
    if purpose is CallbackKind.RESULT:
        return _result(result, config)
    if purpose is CallbackKind.QUERY_RESULT:
        return _query_result(result, config)
    return _queue_timeout(purpose, result)


def _flat(purpose: CallbackKind, parsed: Mapping[str, Any]) -> CallbackFacts:
    """The original request coming back, the one form of a queue time-out; or anything else."""
    is_notice = purpose in (CallbackKind.TIMEOUT, CallbackKind.QUERY_TIMEOUT)
    return CallbackFacts(
        verdict=UNKNOWN,
        code="callback.queue_timeout" if is_notice else "callback.unrecognised",
        message=(
            "the request timed out while awaiting processing"
            if is_notice
            else "the body has no Result"
        ),
        originator_id=word_of(parsed.get("OriginatorConversationID")),
        amount=amount_of(parsed.get("Amount")),
        destination=phone_of(parsed.get("PartyB")),
    )


def _queue_timeout(purpose: CallbackKind, result: Mapping[str, Any]) -> CallbackFacts:
    # Whatever its code: the notice says that processing was not awaited to its end
    own = purpose is CallbackKind.TIMEOUT
    conversation_id = word_of(result.get("ConversationID"))
    return CallbackFacts(
        verdict=UNKNOWN,
        code=_code(result) or "callback.queue_timeout",
        message=_description(result),
        conversation_id=conversation_id if own else None,
        originator_id=word_of(result.get("OriginatorConversationID")) if own else None,
        asked_reference=None if own else conversation_id,
    )


def _result(result: Mapping[str, Any], config: MpesaConfig) -> CallbackFacts:
    parameters = _parameters(result)
    code = _code(result)
    amount = amount_of(_one(parameters, "TransactionAmount"))
    receipt = _receipt(_one(parameters, "TransactionReceipt"), config)
    verdict = config.result_codes.get(code or "", UNKNOWN)
    if not _final(result):
        verdict = UNKNOWN
    elif verdict.kind is OutcomeKind.SETTLED:
        if code != "0" or amount is None or receipt is None:
            verdict = UNKNOWN
    elif verdict.kind is not OutcomeKind.REJECTED:
        # once accepted, no code says that nothing was sent
        verdict = CodeMeaning(OutcomeKind.IN_DOUBT, verdict.configuration_fault, verdict.throttled)
    elif receipt is not None:
        verdict = UNKNOWN  # a failure with a receipt contradicts itself
    return CallbackFacts(
        verdict=verdict,
        code=code or "callback.no_code",
        message=_description(result),
        provider_reference=receipt,
        conversation_id=word_of(result.get("ConversationID")),
        originator_id=word_of(result.get("OriginatorConversationID")),
        amount=amount,
        occurred_at=time_of(_one(parameters, "TransactionCompletedDateTime")),
        destination=phone_of(_one(parameters, "ReceiverPartyPublicName")),
    )


def _query_result(result: Mapping[str, Any], config: MpesaConfig) -> CallbackFacts:
    parameters = _parameters(result)
    outer = _code(result)
    status = word_of(_one(parameters, "TransactionStatus"))
    amount = amount_of(_one(parameters, "Amount"))
    receipt = _receipt(_one(parameters, "ReceiptNo"), config)
    if outer == "0" and _final(result) and status is not None:
        verdict = config.transaction_statuses.get(status.lower(), UNKNOWN)
        if verdict.kind is OutcomeKind.SETTLED and (amount is None or receipt is None):
            verdict = UNKNOWN
    else:
        # the query failed, which says nothing of the payment; a query that was refused for its
        # initiator tells of an account that a person has to mend
        refused = config.result_codes.get(outer or "", UNKNOWN)
        says_unknown = outer in config.unknown_id_codes and _final(result) and status is None
        verdict = CodeMeaning(
            OutcomeKind.NOT_KNOWN if says_unknown else OutcomeKind.IN_DOUBT,
            configuration_fault=refused.configuration_fault,
        )
    answered = outer == "0" and status is not None
    return CallbackFacts(
        verdict=verdict,
        code=(status if answered else outer) or "callback.no_code",
        message=_description(result),
        provider_reference=receipt,
        conversation_id=word_of(_one(parameters, "ConversationID")),
        originator_id=word_of(_one(parameters, "OriginatorConversationID")),
        asked_reference=word_of(result.get("ConversationID")),
        amount=amount,
        fee=fee_of(_one(parameters, "DebitPartyCharges"), config.currency),
        occurred_at=time_of(_one(parameters, "FinalisedTime")),
        destination=_credit_party(parameters),
    )


def fee_of(value: object, currency: str) -> Decimal | None:
    """The sum of "Fee For B2C Payment|KES|22.40", several joined by "&"; None if unreadable."""
    if not isinstance(value, str) or not value.strip():
        return None
    total = Decimal(0)
    for charge in value.split("&"):
        parts = [part.strip() for part in charge.split("|")]
        if len(parts) != 3 or parts[1] != currency:
            return None
        amount = Decimal(0) if re.fullmatch(r"0(\.0+)?", parts[2]) else amount_of(parts[2])
        if amount is None:
            return None
        total += amount
    return total


def time_of(value: object) -> datetime | None:
    """A time of either form, East Africa Time in, UTC out; None if it is neither."""
    word = word_of(value)
    if word is None:
        return None
    if found := _COMPACT_TIME.fullmatch(word):
        year, month, day, hour, minute, second = (int(part) for part in found.groups())
    elif found := _DOTTED_TIME.fullmatch(word):
        day, month, year, hour, minute, second = (int(part) for part in found.groups())
    else:
        return None
    if year < 2000:
        return None
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=EAT)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def phone_of(value: object) -> str | None:
    """The number at the start of "254705912645 - JANE DOE"; None if there is none in full."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if 0 < value < 10**15 else None
    if not isinstance(value, str):
        return None
    found = _PARTY.match(value.strip())
    if found is None:
        return None
    number = found[1]
    return number if number.startswith("254") else "254" + number[1:]


def _credit_party(parameters: Mapping[str, list[Any]]) -> str | None:
    if "CreditPartyName" in parameters:
        return phone_of(_one(parameters, "CreditPartyName"))
    # the official sample names the credit party under a second DebitPartyName
    parties = parameters.get("DebitPartyName", [])
    return phone_of(parties[1]) if len(parties) == 2 else None


def _parameters(result: Mapping[str, Any]) -> dict[str, list[Any]]:
    holder = result.get("ResultParameters")
    items = holder.get("ResultParameter") if isinstance(holder, dict) else None
    if isinstance(items, dict):
        items = [items]
    found: dict[str, list[Any]] = {}
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict) and isinstance(item.get("Key"), str) and "Value" in item:
            found.setdefault(item["Key"], []).append(item["Value"])
    return found


def _one(parameters: Mapping[str, list[Any]], key: str) -> Any:
    """The key's value, if all that stand under it are the same: two amounts prove none."""
    values = parameters.get(key, [])
    return values[0] if values and all(value == values[0] for value in values) else None


def _receipt(value: object, config: MpesaConfig) -> str | None:
    word = word_of(value)
    if word is None or re.fullmatch(config.receipt_pattern, word) is None:
        return None
    return None if re.fullmatch(config.receipt_placeholder_pattern, word) else word


def _final(result: Mapping[str, Any]) -> bool:
    """ResultType 0 is the end of the matter; 1 announces further messages."""
    return "ResultType" not in result or success_unpadded(word_of(result["ResultType"])) == "0"


def _code(result: Mapping[str, Any]) -> str | None:
    return success_unpadded(word_of(result.get("ResultCode"), length_max=CODE_LENGTH_MAX))


def _description(result: Mapping[str, Any]) -> str:
    text = result.get("ResultDesc")
    return text.strip() if isinstance(text, str) else ""
