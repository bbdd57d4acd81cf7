"""Each synchronous answer of the reference by its class; what is not listed proves nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pettycash.gateways.base import OutcomeKind
from pettycash.gateways.kit.http import RailAnswer
from pettycash.gateways.mpesa import MpesaConfig
from pettycash.gateways.mpesa.answers import SyncAnswer, read_answer
from pettycash.gateways.mpesa.codes import UNKNOWN, CodeMeaning

NOT_SENT, ACCEPTED, REJECTED, IN_DOUBT = (
    OutcomeKind.NOT_SENT,
    OutcomeKind.ACCEPTED,
    OutcomeKind.REJECTED,
    OutcomeKind.IN_DOUBT,
)
CONFIG = MpesaConfig()


def read(
    status: int, body: bytes | dict[str, Any], content_type: str = "application/json"
) -> SyncAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = RailAnswer(status=status, body=raw, content_type=content_type, elapsed_ms=1)
    return read_answer(answer, CONFIG)


def error(code: str, message: str) -> dict[str, str]:
    return {"requestId": "11728-2929992-1", "errorCode": code, "errorMessage": message}


def accepted(code: str = "0", description: str = "Accept the service request successfully.") -> Any:
    return {
        "ConversationID": "AG_20240706_20106e9209f64bebd05b",
        "OriginatorConversationID": "600997_Test_32et3241ed8yu",
        "ResponseCode": code,
        "ResponseDescription": description,
    }


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (400, "400.002.02", "Bad Request - Invalid Amount", REJECTED),
        (400, "400.002.02", "Bad Request - Invalid PartyB", REJECTED),
        (400, "400.002.05", "Invalid Request Payload", REJECTED),
        (400, "400.003.01", "Invalid Access Token", NOT_SENT),
        (400, "400.003.02", "Bad Request", REJECTED),
        (400, "400.008.01", "Invalid Authentication passed", NOT_SENT),
        (400, "400.008.02", "Invalid grant type passed", NOT_SENT),
        (401, "401.002.01", "Error Occurred - Invalid Access Token - mqQTv8", NOT_SENT),
        (401, "401.003.01", "invalid token", NOT_SENT),
        (403, "403", "Forbidden", REJECTED),
        (404, "404.001.01", "Resource not found", REJECTED),
        (404, "404.001.03", "Invalid Access Token", NOT_SENT),
        (404, "404.001.04", "Invalid Authentication Header", REJECTED),
        (404, "404.002.01", "Resource not found", REJECTED),
        (404, "404.003.01", "Resource not found", REJECTED),
        (405, "405.001", "Method Not Allowed", REJECTED),
        (500, "500.001.1001", "Internal Server Error", IN_DOUBT),
        (500, "500.001.1001", "The transaction is being processed", IN_DOUBT),
        (500, "500.002.1001", "Duplicate OriginatorConversationID.", IN_DOUBT),
        (500, "500.002.1001", "System internal error.", IN_DOUBT),
        (500, "500.002.1001", "Service is currently under maintenance", IN_DOUBT),
        (500, "500.003.02", "Error Occurred: Spike Arrest Violation", NOT_SENT),
        (429, "500.003.02", "System is busy. Please try again in few minutes.", NOT_SENT),
        (500, "500.003.03", "Quota Violation", NOT_SENT),
        (500, "500.003.1001", "Internal Server Error", IN_DOUBT),
        # unlisted: whatever the status says
        (400, "400.009.99", "Something new", IN_DOUBT),
        (401, "401.999.01", "Something new", IN_DOUBT),
        (404, "404.777.01", "Something new", IN_DOUBT),
        (500, "500.004.01", "Something new", IN_DOUBT),
        (503, "503.001", "Something new", IN_DOUBT),
        (403, "500.002.9", "Something new", IN_DOUBT),
    ],
)
def test_error_codes(status: int, code: str, message: str, kind: OutcomeKind) -> None:
    answer = read(status, error(code, message))

    assert answer.verdict.kind is kind
    assert (answer.code, answer.message) == (code, message)


@pytest.mark.parametrize("status", [200, 400, 401, 404, 500])
def test_the_error_code_counts_and_the_status_does_not(status: int) -> None:
    assert read(status, error("404.001.03", "Invalid Access Token")).verdict.new_token
    assert (
        read(status, error("400.002.02", "Bad Request - Invalid Amount")).verdict.kind is REJECTED
    )
    assert read(status, error("500.002.1001", "x")).verdict.kind is IN_DOUBT


@pytest.mark.parametrize(
    ("code", "new_token"),
    [
        ("400.003.01", True),
        ("401.002.01", True),
        ("404.001.03", True),
        ("401.003.01", False),
        ("404.001.01", False),
        ("500.003.02", False),
    ],
)
def test_only_expired_and_replaced_tokens_ask_for_a_new_one(code: str, new_token: bool) -> None:
    assert read(401, error(code, "x")).verdict.new_token is new_token


@pytest.mark.parametrize("code", sorted(CONFIG.error_codes))
def test_a_duplicate_is_in_doubt_under_every_error_code(code: str) -> None:
    answer = read(500, error(code, "Duplicate OriginatorConversationID."))

    assert answer.verdict == UNKNOWN


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("0", ACCEPTED),
        ("1", IN_DOUBT),
        ("15", IN_DOUBT),
        ("17", IN_DOUBT),
        ("26", NOT_SENT),
        ("2001", IN_DOUBT),
        ("100000000", IN_DOUBT),
        ("100000001", NOT_SENT),
        ("100000002", NOT_SENT),
        ("100000004", IN_DOUBT),
        ("100000005", REJECTED),
        ("100000007", IN_DOUBT),
        ("100000009", IN_DOUBT),
        ("100000010", REJECTED),
        ("100000011", NOT_SENT),
        ("4711", IN_DOUBT),
        ("00", ACCEPTED),
        ("0 ", ACCEPTED),
        ("026", IN_DOUBT),
        ("0.0", IN_DOUBT),
        ("", IN_DOUBT),
    ],
)
def test_response_codes(code: str, kind: OutcomeKind) -> None:
    assert read(200, accepted(code, "as it says")).verdict.kind is kind


def test_response_codes_as_numbers() -> None:
    assert read(200, accepted() | {"ResponseCode": 0}).verdict.kind is ACCEPTED
    assert read(200, accepted() | {"ResponseCode": 26}).verdict.kind is NOT_SENT
    assert read(200, accepted() | {"ResponseCode": False}).verdict.kind is IN_DOUBT
    assert read(200, accepted() | {"ResponseCode": 0.0}).verdict.kind is IN_DOUBT


def test_acceptance_brings_both_ids() -> None:
    answer = read(200, accepted())

    assert answer.conversation_id == "AG_20240706_20106e9209f64bebd05b"
    assert answer.originator_id == "600997_Test_32et3241ed8yu"


@pytest.mark.parametrize("code", ["1", "0", "26", "100000005"])
def test_a_duplicate_under_a_response_code_is_in_doubt(code: str) -> None:
    answer = read(200, accepted(code, "Duplicate OriginatorConversationID."))

    assert answer.verdict == UNKNOWN


def test_a_plain_validation_message_under_an_unlisted_response_code_is_a_refusal() -> None:
    assert read(200, accepted("77", "Bad Request - Invalid Remarks")).verdict.kind is REJECTED
    assert read(200, accepted("77", "The service failed on Invalid Remarks")).verdict == UNKNOWN


@pytest.mark.parametrize("status", [302, 400, 500, 502])
def test_an_acceptance_with_the_status_of_an_error_is_in_doubt(status: int) -> None:
    assert read(status, accepted()).verdict.kind is IN_DOUBT


@pytest.mark.parametrize("code", ["400.002.02", 400, ["400.002.02"], {}, " ", "x" * 100])
def test_an_acceptance_with_an_error_code_contradicts_itself(code: Any) -> None:
    answer = read(200, accepted() | {"errorCode": code, "errorMessage": "Bad Request"})

    assert answer.verdict.kind is IN_DOUBT


@pytest.mark.parametrize("code", [None, ""])
def test_an_error_code_without_a_word_is_none(code: Any) -> None:
    assert read(200, accepted() | {"errorCode": code}).verdict.kind is ACCEPTED


SPIKE = {
    "fault": {
        "faultstring": "Spike arrest violation. Allowed rate : MessageRate{capacity=5}",
        "detail": {"errorcode": "policies.ratelimit.SpikeArrestViolation"},
    }
}


@pytest.mark.parametrize("status", [429, 500])
def test_the_fault_envelope_of_the_rate_limit(status: int) -> None:
    answer = read(status, SPIKE)

    assert answer.verdict == CodeMeaning(NOT_SENT, throttled=True)
    assert answer.code == "policies.ratelimit.SpikeArrestViolation"


@pytest.mark.parametrize(
    "fault",
    [
        {"faultstring": "x", "detail": {"errorcode": "messaging.adaptors.http.GatewayTimeout"}},
        {"faultstring": "x", "detail": "policies.ratelimit.SpikeArrestViolation"},
        {"faultstring": "Spike arrest violation."},
        "policies.ratelimit.SpikeArrestViolation",
        [],
    ],
)
def test_other_faults_are_in_doubt(fault: object) -> None:
    assert read(429, {"fault": fault}).verdict.kind is IN_DOUBT


NO_PRODUCT = "Invalid API call as no apiproduct match found"


@pytest.mark.parametrize(
    "body",
    [
        NO_PRODUCT.encode(),
        {"fault": {"faultstring": NO_PRODUCT, "detail": {"errorcode": "keymanagement.x"}}},
        error("401.001.99", NO_PRODUCT),
    ],
)
def test_an_app_without_the_product_is_refused(body: Any) -> None:
    assert read(401, body).verdict == CodeMeaning(REJECTED, configuration_fault=True)
    assert read(500, body).verdict.kind is IN_DOUBT


@pytest.mark.parametrize("body", [b"", b"<html>Forbidden</html>", {}, {"fault": {}}])
def test_an_address_that_is_blocked_is_refused(body: Any) -> None:
    assert read(403, body).verdict == CodeMeaning(REJECTED, configuration_fault=True)


@pytest.mark.parametrize(
    "status", [200, 201, 204, 301, 307, 400, 401, 404, 408, 429, 500, 502, 504]
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"<html><body><h1>502 Bad Gateway</h1></body></html>",
        b'{"ResponseCode": "0"',
        b'{"ResponseCode": "0", "ResponseCode": "1"}',
        b'[{"ResponseCode": "0"}]',
        b'"0"',
        b"null",
        b"{}",
        b"\xff\xfe\x00",
        b'{"ResponseCode": null, "errorCode": null}',
        b'{"ResponseCode": ["0"]}',
    ],
)
def test_gateway_garbage_is_in_doubt(status: int, body: bytes) -> None:
    answer = read(status, body, "text/html")

    assert answer.verdict.kind is IN_DOUBT
    assert answer.code == f"http.{status}"


def test_the_table_is_configuration() -> None:
    config = MpesaConfig(error_codes={"499.1": CodeMeaning(NOT_SENT)})
    body = json.dumps(error("499.1", "x")).encode()
    answer = RailAnswer(status=499, body=body, content_type="", elapsed_ms=0)

    assert read_answer(answer, config).verdict.kind is NOT_SENT


@given(st.integers(100, 599), st.binary(max_size=200))
def test_bytes_at_random_never_raise_and_never_accept(status: int, body: bytes) -> None:
    assert read(status, body).verdict.kind in (IN_DOUBT, REJECTED)


@given(
    st.dictionaries(
        st.sampled_from(["errorCode", "ResponseCode", "fault", "errorMessage", "ConversationID"]),
        st.none()
        | st.integers()
        | st.text(max_size=5)
        | st.sampled_from(["0", "26", "400.002.02", "500.002.1001", "Duplicate"])
        | st.lists(st.integers(), max_size=2),
    )
)
@example({"ResponseCode": 10**5000})
def test_objects_at_random_accept_only_with_a_plain_zero(body: dict[str, Any]) -> None:
    try:
        raw = json.dumps(body).encode()
    except ValueError:
        raw = b'{"ResponseCode": 1' + b"0" * 5000 + b"}"
    answer = read(200, raw)

    if answer.verdict.kind is ACCEPTED:
        assert str(body["ResponseCode"]).strip() == "0"
        assert body.get("errorCode") in (None, "")
