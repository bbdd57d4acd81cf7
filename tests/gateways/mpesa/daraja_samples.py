"""Callbacks as the reference shows them, and ways to bend them."""

from __future__ import annotations

import copy
import json
from typing import Any

from pettycash.gateways.base import CallbackKind, OutcomeKind
from pettycash.gateways.mpesa import MpesaConfig
from pettycash.gateways.mpesa.callbacks import CallbackFacts, read_facts

RESULT, TIMEOUT, QUERY_RESULT, QUERY_TIMEOUT = (
    CallbackKind.RESULT,
    CallbackKind.TIMEOUT,
    CallbackKind.QUERY_RESULT,
    CallbackKind.QUERY_TIMEOUT,
)
SETTLED, REJECTED, IN_DOUBT = (
    OutcomeKind.SETTLED,
    OutcomeKind.REJECTED,
    OutcomeKind.IN_DOUBT,
)
CONFIG = MpesaConfig()

PAID: dict[str, Any] = {
    "Result": {
        "ResultType": 0,
        "ResultCode": 0,
        "ResultDesc": "The service request is processed successfully.",
        "OriginatorConversationID": "REQ-2026-000123-1-1",
        "ConversationID": "AG_20240706_2010364430d9bbdaf872",
        "TransactionID": "SG632NMUAB",
        "ResultParameters": {
            "ResultParameter": [
                {"Key": "TransactionAmount", "Value": 10},
                {"Key": "TransactionReceipt", "Value": "SG632NMUAB"},
                {"Key": "ReceiverPartyPublicName", "Value": "254705912645 - JANE DOE"},
                {"Key": "TransactionCompletedDateTime", "Value": "06.07.2024 22:48:52"},
                {"Key": "B2CUtilityAccountAvailableFunds", "Value": 8959269.60},
                {"Key": "B2CRecipientIsRegisteredCustomer", "Value": "Y"},
                {"Key": "B2CChargesPaidAccountAvailableFunds", "Value": -1980.00},
            ]
        },
        "ReferenceData": {"ReferenceItem": {"Key": "QueueTimeoutURL", "Value": "https://x.test"}},
    }
}
FAILED: dict[str, Any] = {
    "Result": {
        "ResultType": 0,
        "ResultCode": 2001,
        "ResultDesc": "The initiator information is invalid.",
        "OriginatorConversationID": "53e3-4aa8-9fe0-8fb5e4092cdd3544366",
        "ConversationID": "AG_20240707_201062f6f6f5804f7a33",
        "TransactionID": "SG722NMVXQ",
        "ReferenceData": {"ReferenceItem": {"Key": "QueueTimeoutURL", "Value": "https://x.test"}},
    }
}
STATUS: dict[str, Any] = {
    "Result": {
        "ConversationID": "AG_20180223_0000493344ae97d86f75",
        "OriginatorConversationID": "3213-416199-2",
        "ReferenceData": {"ReferenceItem": {"Key": "Occasion"}},
        "ResultCode": 0,
        "ResultDesc": "The service request is processed successfully.",
        "ResultParameters": {
            "ResultParameter": [
                {"Key": "DebitPartyName", "Value": "600310 - Safaricom333"},
                {"Key": "CreditPartyName", "Value": "254708374149 - John Doe"},
                {"Key": "OriginatorConversationID", "Value": "3211-416020-3"},
                {"Key": "InitiatedTime", "Value": "20180223054112"},
                {"Key": "DebitAccountType", "Value": "Utility Account"},
                {"Key": "DebitPartyCharges", "Value": "Fee For B2C Payment|KES|22.40"},
                {"Key": "TransactionReason"},
                {"Key": "ReasonType", "Value": "Business Payment to Customer via API"},
                {"Key": "TransactionStatus", "Value": "Completed"},
                {"Key": "FinalisedTime", "Value": "20180223054112"},
                {"Key": "Amount", "Value": "300"},
                {"Key": "ConversationID", "Value": "AG_20180223_000041b09c22e613d6c9"},
                {"Key": "ReceiptNo", "Value": "MBN31H462N"},
            ]
        },
        "ResultType": 0,
        "TransactionID": "MBN0000000",
    }
}
FLAT = {
    "InitiatorName": "apiop37",
    "SecurityCredential": "hush==",
    "CommandID": "BusinessPayment",
    "Amount": "10",
    "PartyA": "600992",
    "PartyB": "254705912645",
    "Remarks": "x",
    "QueueTimeOutURL": "https://x.test/b",
    "ResultURL": "https://x.test/a",
    "OriginatorConversationID": "REQ-2026-000123-1-1",
}


def read(purpose: CallbackKind, body: object) -> CallbackFacts:
    return read_facts(purpose, json.dumps(body).encode(), CONFIG)


def changed(body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    other = copy.deepcopy(body)
    other["Result"].update(fields)
    return other


def with_parameter(body: dict[str, Any], key: str, *values: Any) -> dict[str, Any]:
    """The body with these values under the key, and no others."""
    other = copy.deepcopy(body)
    holder = other["Result"]["ResultParameters"]
    kept = [item for item in holder["ResultParameter"] if item["Key"] != key]
    holder["ResultParameter"] = kept + [{"Key": key, "Value": value} for value in values]
    return other
