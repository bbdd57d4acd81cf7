"""Faults of the synchronous answer: refused before acceptance, or accepted and spoilt."""

import http.client
import json
import time

import pytest
import requests

from pettycash.lab.simulators.mpesa import catalogue
from pettycash.lab.simulators.mpesa.catalogue import Dimension
from tests.lab.simulators.daraja import Daraja, Paid, settled_quietly
from tests.patience import budget

# name: HTTP status and a piece of the body; None where no answer comes
GATES: dict[str, tuple[int, str] | None] = {
    "answer_lost_before": None,
    "answer_reset_before": None,
    "too_many_requests": (429, "policies.ratelimit.SpikeArrestViolation"),
    "spike_arrest": (500, '"500.003.02"'),
    "spike_arrest_429": (429, '"500.003.02"'),
    "spike_arrest_in_200": (200, '"500.003.02"'),
    "system_busy": (500, "System is busy"),
    "quota_violation": (500, '"500.003.03"'),
    "internal_error_unseen": (500, "System internal error."),
    "maintenance_unseen": (500, "Service is currently under maintenance"),
    "duplicate_unseen": (500, "Duplicate OriginatorConversationID."),
    "internal_error_500_001": (500, '"500.001.1001"'),
    "internal_error_500_003": (500, '"500.003.1001"'),
    "bad_gateway_unseen": (502, "<html>"),
    "unavailable_unseen": (503, ""),
    "token_expired_401": (401, '"401.002.01"'),
    "token_expired_404": (404, '"404.001.03"'),
    "token_expired_400": (400, '"400.003.01"'),
    "token_wrong_environment": (401, '"401.003.01"'),
    "no_api_product": (401, "Invalid API call as no apiproduct match found"),
    "forbidden": (403, ""),
    "bad_request": (400, '"400.003.02"'),
    "refuse_26": (200, '"ResponseCode": "26"'),
    "refuse_100000001": (200, '"ResponseCode": "100000001"'),
    "refuse_SFC_IC0003": (200, '"ResponseCode": "SFC_IC0003"'),
}
ANSWERS: dict[str, tuple[int, str] | None] = {
    "answer_lost_after": None,
    "answer_reset_after": None,
    "answer_reset_midway": None,
    "answer_truncated": None,
    "internal_error_after": (500, "System internal error."),
    "maintenance_after": (500, "Service is currently under maintenance"),
    "duplicate_after": (500, "Duplicate OriginatorConversationID."),
    "error_in_200_after": (200, '"errorCode": "500.002.1001"'),
    "bad_gateway_after": (502, "<html>"),
    "gateway_timeout_after": (504, "<html>"),
    "unavailable_after": (503, ""),
    "answer_empty": (200, ""),
    "answer_garbage": (200, "AG_"),
    "answer_html": (200, "<html>"),
    "answer_no_code": (200, "{}"),
    "answer_slow:0.3": (200, '"ResponseCode": "0"'),
    "answer_drip:0.001": (200, '"ResponseCode": "0"'),
    "answer_huge": (200, '"ResponseCode": "0"'),
}


def _is_as_told(paid: Paid, expected: tuple[int, str] | None) -> None:
    if expected is None:
        assert isinstance(
            paid.error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError
        )
        return
    assert paid.answer is not None
    assert paid.answer.status_code == expected[0]
    assert expected[1] in paid.answer.content.decode(errors="replace")
    if expected[1] == "":
        assert paid.answer.content == b""


def test_every_fault_of_an_answer_has_a_row_here() -> None:
    for dimension, rows in ((Dimension.GATE, GATES), (Dimension.ANSWER, ANSWERS)):
        names = {fault.name for fault in catalogue.FAULTS.values() if fault.dimension is dimension}
        told = {name.partition(":")[0] for name in rows if not name.startswith("refuse_")}
        assert told == names


@pytest.mark.parametrize("name", GATES)
def test_refused_before_acceptance_moves_nothing_and_the_id_stays_free(
    client: Daraja, name: str
) -> None:
    client.get_token()
    paid = client.pay(scenario=name)

    _is_as_told(paid, GATES[name])
    assert paid.movements == []
    assert paid.status == "never seen"
    if name.startswith(("token_expired", "token_wrong")):
        refused = paid.again()
        assert refused.json["errorCode"] == "401.002.01"  # the token really died
        client.get_token()
    assert paid.again().json["ResponseCode"] == "0"
    assert len(paid.movements) == 1


@pytest.mark.parametrize("name", ANSWERS)
def test_accepted_and_spoilt_moves_money_and_calls_back(client: Daraja, name: str) -> None:
    paid = client.pay(scenario=name)

    _is_as_told(paid, ANSWERS[name])
    assert len(paid.movements) == 1
    assert paid.status == "Completed"
    [delivery] = paid.results()
    assert delivery.result["ResultCode"] == 0
    assert paid.again().json["errorCode"] == "500.002.1001"
    assert len(paid.movements) == 1


@pytest.mark.parametrize(
    "name",
    [
        "internal_error_not_moved",
        "bad_gateway_not_moved",
        "answer_lost_not_moved",
        "answer_lost_after+fail_1",
    ],
)
def test_accepted_spoilt_and_no_money_moved(client: Daraja, name: str) -> None:
    paid = client.pay(scenario=name)

    settled_quietly(client, paid)
    assert paid.movements == []
    assert paid.status in ("Cancelled", "Declined")
    assert len(paid.results(0)) == (1 if name.endswith("fail_1") else 0)
    assert paid.again().json["errorCode"] == "500.002.1001"


@pytest.mark.parametrize("name", ["internal_error_moved", "bad_gateway_moved"])
def test_accepted_spoilt_and_money_moved(client: Daraja, name: str) -> None:
    paid = client.pay(scenario=name)

    assert paid.answer is not None
    assert paid.answer.status_code in (500, 502)
    assert len(paid.movements) == 1
    assert len(paid.results()) == 1


def test_a_slow_answer_is_slow(client: Daraja) -> None:
    began = time.monotonic()
    paid = client.pay(scenario="answer_slow:5", read_timeout=0.4)

    assert isinstance(paid.error, requests.ReadTimeout)
    assert time.monotonic() - began < budget(2)
    assert len(paid.movements) == 1


def test_a_drip_outlives_every_single_read(client: Daraja) -> None:
    began = time.monotonic()
    paid = client.pay(scenario="answer_drip:0.004", read_timeout=0.2)

    assert paid.json["ResponseCode"] == "0"
    assert time.monotonic() - began > 0.8


def test_a_huge_answer_is_huge(client: Daraja) -> None:
    paid = client.pay(scenario="answer_huge:100000")

    assert paid.answer is not None
    assert len(paid.answer.content) > 100_000


@pytest.mark.parametrize(
    ("name", "error"),
    [("answer_lost_before", "RemoteDisconnected"), ("answer_reset_before", "ConnectionResetError")],
)
def test_a_lost_answer_and_a_reset_differ(client: Daraja, name: str, error: str) -> None:
    client.get_token()
    host = client.simulator.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=5)
    connection.request(
        "POST",
        "/mpesa/b2c/v3/paymentrequest",
        json.dumps(client.payment_body()),
        {"Authorization": f"Bearer {client.token}", "X-Sim-Scenario": name},
    )

    with pytest.raises(OSError) as caught:
        connection.getresponse()
    connection.close()

    assert type(caught.value).__name__ == error


def test_a_reset_midway_had_sent_half(client: Daraja) -> None:
    client.get_token()
    host = client.simulator.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=5)
    connection.request(
        "POST",
        "/mpesa/b2c/v3/paymentrequest",
        json.dumps(client.payment_body()),
        {"Authorization": f"Bearer {client.token}", "X-Sim-Scenario": "answer_reset_midway"},
    )

    answer = connection.getresponse()
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        answer.read()
    connection.close()

    assert answer.status == 200


TOKENS: dict[str, tuple[int, str] | None] = {
    "token_empty_400": (400, ""),
    "token_empty_401": (401, ""),
    "token_too_many_requests": (429, "SpikeArrestViolation"),
    "token_server_error": (500, '"500.001.1001"'),
    "token_html": (502, "<html>"),
    "token_garbage": (200, '{"access_token": "c9SQxWW'),
    "token_lost": None,
    "token_number": (200, '"expires_in": 3599'),
    "token_slow:0.3": (200, '"expires_in": "3599"'),
    "token_short:1": (200, '"expires_in": "1"'),
}


def test_every_fault_of_the_token_endpoint_has_a_row_here() -> None:
    names = {
        fault.name for fault in catalogue.FAULTS.values() if fault.dimension is Dimension.TOKEN
    }
    assert {name.partition(":")[0] for name in TOKENS} == names


@pytest.mark.parametrize("name", TOKENS)
def test_the_token_endpoint_misbehaves(client: Daraja, name: str) -> None:
    expected = TOKENS[name]
    url = f"{client.simulator.url}/oauth/v1/generate?grant_type=client_credentials"
    began = time.monotonic()
    try:
        answer = requests.get(
            url,
            auth=("sim-consumer-key", "sim-consumer-secret"),
            headers={"X-Sim-Scenario": name},
            timeout=5,
        )
    except requests.ConnectionError:
        assert expected is None
        return

    assert expected is not None
    assert (answer.status_code, answer.text == "") == (expected[0], expected[1] == "")
    assert expected[1] in answer.text
    if name.startswith("token_slow"):
        assert time.monotonic() - began >= 0.3
    client.token = ""


def test_a_short_token_dies_soon(client: Daraja) -> None:
    client.get_token(**{"X-Sim-Scenario": "token_short:1"})
    assert client.pay().json["ResponseCode"] == "0"
    time.sleep(1.1)

    assert client.pay().json["errorCode"] == "404.001.03"
    client.get_token()


def test_a_duplicate_in_200(client: Daraja) -> None:
    paid = client.pay(scenario="duplicate_in_200")

    assert paid.json["ResponseCode"] == "0"
    told = paid.again().json
    assert told["ResponseCode"] == "1"
    assert told["ResponseDescription"] == "Duplicate OriginatorConversationID."
    assert len(paid.movements) == 1


def test_a_duplicate_that_is_told_asynchronously(client: Daraja) -> None:
    paid = client.pay()
    paid.results()

    told = paid.again(scenario="duplicate_async").json

    assert told["ResponseCode"] == "0"
    assert told["ConversationID"] != paid.json["ConversationID"]
    second = paid.results(2)[1].result
    assert second["ResultCode"] == 15
    assert second["OriginatorConversationID"] == paid.reference
    assert second["ConversationID"] == told["ConversationID"]
    assert "ResultParameters" not in second
    assert len(paid.movements) == 1
    assert paid.status == "Completed"


def test_an_unknown_scenario_is_said_and_nothing_happens(client: Daraja) -> None:
    for name in (
        "nonsense",
        "answer_slow:x",
        "answer_slow+answer_drip",
        "fail_0",
        "answer_slow:-1",
    ):
        paid = client.pay(scenario=name)

        assert paid.json["errorCode"] == "sim.unknown_scenario"
        assert paid.status == "never seen"
