"""Daraja's codes and limits, as configuration: what a code proves, and nothing that is unlisted.

Source: the Daraja 3.0 portal's tables of error and result codes (snapshot of December 2025) with
the readings of production integrations. Only rows that hold for B2C stand here. Codes that belong
to other products (STK 1001, 1025, 1031, 1032, 1037, 4999, 9999; standing orders 1050, 1051; B2B
checkout 4001, 4102, 4104; reversal R000001, R000002; C2B…) have no explained meaning as the result
of a payment to a customer, so they are as unknown as any code that nobody ever described.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType

from pettycash.gateways.base import OutcomeKind


@dataclass(frozen=True, slots=True)
class CodeMeaning:
    """The meaning of a code for the one request that it answers."""

    kind: OutcomeKind
    configuration_fault: bool = False
    throttled: bool = False
    # the token was refused before anything else was looked at: a new one, once
    new_token: bool = False


UNKNOWN = CodeMeaning(OutcomeKind.IN_DOUBT)
ACCEPTED = CodeMeaning(OutcomeKind.ACCEPTED)
SETTLED = CodeMeaning(OutcomeKind.SETTLED)
REFUSED = CodeMeaning(OutcomeKind.REJECTED)
MISCONFIGURED = CodeMeaning(OutcomeKind.REJECTED, configuration_fault=True)
BUSY = CodeMeaning(OutcomeKind.NOT_SENT, throttled=True)
NEW_TOKEN = CodeMeaning(OutcomeKind.NOT_SENT, new_token=True)
WRONG_AUTHENTICATION = CodeMeaning(OutcomeKind.NOT_SENT, configuration_fault=True)

ERROR_CODES: Mapping[str, CodeMeaning] = MappingProxyType(
    {
        "400.002.02": REFUSED,  # Bad Request - Invalid <field>
        "400.002.05": REFUSED,  # Invalid Request Payload
        "400.003.01": NEW_TOKEN,  # Invalid Access Token
        "400.003.02": REFUSED,  # Bad Request: something is missing
        "400.008.01": WRONG_AUTHENTICATION,  # Invalid Authentication passed
        "400.008.02": WRONG_AUTHENTICATION,  # Invalid grant type passed
        "401.002.01": NEW_TOKEN,  # Invalid Access Token: expired or replaced
        "401.003.01": WRONG_AUTHENTICATION,  # a token of the other environment
        "403": MISCONFIGURED,  # not permitted, or our address is blocked
        "404.001.01": MISCONFIGURED,  # Resource not found
        "404.001.03": NEW_TOKEN,  # Invalid Access Token, although the status is 404
        "404.001.04": MISCONFIGURED,  # Invalid Authentication Header
        "404.002.01": MISCONFIGURED,
        "404.003.01": MISCONFIGURED,
        "405.001": MISCONFIGURED,  # Method Not Allowed
        "500.001.1001": UNKNOWN,  # Internal Server Error; its plainer texts belong to STK
        # "Duplicate OriginatorConversationID." says that the id was received, nothing of its
        # fate; the same code also stands for outages and maintenance
        "500.002.1001": UNKNOWN,
        "500.003.02": BUSY,  # Spike Arrest Violation; System is busy
        "500.003.03": BUSY,  # Quota Violation
        "500.003.1001": UNKNOWN,  # Internal Server Error
    }
)
"""`errorCode` of a synchronous answer, whatever HTTP status it came with."""

FAULT_CODES: Mapping[str, CodeMeaning] = MappingProxyType(
    {
        "policies.ratelimit.SpikeArrestViolation": BUSY,
        "policies.ratelimit.QuotaViolation": BUSY,
    }
)
"""`fault.detail.errorcode` of the gateway in front of the core system: refused before it."""

RESPONSE_CODES: Mapping[str, CodeMeaning] = MappingProxyType(
    {
        "0": ACCEPTED,
        "1": UNKNOWN,  # one way to say "Duplicate OriginatorConversationID."
        "15": UNKNOWN,  # Duplicate Detected
        "26": BUSY,  # Traffic blocking condition in place / System busy
        "100000000": UNKNOWN,  # Request was cached, waiting for resending
        "100000001": BUSY,  # The system is overloaded
        "100000002": BUSY,  # Throttling error
        "100000004": UNKNOWN,  # Internal Server Error
        "100000005": REFUSED,  # Invalid input value
        "100000007": UNKNOWN,  # the service's status is abnormal
        "100000009": UNKNOWN,  # the API's status is abnormal
        "100000010": MISCONFIGURED,  # Insufficient permissions
        "100000011": BUSY,  # Exceed the limitation of request rate
    }
)
"""`ResponseCode` of a synchronous answer; it comes from the core, so the rest is unknown."""

RESULT_CODES: Mapping[str, CodeMeaning] = MappingProxyType(
    {
        "0": SETTLED,
        "1": REFUSED,  # the Utility account is too low
        "2": REFUSED,  # below the minimum
        "3": REFUSED,  # above the maximum
        "4": REFUSED,  # the receiver's daily limit
        "5": REFUSED,  # would exceed minimum balance
        "6": REFUSED,  # Unresolved primary party
        "7": REFUSED,  # Unresolved receiver party
        "8": REFUSED,  # the receiver's wallet would be too full
        "10": REFUSED,  # MSISDN not registered
        "11": MISCONFIGURED,  # the paying account is not active
        "12": REFUSED,  # the receiver is not active
        "13": REFUSED,  # Unresolved debit account
        "14": REFUSED,  # Unresolved credit account
        "15": UNKNOWN,  # Duplicate Detected: the first one may well have been paid
        "17": UNKNOWN,  # Internal Failure, a catch-all
        "18": MISCONFIGURED,  # Initiator Credential Check Failure
        "19": UNKNOWN,  # Message Sequencing Failure
        "20": MISCONFIGURED,  # Unresolved Initiator
        "21": MISCONFIGURED,  # the initiator is not allowed to do this
        "22": MISCONFIGURED,  # initiator to receiver permission, or initiator not active
        "24": REFUSED,  # Missing mandatory fields
        "25": REFUSED,  # Invalid request parameters
        "26": UNKNOWN,  # Traffic blocking condition: unclear once it was accepted
        "29": REFUSED,  # Invalid command
        "1019": REFUSED,  # Transaction has expired
        "2001": MISCONFIGURED,  # The initiator information is invalid
        "2006": REFUSED,  # account status does not allow this transaction
        "2028": MISCONFIGURED,  # the shortcode has no B2C product
        "2040": REFUSED,  # the receiver is not a registered customer
        "8006": MISCONFIGURED,  # The security credential is locked
        "SFC_IC0003": REFUSED,  # The operator does not exist: no M-Pesa number
        "TP40153": MISCONFIGURED,  # the operator has no permission here
        "100000000": UNKNOWN,
        "100000001": UNKNOWN,  # overload after acceptance says nothing of the money
        "100000002": UNKNOWN,
        "100000004": UNKNOWN,
        "100000005": REFUSED,  # Invalid input value
        "100000007": UNKNOWN,
        "100000009": UNKNOWN,
        "100000010": MISCONFIGURED,  # Insufficient permissions
        "100000011": UNKNOWN,
    }
)
"""`ResultCode` of a result callback, for the payment that the callback is about."""

TRANSACTION_STATUSES: Mapping[str, CodeMeaning] = MappingProxyType(
    {
        "completed": SETTLED,
        "cancelled": REFUSED,
        "declined": REFUSED,
        "expired": REFUSED,
    }
)
"""`TransactionStatus` of a status query's callback in lower case; any other is unknown."""

CALLBACK_SOURCES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    # Of a sandbox none are published. The twelve published addresses lie in these networks, which
    # operators allow as a whole.
    {"production": ("196.201.212.0/24", "196.201.213.0/24", "196.201.214.0/24")}
)
"""Where Daraja calls from, by the account's environment."""


def success_unpadded(code: str | None) -> str | None:
    """`00` and `000` are the one code of success, as some operators pad it; no other is touched."""
    return "0" if code and not code.strip("0") else code


@dataclass(frozen=True, slots=True, kw_only=True)
class MpesaConfig:
    """Facts of Daraja that may change without a new release. Amounts in whole shillings."""

    amount_min: Decimal = Decimal(10)
    amount_max: Decimal = Decimal(250_000)
    currency: str = "KES"
    destination_pattern: str = r"254[17][0-9]{8}"
    receipt_pattern: str = r"[A-Z0-9]{8,20}"
    # placeholders such as OAK0000000 stand where nothing was paid
    receipt_placeholder_pattern: str = r"[A-Z0-9]{3,4}0{6,}"
    # the portal says "less than 20 characters", though longer ones are in use
    reference_length_max: int = 19
    remarks_length_min: int = 2
    remarks_length_max: int = 100
    command_id: str = "BusinessPayment"
    token_path: str = "/oauth/v1/generate?grant_type=client_credentials"  # noqa: S105 - a path
    payment_path: str = "/mpesa/b2c/v3/paymentrequest"
    query_path: str = "/mpesa/transactionstatus/v1/query"
    decide_by: timedelta = timedelta(minutes=5)
    # one submit or query with its tokens and its one repeat; below the claim's lease of 45 s
    call_budget_seconds: float = 35.0
    # with less time than this left nothing is sent: it would only be cut short
    send_seconds_min: float = 5.0
    callback_sources: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: CALLBACK_SOURCES
    )
    # ResultCode of a question about an id that was never seen; the portal does not document it
    unknown_id_codes: tuple[str, ...] = ("2033",)
    error_codes: Mapping[str, CodeMeaning] = field(default_factory=lambda: ERROR_CODES)
    fault_codes: Mapping[str, CodeMeaning] = field(default_factory=lambda: FAULT_CODES)
    response_codes: Mapping[str, CodeMeaning] = field(default_factory=lambda: RESPONSE_CODES)
    result_codes: Mapping[str, CodeMeaning] = field(default_factory=lambda: RESULT_CODES)
    transaction_statuses: Mapping[str, CodeMeaning] = field(
        default_factory=lambda: TRANSACTION_STATUSES
    )
