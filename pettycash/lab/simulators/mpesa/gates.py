"""Refusals before acceptance, on demand: nothing is registered and no money moves."""

from collections.abc import Callable, Mapping

from pettycash.lab.simulators.mpesa import codes, identifiers
from pettycash.lab.simulators.mpesa.answers import (
    Answer,
    Delivery,
    accepted,
    html_page,
    nothing,
    refusal,
    spike_arrest,
    spike_fault,
)

# The faults after which the bearer token really is dead: a repeat needs a new one.
KILLS_TOKEN = frozenset(
    {"token_expired_401", "token_expired_404", "token_expired_400", "token_wrong_environment"}
)

NO_API_PRODUCT = "Invalid API call as no apiproduct match found"

_GATES: Mapping[str, Callable[[], Answer]] = {
    "answer_lost_before": lambda: nothing(Delivery.LOST),
    "answer_reset_before": lambda: nothing(Delivery.RESET),
    "too_many_requests": spike_fault,
    "spike_arrest": spike_arrest,
    "spike_arrest_429": lambda: spike_arrest(status=429),
    "spike_arrest_in_200": lambda: spike_arrest(status=200),
    "system_busy": lambda: refusal(
        500, "500.003.02", "System is busy. Please try again in few minutes."
    ),
    "quota_violation": lambda: refusal(500, "500.003.03", "Quota Violation"),
    "internal_error_unseen": lambda: refusal(500, "500.002.1001", "System internal error."),
    "maintenance_unseen": lambda: refusal(
        500, "500.002.1001", "Service is currently under maintenance"
    ),
    "duplicate_unseen": lambda: refusal(500, "500.002.1001", "Duplicate OriginatorConversationID."),
    "internal_error_500_001": lambda: refusal(500, "500.001.1001", "Internal Server Error"),
    "internal_error_500_003": lambda: refusal(500, "500.003.1001", "Internal Server Error"),
    "bad_gateway_unseen": lambda: html_page(502, "Bad Gateway"),
    "unavailable_unseen": lambda: Answer(503, b""),
    "token_expired_401": lambda: refusal(
        401, "401.002.01", "Error Occurred - Invalid Access Token - mqQTv8"
    ),
    "token_expired_404": lambda: refusal(404, "404.001.03", "Invalid Access Token"),
    "token_expired_400": lambda: refusal(400, "400.003.01", "Invalid Access Token"),
    "token_wrong_environment": lambda: refusal(401, "401.003.01", "Invalid Access Token"),
    "no_api_product": lambda: Answer(401, NO_API_PRODUCT.encode(), "text/plain"),
    "forbidden": lambda: Answer(403, b""),
    "bad_request": lambda: refusal(400, "400.003.02", "Bad Request"),
}

NAMES = frozenset(_GATES)


def answer(name: str) -> Answer:
    """The refusal called `name`; `KeyError` where there is none."""
    return _GATES[name]()


def refuse_with_code(code: str, *, originator_id: str) -> Answer:
    """HTTP 200 with a `ResponseCode` other than "0": the core system did not accept."""
    return accepted(
        conversation_id=identifiers.conversation_id(identifiers.now()),
        originator_id=originator_id,
        code=code,
        text=codes.result_text(code),
    )


def duplicate_in_200(*, originator_id: str) -> Answer:
    """The other synchronous form of a duplicate (section 14)."""
    return accepted(
        conversation_id=identifiers.conversation_id(identifiers.now()),
        originator_id=originator_id,
        code="1",
        text="Duplicate OriginatorConversationID.",
    )
