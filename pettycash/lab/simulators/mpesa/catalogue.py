"""Every fault that the simulator can produce, what its number means, and the test numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Dimension(StrEnum):
    """The side of an exchange that a fault spoils. A scenario has at most one fault of each."""

    GATE = "gate"  # refused before acceptance
    ANSWER = "answer"  # accepted; the synchronous answer goes wrong
    OUTCOME = "outcome"  # what becomes of the money
    SETTLING = "settling"  # when it becomes of it
    CALLBACK = "callback"  # the result callback's delivery and content
    STYLE = "style"  # the form of a truthful result callback
    NOTICE = "notice"  # a queue time-out notice
    DUPLICATE = "duplicate"  # how a repeated originator id is refused
    QUERY = "query"  # the transaction status query about this payment
    TOKEN = "token"  # noqa: S105 - the token endpoint


@dataclass(frozen=True)
class RailFault:
    """One fault. `number` is the default of its argument and `unit` says what that counts."""

    name: str
    dimension: Dimension
    does: str
    number: float = 1.0
    unit: str = ""


D = Dimension
TIMES = "times per originator reference; 0 = every time"
_SECONDS = "seconds"

_GATE_FAULTS = {
    "answer_lost_before": "connection closed without an answer; the request never arrived",
    "answer_reset_before": "connection reset without an answer; the request never arrived",
    "too_many_requests": "429 with the gateway's fault envelope (SpikeArrestViolation)",
    "spike_arrest": "500.003.02 with HTTP 500",
    "spike_arrest_429": "500.003.02 with HTTP 429",
    "spike_arrest_in_200": "500.003.02 with HTTP 200: errorCode and no ResponseCode",
    "system_busy": "500.003.02 with the text System is busy",
    "quota_violation": "500.003.03 Quota Violation",
    "internal_error_unseen": "500.002.1001 System internal error. for an id never seen",
    "maintenance_unseen": "500.002.1001 under maintenance, for an id never seen",
    "duplicate_unseen": "500.002.1001 Duplicate, although nothing was registered",
    "internal_error_500_001": "500.001.1001 Internal Server Error, nothing registered",
    "internal_error_500_003": "500.003.1001 Internal Server Error, nothing registered",
    "bad_gateway_unseen": "502 HTML page, nothing registered",
    "unavailable_unseen": "503 with an empty body, nothing registered",
    "token_expired_401": "401.002.01; the bearer token really is dead afterwards",
    "token_expired_404": "404.001.03; the bearer token really is dead afterwards",
    "token_expired_400": "400.003.01; the bearer token really is dead afterwards",
    "token_wrong_environment": "401.003.01; the bearer token really is dead afterwards",
    "no_api_product": "401 Invalid API call as no apiproduct match found",
    "forbidden": "403 with an empty body",
    "bad_request": "400.003.02 Bad Request",
}
_ANSWER_FAULTS = {
    "answer_lost_after": "accepted; the connection closes without an answer",
    "answer_reset_after": "accepted; the connection is reset without an answer",
    "answer_reset_midway": "accepted; headers, half of the body, reset",
    "answer_truncated": "accepted; headers, half of the body, orderly close",
    "internal_error_after": "accepted; answered 500.002.1001 System internal error.",
    "maintenance_after": "accepted; answered 500.002.1001 under maintenance",
    "duplicate_after": "accepted; answered 500.002.1001 Duplicate at the first sending",
    "error_in_200_after": "accepted; 500.002.1001 System internal error. with HTTP 200",
    "bad_gateway_after": "accepted; 502 HTML page",
    "gateway_timeout_after": "accepted; 504 HTML page",
    "unavailable_after": "accepted; 503 with an empty body",
    "answer_empty": "accepted; 200 with an empty body",
    "answer_garbage": "accepted; 200 with bytes that are neither JSON nor UTF-8",
    "answer_html": "accepted; 200 with an HTML page",
    "answer_no_code": "accepted; 200 with {}",
}
_CALLBACK_FAULTS = {
    "callback_never": "no result callback",
    "callback_twice": "the same result twice",
    "callback_early": "the result is delivered before the synchronous answer leaves",
    "callback_wrong_amount": "the only result names ten times the amount",
    "callback_wrong_payee": "the only result names another receiver",
    "callback_malformed": "the only result is cut in the middle",
    "callback_empty": "the only result has an empty body",
    "callback_html": "the only result is an HTML page",
    "callback_forged_failure": "a forged failure first, then the true result",
    "callback_forged_success": "a forged success with an invented receipt, then the true result",
    "callback_contradicting": "the true result, then a forged one that says the opposite",
    "callback_wrong_secret": "a forged success to the URL with another last character, then truth",
    "callback_unknown_id": "a result about an id nobody knows, then the true result",
    "callback_gateway_id": "OriginatorConversationID in gateway form; only ConversationID matches",
    "callback_waiting": "a message of ResultType 1 first, then the true result",
}
_STYLE_FAULTS = {
    "style_strings": "codes and amounts as strings",
    "style_object": "a failure carries ResultParameter as one object; success as a list",
    "style_list": "a failure carries ResultParameter as a list",
    "style_generic_receipt": "a failure names a generic receipt such as OAK0000000",
    "style_references": "ReferenceItem as a list, one item without Value",
    "style_repeated_keys": "a key stands twice in ResultParameter with other values",
}
_QUERY_FAULTS = {
    "query_lost": "accepted; the answering callback never comes",
    "query_answer_lost": "accepted; the connection closes; the callback comes",
    "query_answer_lost_before": "connection closed; the query never arrived",
    "query_too_many_requests": "429 with the gateway's fault envelope",
    "query_spike_arrest": "500.003.02 with HTTP 500",
    "query_bad_gateway": "502 HTML page; the query never arrived",
    "query_internal_error": "500.001.1001 Internal Server Error; the query never arrived",
    "query_token_expired": "401.002.01; the bearer token really is dead afterwards",
    "query_queue_timeout": "the query's own queue time-out notice, flat, and nothing else",
    "query_queue_timeout_envelope": "the query's own queue time-out notice, enveloped",
    "query_initiated": "answers TransactionStatus Initiated, then the truth",
    "query_authorized": "answers TransactionStatus Authorized, then the truth",
    "query_pending": "answers TransactionStatus Pending Authorized, then the truth",
    "query_odd_status": "answers a TransactionStatus nobody documented, then the truth",
    "query_unknown": "answers as for an id never seen, then the truth",
    "query_twice": "the answering callback comes twice",
    "query_malformed": "the answering callback is cut in the middle",
    "query_repeated_keys": "DebitPartyName stands twice, as in the official sample",
    "query_strings": "codes as strings",
}
_TOKEN_FAULTS = {
    "token_empty_400": "the token endpoint answers 400 with an empty body",
    "token_empty_401": "the token endpoint answers 401 with an empty body",
    "token_too_many_requests": "the token endpoint answers 429 with the fault envelope",
    "token_server_error": "the token endpoint answers 500",
    "token_html": "the token endpoint answers 502 with an HTML page",
    "token_garbage": "the token endpoint answers 200 with bytes that are not JSON",
    "token_lost": "the token endpoint closes the connection",
    "token_number": "expires_in as a number",
}


def _all(dimension: Dimension, faults: Mapping[str, str], unit: str = "") -> list[RailFault]:
    return [RailFault(name, dimension, does, unit=unit) for name, does in faults.items()]


FAULTS: Mapping[str, RailFault] = {
    fault.name: fault
    for fault in [
        *_all(D.GATE, _GATE_FAULTS, TIMES),
        *_all(D.ANSWER, _ANSWER_FAULTS),
        RailFault("answer_slow", D.ANSWER, "accepted; the answer waits", 20.0, _SECONDS),
        RailFault("answer_drip", D.ANSWER, "accepted; one byte at a time", 1.0, "seconds per byte"),
        RailFault("answer_huge", D.ANSWER, "accepted; padded answer", 100_000, "bytes of padding"),
        RailFault("never_settles", D.OUTCOME, "accepted; stays Initiated, no result ever"),
        RailFault("settle_late", D.SETTLING, "accepted; Initiated for a while", 10.0, _SECONDS),
        *_all(D.CALLBACK, _CALLBACK_FAULTS),
        RailFault(
            "callback_times", D.CALLBACK, "the same result many times at once", 50, "deliveries"
        ),
        RailFault("callback_late", D.CALLBACK, "the result comes late", 30.0, _SECONDS),
        RailFault("callback_huge", D.CALLBACK, "the only result is padded", 2_000_000, "bytes"),
        *_all(D.STYLE, _STYLE_FAULTS),
        RailFault("notice_flat", D.NOTICE, "time-out notice: the original request"),
        RailFault("notice_envelope", D.NOTICE, "time-out notice: a Result envelope"),
        RailFault("notice_garbage", D.NOTICE, "time-out notice: bytes that are not JSON"),
        RailFault("duplicate_in_200", D.DUPLICATE, 'a repeat gets 200 with ResponseCode "1"'),
        RailFault("duplicate_async", D.DUPLICATE, "a repeat is accepted, then ResultCode 15"),
        *_all(D.QUERY, _QUERY_FAULTS, TIMES),
        RailFault("query_late", D.QUERY, "the answering callback comes late", 30.0, _SECONDS),
        RailFault("query_slow", D.QUERY, "the synchronous answer waits", 20.0, _SECONDS),
        *_all(D.TOKEN, _TOKEN_FAULTS),
        RailFault("token_slow", D.TOKEN, "the token endpoint waits", 20.0, _SECONDS),
        RailFault("token_short", D.TOKEN, "a token that lives briefly", 1.0, _SECONDS),
    ]
}

# A code is part of these names: fail_2001, fail_SFC_IC0003, refuse_26, query_fail_21.
FAMILIES: Mapping[str, RailFault] = {
    "query_fail_": RailFault(
        "query_fail_", D.QUERY, "the query ends with this ResultCode", 1, TIMES
    ),
    "refuse_": RailFault("refuse_", D.GATE, "200 with this ResponseCode; not accepted", 1, TIMES),
    "fail_": RailFault("fail_", D.OUTCOME, "the payment ends with this ResultCode; no money moves"),
}

# Names for what goes together.
ALIASES: Mapping[str, str] = {
    "internal_error_moved": "internal_error_after",
    "internal_error_not_moved": "internal_error_after+fail_17+callback_never",
    "bad_gateway_moved": "bad_gateway_after",
    "bad_gateway_not_moved": "bad_gateway_after+fail_17+callback_never",
    "answer_lost_not_moved": "answer_lost_after+fail_17+callback_never",
    "queue_timeout_flat": "notice_flat+fail_1019+callback_never",
    "queue_timeout_flat_moved": "notice_flat+callback_never",
    "queue_timeout_flat_then_success": "notice_flat+settle_late:1",
    "queue_timeout_flat_then_failure": "notice_flat+settle_late:1+fail_1",
    "queue_timeout_envelope": "notice_envelope+fail_1019+callback_never",
    "queue_timeout_envelope_moved": "notice_envelope+callback_never",
    "queue_timeout_envelope_then_success": "notice_envelope+settle_late:1",
    "queue_timeout_envelope_then_failure": "notice_envelope+settle_late:1+fail_1",
    "silence": "answer_lost_after+callback_never",
}

# Phone numbers 2547000xxNNN: the last three digits choose. Numbers not listed are paid plainly.
TEST_NUMBERS: Mapping[str, str] = {
    "101": "answer_lost_after",
    "102": "answer_lost_before",
    "103": "answer_slow",
    "104": "answer_drip",
    "105": "answer_reset_midway",
    "106": "answer_reset_after",
    "107": "answer_truncated",
    "108": "answer_garbage",
    "109": "answer_empty",
    "110": "answer_html",
    "111": "answer_huge",
    "112": "answer_no_code",
    "113": "silence",
    "114": "answer_lost_not_moved",
    "201": "internal_error_moved",
    "202": "internal_error_not_moved",
    "203": "internal_error_unseen",
    "204": "maintenance_unseen",
    "205": "duplicate_after",
    "206": "bad_gateway_moved",
    "207": "bad_gateway_not_moved",
    "208": "bad_gateway_unseen",
    "209": "unavailable_after",
    "210": "error_in_200_after",
    "211": "too_many_requests",
    "212": "spike_arrest",
    "213": "spike_arrest_429",
    "214": "token_expired_401",
    "215": "token_expired_404",
    "216": "token_expired_400",
    "217": "refuse_26",
    "218": "refuse_100000001",
    "219": "spike_arrest_in_200",
    "301": "callback_never",
    "302": "callback_twice",
    "303": "callback_times",
    "304": "callback_late",
    "305": "callback_early",
    "306": "callback_wrong_amount",
    "307": "callback_wrong_payee",
    "308": "callback_malformed",
    "309": "callback_forged_failure",
    "310": "callback_contradicting",
    "311": "callback_wrong_secret",
    "312": "callback_gateway_id",
    "313": "callback_unknown_id",
    "314": "callback_forged_success+fail_1",
    "315": "callback_huge",
    "316": "style_strings",
    "321": "queue_timeout_flat",
    "322": "queue_timeout_flat_moved",
    "323": "queue_timeout_flat_then_success",
    "324": "queue_timeout_flat_then_failure",
    "331": "queue_timeout_envelope",
    "332": "queue_timeout_envelope_moved",
    "333": "queue_timeout_envelope_then_success",
    "334": "queue_timeout_envelope_then_failure",
    "401": "fail_1",
    "402": "fail_2",
    "403": "fail_3",
    "404": "fail_4",
    "405": "fail_8",
    "406": "fail_11",
    "407": "fail_12",
    "408": "fail_15",
    "409": "fail_17",
    "410": "fail_21",
    "411": "fail_26",
    "412": "fail_1019",
    "413": "fail_2001",
    "414": "fail_2006",
    "415": "fail_2028",
    "416": "fail_2040",
    "417": "fail_8006",
    "418": "fail_SFC_IC0003",
    "419": "fail_77777",
    "420": "fail_1+style_object",
    "421": "fail_1+style_strings",
    "422": "fail_1+style_generic_receipt",
    "501": "callback_never+query_lost",
    "502": "callback_never+query_pending",
    "503": "callback_never+query_unknown",
    "504": "callback_never+query_queue_timeout",
    "505": "callback_never+query_answer_lost",
    "506": "callback_never+query_fail_21",
    "507": "callback_never+fail_1",
    "508": "callback_never+settle_late",
    "509": "never_settles",
    "601": "duplicate_in_200+silence",
    "602": "duplicate_async+silence",
}
