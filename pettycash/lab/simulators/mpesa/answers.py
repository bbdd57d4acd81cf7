"""Answers to one HTTP call, and the ways in which an answer goes wrong on its way."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from pettycash.lab.simulators.mpesa import identifiers

JSON = "application/json"
HTML = "text/html; charset=UTF-8"


class Delivery(StrEnum):
    """How the bytes of an answer reach the client, if they do."""

    NORMAL = "normal"
    LOST = "lost"  # the connection closes without a byte
    RESET = "reset"  # the connection is reset without a byte
    RESET_MIDWAY = "reset_midway"  # headers, half the body, reset
    TRUNCATED = "truncated"  # headers, half the body, an orderly close
    DRIP = "drip"  # one byte at a time


@dataclass(frozen=True)
class Answer:
    """One answer. `wait_seconds`: before the first byte; while dripping, between two bytes."""

    status: int
    body: bytes
    content_type: str = JSON
    delivery: Delivery = Delivery.NORMAL
    wait_seconds: float = 0.0
    callback_first: int | None = None  # the callback to deliver before this answer leaves


def of_json(payload: object, *, status: int = 200) -> Answer:
    return Answer(status, json.dumps(payload).encode())


def refusal(status: int, code: str, message: str) -> Answer:
    """The gateway's own error envelope (section 3.2)."""
    return of_json(
        {"requestId": identifiers.request_id(), "errorCode": code, "errorMessage": message},
        status=status,
    )


def invalid_field(field: str) -> Answer:
    return refusal(400, "400.002.02", f"Bad Request - Invalid {field}")


def invalid_payload() -> Answer:
    return refusal(400, "400.002.05", "Invalid Request Payload")


def accepted(
    *, conversation_id: str, originator_id: str, code: str = "0", text: str = ""
) -> Answer:
    """The synchronous answer of every asynchronous API (section 3.2)."""
    return of_json(
        {
            "ConversationID": conversation_id,
            "OriginatorConversationID": originator_id,
            "ResponseCode": code,
            "ResponseDescription": text or "Accept the service request successfully.",
        }
    )


def duplicate() -> Answer:
    return refusal(500, "500.002.1001", "Duplicate OriginatorConversationID.")


def spike_fault() -> Answer:
    """The gateway's other error envelope: refused before the backend saw anything."""
    return of_json(
        {
            "fault": {
                "faultstring": "Spike arrest violation. Allowed rate : MessageRate"
                "{messagesPerPeriod=5, periodInMicroseconds=60000000, maxBurstMessageCount=1.0}",
                "detail": {"errorcode": "policies.ratelimit.SpikeArrestViolation"},
            }
        },
        status=429,
    )


def spike_arrest(*, status: int = 500) -> Answer:
    return refusal(status, "500.003.02", "Error Occurred: Spike Arrest Violation")


def html_page(status: int, title: str) -> Answer:
    page = f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n<center><h1>"
    page += (
        f"{status} {title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Answer(status, page.encode(), HTML)


def nothing(delivery: Delivery) -> Answer:
    """No answer at all; 499 is what the simulator writes into its own record of requests."""
    return Answer(499, b"", delivery=delivery)


# What each name does to the answer of a request that was accepted; `number` is its argument.
_SYSTEM_ERROR = ("500.002.1001", "System internal error.")
_REPLACEMENTS: Mapping[str, Answer] = {
    "bad_gateway_after": html_page(502, "Bad Gateway"),
    "gateway_timeout_after": html_page(504, "Gateway Time-out"),
    "unavailable_after": Answer(503, b""),
    "answer_empty": Answer(200, b""),
    "answer_garbage": Answer(200, b'{"ConversationID": "AG_2024\x00\xff\xfe, "Respon'),
    "answer_html": replace(html_page(200, "OK"), content_type=HTML),
    "answer_no_code": of_json({}),
}
_DELIVERIES: Mapping[str, Delivery] = {
    "answer_lost_after": Delivery.LOST,
    "answer_reset_after": Delivery.RESET,
    "answer_reset_midway": Delivery.RESET_MIDWAY,
    "answer_truncated": Delivery.TRUNCATED,
    "answer_drip": Delivery.DRIP,
}


def spoil(name: str, number: float, answer: Answer) -> Answer:
    """The answer of an accepted request as the fault `name` leaves it.

    Raises:
        KeyError: no such fault of answers.
    """
    if name in _DELIVERIES:
        wait = number if name == "answer_drip" else 0.0
        return replace(answer, delivery=_DELIVERIES[name], wait_seconds=wait)
    if name == "answer_slow":
        return replace(answer, wait_seconds=number)
    if name == "answer_huge":
        padding = b" " * int(number)
        return replace(answer, body=answer.body[:-1] + padding + answer.body[-1:])
    if name == "internal_error_after":
        return refusal(500, *_SYSTEM_ERROR)
    if name == "maintenance_after":
        return refusal(500, "500.002.1001", "Service is currently under maintenance")
    if name == "duplicate_after":
        return duplicate()
    if name == "error_in_200_after":
        return replace(refusal(500, *_SYSTEM_ERROR), status=200)
    return _REPLACEMENTS[name]
