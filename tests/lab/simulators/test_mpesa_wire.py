"""The wire: token, order of checks, fields, identifiers, the plain payment."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import requests
from cryptography import x509

from tests.lab.simulators.daraja import PASSWORD, Daraja, new_reference, until

PAY = "/mpesa/b2c/v3/paymentrequest"
ASK = "/mpesa/transactionstatus/v1/query"


def code(answer: requests.Response | None) -> tuple[int, str]:
    assert answer is not None
    told = answer.json()
    assert set(told) == {"requestId", "errorCode", "errorMessage"}
    return answer.status_code, told["errorCode"]


def test_a_token_lives_until_the_next_one_is_asked_for(client: Daraja) -> None:
    told = client.get_token().json()
    first = client.token
    assert told["expires_in"] == "3599"

    client.get_token()
    second, client.token = client.token, first

    refused = client.pay()
    assert refused.answer is not None
    assert code(refused.answer) == (401, "401.002.01")
    assert refused.json["errorMessage"].startswith("Error Occurred - Invalid Access Token - ")
    client.token = second
    assert client.pay().json["ResponseCode"] == "0"


def test_an_expired_token_is_refused_as_404(start: Callable[..., Daraja]) -> None:
    client = start("--token-lifetime", "1")
    client.get_token()
    time.sleep(1.1)

    assert code(client.pay().answer) == (404, "404.001.03")


@pytest.mark.parametrize(
    ("headers", "query", "status", "error"),
    [
        ({"Authorization": "Bearer x"}, "grant_type=client_credentials", 400, "400.008.01"),
        ({}, "grant_type=client_credentials", 400, "400.008.01"),
        ({"Authorization": "Basic c2lt"}, "grant_type=password", 400, "400.008.02"),
        ({"Authorization": "Basic c2lt"}, "", 400, "400.008.02"),
    ],
)
def test_the_token_endpoint_says_what_is_missing(
    client: Daraja, headers: dict[str, str], query: str, status: int, error: str
) -> None:
    url = f"{client.simulator.url}/oauth/v1/generate?{query}"

    answer = requests.get(url, headers=headers, timeout=5)

    assert code(answer) == (status, error)


@pytest.mark.parametrize("basic", ["c2ltOndyb25n", "%%%", "4pyT"])
def test_a_wrong_consumer_secret_gets_an_empty_400(client: Daraja, basic: str) -> None:
    url = f"{client.simulator.url}/oauth/v1/generate?grant_type=client_credentials"

    answer = requests.get(url, headers={"Authorization": f"Basic {basic}"}, timeout=5)

    assert (answer.status_code, answer.content) == (400, b"")


def test_the_order_of_checks(client: Daraja) -> None:
    base = client.simulator.url

    assert code(requests.get(base + "/nowhere", timeout=5)) == (405, "405.001")
    assert code(requests.put(base + PAY, timeout=5)) == (405, "405.001")
    assert code(requests.request("BREW", base + PAY, timeout=5)) == (405, "405.001")
    assert code(requests.post(base + "/nowhere", data=b"{", timeout=5)) == (404, "404.001.01")
    assert code(requests.post(base + PAY, data=b"{", timeout=5)) == (404, "404.001.04")
    bad = {"Authorization": "Bearer nobody"}
    assert code(requests.post(base + PAY, data=b"{", headers=bad, timeout=5)) == (401, "401.002.01")
    assert code(client.post(PAY, b"{")) == (400, "400.002.05")
    paid = client.pay()
    assert code(paid.client.post(PAY, {**paid.body, "Amount": "1.5"})) == (400, "400.002.02")
    assert code(paid.again().answer) == (500, "500.002.1001")


def test_an_app_without_the_product_is_refused(start: Callable[..., Daraja]) -> None:
    client = start()
    client.simulator.order("switches", api_product=False)

    answer = client.pay().answer

    assert answer is not None
    assert answer.status_code == 401
    assert answer.text == "Invalid API call as no apiproduct match found"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'"text"',
        b"{",
        b'{"Amount": NaN}',
        b'{"Amount": 1, "Amount": 2}',
        b"\xff\xfe",
        '{"Remarks": "utf-16"}'.encode("utf-16"),
        b'{"OriginatorConversationID": "\\ud800"}',
        b"[" * 100_000,
        b'{"Nobody": "knows me"}',
    ],
)
@pytest.mark.parametrize("path", [PAY, ASK])
def test_what_is_no_payload_is_refused(client: Daraja, path: str, raw: bytes) -> None:
    assert code(client.post(path, raw)) == (400, "400.002.05")


_URLS = [
    None,
    "",
    "ftp://example.com/a",
    "https://",
    "not a url",
    "https://example.com/a b",
    "https://example.com:port/",
    "https://example.com/M-Pesa/b",
    "https://example.com/MPESA/b",
    "https://Safaricom.example.com/b",
    "https://example.com/executions/b",
    "https://example.com/a.exe",
    "https://example.com/cmd",
    "https://example.com/SQL",
    "https://example.com/a?b=query",
    "https://example.com/%71uery",
    "https://1f2e.ngrok.io/b",
    "https://mockbin.org/b",
    "https://requestbin.com/b",
    5,
]
_BAD: dict[str, list[object]] = {
    "OriginatorConversationID": [None, "", 5, "with space", "x" * 129, ["a"]],
    "InitiatorName": [None, "", 5],
    "SecurityCredential": [None, 5],
    "CommandID": [None, "", "Pay", "BusinessPayBill", ["BusinessPayment"]],
    "Amount": [
        None, "", 0, "0", -5, "-5", "1.5", 10.0, 10.5, "1e3", "ten", True, "010", " 10", "٣٠", [10],
    ],
    "PartyA": [None, "", "1234", "12345678", "60099x", 1.5],
    "PartyB": [
        None, "", "0712345678", "+254712345678", "254812345678", "25471234567", "2547123456789",
        "25471234567٣", 12,
    ],
    "Remarks": [None, "", "x", "x" * 101, 55],
    "Occassion": ["x" * 101, 5, ["x"]],
    "QueueTimeOutURL": list(_URLS),
    "ResultURL": list(_URLS),
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in _BAD.items() for value in values],
)
def test_a_field_out_of_order_is_refused_by_name(client: Daraja, field: str, value: object) -> None:
    reference = new_reference()
    body = client.payment_body(OriginatorConversationID=reference, SecurityCredential="eA==")
    body[field] = value
    if value is None:
        del body[field]

    answer = client.post(PAY, body)

    assert code(answer) == (400, "400.002.02")
    assert answer.json()["errorMessage"] == f"Bad Request - Invalid {field}"
    assert client.simulator.movements(reference) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Amount", 1500),
        ("PartyA", 600992),
        ("PartyB", 254112345678),
        ("Occassion", None),
        ("Occassion", ""),
        ("Occassion", "x" * 100),
        ("Remarks", "ok"),
        ("CommandID", "SalaryPayment"),
        ("CommandID", "PromotionPayment"),
        ("OriginatorConversationID", "x" * 128),
        ("IDType", "01"),
    ],
)
def test_what_daraja_allows_is_accepted(client: Daraja, field: str, value: object) -> None:
    paid = client.pay(**{field: value})

    assert paid.json["ResponseCode"] == "0"
    assert len(paid.movements) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Initiator", None),
        ("SecurityCredential", None),
        ("CommandID", "BusinessPayment"),
        ("PartyA", "1"),
        ("IdentifierType", "3"),
        ("Remarks", "x"),
        ("ResultURL", "https://example.com/query"),
        ("QueueTimeOutURL", None),
        ("Occasion", 5),
        ("TransactionID", ["a"]),
    ],
)
def test_a_query_out_of_order_is_refused_by_name(client: Daraja, field: str, value: object) -> None:
    asked = client.ask(**{field: value})

    assert code(asked.answer) == (400, "400.002.02")
    assert asked.json["errorMessage"] == f"Bad Request - Invalid {field}"


def test_a_query_with_the_payments_spelling_is_refused(client: Daraja) -> None:
    assert code(client.ask(OriginatorConversationID="x").answer) == (400, "400.002.05")
    assert code(client.pay(Occasion="one s").answer) == (400, "400.002.05")


def test_a_plain_payment_from_request_to_result(client: Daraja) -> None:
    before = client.simulator.page("ledger")
    paid = client.pay(Amount="1500")

    accepted = paid.json
    assert set(accepted) == {
        "ConversationID", "OriginatorConversationID", "ResponseCode", "ResponseDescription",
    }  # fmt: skip
    assert accepted["ResponseCode"] == "0"
    assert accepted["OriginatorConversationID"] == paid.reference
    assert re.fullmatch(r"AG_\d{8}_[0-9a-f]{20}", accepted["ConversationID"])
    [delivery] = paid.results()
    told = delivery.result
    assert delivery.content_type == "application/json"
    assert told["ResultCode"] == 0
    assert told["ResultType"] == 0
    assert told["OriginatorConversationID"] == paid.reference
    assert told["ConversationID"] == accepted["ConversationID"]
    values = delivery.values
    assert values["TransactionAmount"] == 1500
    assert values["TransactionReceipt"] == told["TransactionID"]
    assert re.fullmatch(r"[A-Z]{2}[1-9A-V][A-Z0-9]{7}", told["TransactionID"])
    assert values["ReceiverPartyPublicName"].startswith(f"{paid.body['PartyB']} - ")
    assert re.fullmatch(r"\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d", values["TransactionCompletedDateTime"])
    assert told["ReferenceData"]["ReferenceItem"]["Key"] == "QueueTimeoutURL"

    [movement] = paid.movements
    assert movement["provider_reference"] == told["TransactionID"]
    assert movement["amount"] == "1500.00"
    assert movement["fee"] == "22.40"
    assert movement["phone"] == paid.body["PartyB"]
    after = client.simulator.page("ledger")
    assert float(before["utility_balance"]) - float(after["utility_balance"]) == 1500
    paid_charges = float(before["charges_paid_balance"]) - float(after["charges_paid_balance"])
    assert round(paid_charges, 2) == 22.40
    assert values["B2CUtilityAccountAvailableFunds"] == float(after["utility_balance"])
    assert values["B2CChargesPaidAccountAvailableFunds"] == float(after["charges_paid_balance"])


def test_dates_on_the_wire_are_east_african(client: Daraja) -> None:
    paid = client.pay()
    [delivery] = paid.results()

    told = datetime.strptime(
        delivery.values["TransactionCompletedDateTime"] + " +0300", "%d.%m.%Y %H:%M:%S %z"
    )

    moved_at = datetime.fromisoformat(paid.movements[0]["moved_at"])
    assert abs((moved_at - told).total_seconds()) < 2


@pytest.mark.parametrize(
    ("amount", "fee"),
    [(10, "6.20"), (100, "6.20"), (101, "15.27"), (1000, "15.27"), (1001, "22.40")],
)
def test_the_fee_follows_its_bands(client: Daraja, amount: int, fee: str) -> None:
    assert client.pay(Amount=amount).movements[0]["fee"] == fee


def test_the_same_id_moves_money_once_under_twenty_threads(client: Daraja) -> None:
    client.get_token()
    body = client.payment_body()
    answers: list[dict[str, str]] = []
    barrier = threading.Barrier(20)

    def send() -> None:
        barrier.wait()
        answers.append(client.post(PAY, body).json())

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(1 for told in answers if told.get("ResponseCode") == "0") == 1
    duplicates = [told for told in answers if told.get("errorCode") == "500.002.1001"]
    assert len(duplicates) == 19
    assert {told["errorMessage"] for told in duplicates} == {"Duplicate OriginatorConversationID."}
    assert len(client.simulator.movements(str(body["OriginatorConversationID"]))) == 1


def test_the_same_id_with_another_amount_or_phone_is_refused(client: Daraja) -> None:
    paid = client.pay(Amount="1500")

    other = client.pay(OriginatorConversationID=paid.reference, Amount="200")

    assert code(other.answer) == (500, "500.002.1001")
    assert [one["amount"] for one in paid.movements] == ["1500.00"]


def test_the_same_id_after_a_failure_is_refused_as_well(client: Daraja) -> None:
    failed = client.pay(scenario="fail_1")

    assert code(failed.again().answer) == (500, "500.002.1001")
    assert failed.movements == []


def test_the_certificate_is_past_its_date_and_served(client: Daraja) -> None:
    served = client.simulator.certificate()
    certificate = x509.load_pem_x509_certificate(served)

    assert (client.simulator.state / "certificate.pem").read_bytes() == served
    assert certificate.not_valid_after_utc < datetime.now(UTC)
    assert len(client.credential()) == 344


def test_bodies_above_a_mebibyte_are_refused(client: Daraja) -> None:
    assert code(client.post(PAY, b" " * (1024 * 1024 + 1))) == (400, "400.002.05")


def test_a_request_that_ends_early_is_none(client: Daraja) -> None:
    client.get_token()
    reference = new_reference()
    body = json.dumps(client.payment_body(OriginatorConversationID=reference)).encode()
    host, port = client.simulator.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        head = f"POST {PAY} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\n"
        length = len(body) + 1
        connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode() + body)
        connection.shutdown(socket.SHUT_WR)
        told = connection.recv(4096)

    assert b"400.002.05" in told
    assert client.simulator.movements(reference) == []


def test_the_rate_limit_answers_in_both_envelopes(start: Callable[..., Daraja]) -> None:
    client = start("--rate-limit", "3")
    body = client.payment_body(SecurityCredential="eA==")
    told = [client.post(PAY, body).json() for _ in range(20)]

    assert any("fault" in one for one in told)
    assert any(one.get("errorCode") == "500.003.02" for one in told)


def test_what_was_received_can_be_read_without_the_credential(client: Daraja) -> None:
    paid = client.pay()

    listed = client.simulator.page("requests", originator_reference=paid.reference)

    [seen] = listed["requests"]
    assert seen["path"] == PAY
    assert seen["status"] == 200
    assert seen["phone"] == paid.body["PartyB"]
    assert str(paid.body["SecurityCredential"]) not in seen["body"]
    assert PASSWORD not in str(client.simulator.page("requests", limit=10_000))
    assert client.token not in str(client.simulator.page("requests", limit=10_000))


def test_health_counts_what_is_owed(client: Daraja) -> None:
    client.pay(scenario="callback_late:60")

    assert client.simulator.page("health")["status"] == "ok"
    assert until(lambda: client.simulator.page("health")["callbacks_owed"]) >= 1
