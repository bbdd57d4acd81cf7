"""Bodies of callbacks: sections 3.3, 3.4, 5 and 6 of the Daraja reference."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pettycash.lab.simulators.mpesa import codes, identifiers

Envelope = dict[str, object]
_QUEUE_URL = "https://internalsandbox.safaricom.co.ke/mpesa/b2cresults/v1/submit"
CUSTOMER_NAME = "TEST CUSTOMER"
ORGANISATION_NAME = "Test Organisation"


@dataclass(frozen=True)
class Facts:
    """What a result says about one payment. Money in cents; `fee_cents` of a success only."""

    originator_id: str
    conversation_id: str
    receipt: str
    result_code: str
    amount_cents: int
    fee_cents: int
    phone: str
    shortcode: str
    initiated_at: datetime
    finalised_at: datetime
    utility_cents: int
    working_cents: int
    charges_cents: int

    @property
    def succeeded(self) -> bool:
        return self.result_code == codes.SUCCESS

    def failed_with(self, code: str) -> "Facts":
        return replace(self, result_code=code)


def plain_number(cents: int) -> float | int:
    """A JSON number as Daraja writes it: 10 for whole shillings, 22.4 for others."""
    return cents // 100 if cents % 100 == 0 else cents / 100


def decimal_text(cents: int) -> str:
    """`1234` as `12.34`, `-5` as `-0.05`."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _code(code: str, *, as_text: bool) -> int | str:
    return int(code) if code.isdigit() and not as_text else code


def _reference_data(style: str) -> object:
    item: Mapping[str, str] = {"Key": "QueueTimeoutURL", "Value": _QUEUE_URL}
    if style == "style_references":
        return {"ReferenceItem": [item, {"Key": "Occasion"}]}
    return {"ReferenceItem": item}


def _success_items(facts: Facts, style: str) -> list[dict[str, object]]:
    amount = plain_number(facts.amount_cents)
    as_text = style == "style_strings"
    items: list[dict[str, object]] = [
        {"Key": "TransactionAmount", "Value": str(amount) if as_text else amount},
        {"Key": "TransactionReceipt", "Value": facts.receipt},
        {"Key": "ReceiverPartyPublicName", "Value": f"{facts.phone} - {CUSTOMER_NAME}"},
        {
            "Key": "TransactionCompletedDateTime",
            "Value": identifiers.dotted_time(facts.finalised_at),
        },
        {
            "Key": "B2CUtilityAccountAvailableFunds",
            "Value": plain_number(facts.utility_cents),
        },
        {
            "Key": "B2CWorkingAccountAvailableFunds",
            "Value": plain_number(facts.working_cents),
        },
        {"Key": "B2CRecipientIsRegisteredCustomer", "Value": "Y"},
        {
            "Key": "B2CChargesPaidAccountAvailableFunds",
            "Value": plain_number(facts.charges_cents),
        },
    ]
    if style == "style_repeated_keys":
        items.append({"Key": "ReceiverPartyPublicName", "Value": f"{facts.shortcode} - second"})
    return items


def payment_result(facts: Facts, *, style: str = "", result_type: int = 0) -> Envelope:
    """The body for `ResultURL` once a payment is finished; `style` is a fault of that side."""
    as_text = style == "style_strings"
    receipt = facts.receipt
    if style == "style_generic_receipt" and not facts.succeeded:
        receipt = identifiers.generic_receipt(facts.finalised_at)
    result: Envelope = {
        "ResultType": _code(str(result_type), as_text=as_text),
        "ResultCode": _code(facts.result_code, as_text=as_text),
        "ResultDesc": codes.result_text(facts.result_code),
        "OriginatorConversationID": facts.originator_id,
        "ConversationID": facts.conversation_id,
        "TransactionID": receipt,
    }
    if facts.succeeded:
        result["ResultParameters"] = {"ResultParameter": _success_items(facts, style)}
    elif style in ("style_object", "style_list"):
        item = {
            "Key": "BOCompletedTime",
            "Value": int(identifiers.compact_time(facts.finalised_at)),
        }
        listed: object = [item] if style == "style_list" else item
        result["ResultParameters"] = {"ResultParameter": listed}
    result["ReferenceData"] = _reference_data(style)
    return {"Result": result}


def timeout_envelope(*, originator_id: str, conversation_id: str, at: datetime) -> Envelope:
    """The other form of a queue time-out. Its code also names a final failure: it is none here."""
    return {
        "Result": {
            "ResultType": 0,
            "ResultCode": 1019,
            "ResultDesc": "The request timed out while awaiting processing.",
            "OriginatorConversationID": originator_id,
            "ConversationID": conversation_id,
            "TransactionID": identifiers.generic_receipt(at),
            "ReferenceData": {"ReferenceItem": {"Key": "QueueTimeoutURL", "Value": _QUEUE_URL}},
        }
    }


def query_result(
    facts: Facts | None,
    *,
    originator_id: str,
    conversation_id: str,
    result_code: str,
    status: str,
    at: datetime,
    style: str = "",
) -> Envelope:
    """The body that answers a transaction status query.

    The outer ids are the query's; those inside `ResultParameter` are the payment's. Without
    `facts`, or with a `result_code` other than 0, nothing is said about any payment.
    """
    as_text = style == "query_strings"
    result: Envelope = {
        "ConversationID": conversation_id,
        "OriginatorConversationID": originator_id,
        "ReferenceData": {"ReferenceItem": {"Key": "Occasion"}},
        "ResultCode": _code(result_code, as_text=as_text),
        "ResultDesc": codes.result_text(result_code),
        "ResultType": _code("0", as_text=as_text),
        "TransactionID": identifiers.generic_receipt(at),
    }
    if facts is not None and result_code == codes.SUCCESS:
        items = _status_items(facts, status)
        if style == "query_repeated_keys":
            credit = f"{facts.phone} - {CUSTOMER_NAME}"
            items = [
                {**item, "Key": "DebitPartyName"} if item.get("Value") == credit else item
                for item in items
            ]
        result["ResultParameters"] = {"ResultParameter": items}
    return {"Result": result}


def _status_items(facts: Facts, status: str) -> list[dict[str, object]]:
    items: list[dict[str, object]] = [
        {"Key": "DebitPartyName", "Value": f"{facts.shortcode} - {ORGANISATION_NAME}"},
        {"Key": "CreditPartyName", "Value": f"{facts.phone} - {CUSTOMER_NAME}"},
        {"Key": "OriginatorConversationID", "Value": facts.originator_id},
        {"Key": "InitiatedTime", "Value": identifiers.compact_time(facts.initiated_at)},
        {"Key": "DebitAccountType", "Value": "Utility Account"},
    ]
    if status == "Completed":
        charge = f"Fee For B2C Payment|KES|{decimal_text(facts.fee_cents)}"
        items.append({"Key": "DebitPartyCharges", "Value": charge})
    items += [
        {"Key": "TransactionReason"},
        {"Key": "ReasonType", "Value": "Business Payment to Customer via API"},
        {"Key": "TransactionStatus", "Value": status},
    ]
    if status in ("Completed", "Declined", "Cancelled", "Expired"):
        finalised = identifiers.compact_time(facts.finalised_at)
        items.append({"Key": "FinalisedTime", "Value": finalised})
    items += [
        {"Key": "Amount", "Value": str(plain_number(facts.amount_cents))},
        {"Key": "ConversationID", "Value": facts.conversation_id},
        {"Key": "ReceiptNo", "Value": facts.receipt},
    ]
    return items
