"""The adapter over real HTTP: what it sends, and what it concludes from each answer."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from pettycash.gateways.base import (
    Asked,
    Gateway,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
    RequestType,
)
from pettycash.gateways.flight import Deadline
from pettycash.gateways.kit.http import HttpLimits, RailSession
from pettycash.gateways.kit.tokens import TokenCache
from pettycash.gateways.mpesa import MpesaConfig, MpesaGateway
from tests.gateways.conftest import PAYMENT_PATH, QUERY_PATH, TOKEN_PATH, at
from tests.gateways.loopback import Answer, ScriptedRail, drip, raw_server, read_request, reset

PATIENT = HttpLimits(connect_seconds=10, read_seconds=10, total_seconds=20)
"""Where no time-out is tried: a busy machine answers late."""
FAST = HttpLimits(connect_seconds=0.5, read_seconds=0.5, total_seconds=1.0)
TOKEN_1 = Answer(body={"access_token": "tokenAAAAAAAAAAAAAAA1", "expires_in": "3599"})
TOKEN_2 = Answer(body={"access_token": "tokenBBBBBBBBBBBBBBB2", "expires_in": 3599})
EXPIRED = {"requestId": "1", "errorMessage": "Invalid Access Token - tokenAAAAAAAAAAAAAAA1"}
PLAIN = MpesaGateway(RailSession([]), TokenCache(None))


@pytest.fixture
def gateway(scripted: ScriptedRail) -> MpesaGateway:
    return MpesaGateway(RailSession([scripted.url], PATIENT), TokenCache(None))


def test_it_is_a_gateway() -> None:
    gateway: Gateway = PLAIN

    assert gateway.rail.value == "mpesa"
    assert gateway.same_id_is_safe
    assert gateway.confirms_failure_by_query
    assert gateway.decide_by.total_seconds() == 300


# when nothing is sent any more


@pytest.mark.parametrize("clock", ["time", "clock_gettime"], ids=["host", "process"])
def test_what_stood_still_for_too_long_sends_nothing(
    gateway: MpesaGateway,
    scripted: ScriptedRail,
    instruction: PayoutInstruction,
    monkeypatch: pytest.MonkeyPatch,
    clock: str,
) -> None:
    """A paused host moves only the wall clock on, a paused process or machine the other one too."""
    leave_by = Deadline.after(34)
    before = getattr(time, clock)
    monkeypatch.setattr(time, clock, lambda *which: before(*which) + 35)
    scripted.answers[TOKEN_PATH] = [TOKEN_1]

    outcome = gateway.submit(instruction, leave_by=leave_by)

    assert outcome.kind is OutcomeKind.NOT_SENT
    assert PAYMENT_PATH not in [call.path for call in scripted.calls]


# what is sent


def test_a_payment_on_the_wire(
    gateway: MpesaGateway,
    scripted: ScriptedRail,
    instruction: PayoutInstruction,
    rsa_key: rsa.RSAPrivateKey,
) -> None:
    outcome = gateway.submit(instruction)

    token, payment = scripted.calls
    assert (token.method, token.path) == (
        "GET",
        "/oauth/v1/generate?grant_type=client_credentials",
    )
    assert base64.b64decode(token.headers["Authorization"].removeprefix("Basic ")) == (
        b"keyKEYkeyKEY0001:secretSECRETsecret0001"
    )
    assert (payment.method, payment.path) == ("POST", PAYMENT_PATH)
    assert payment.headers["Authorization"] == "Bearer tokenAAAAAAAAAAAAAAA1"
    assert payment.headers["Content-Type"] == "application/json"
    body = payment.json
    sealed = base64.b64decode(body.pop("SecurityCredential"))
    assert rsa_key.decrypt(sealed, padding.PKCS1v15()) == b"Safaricom#7&%$@!"
    assert body == {
        "OriginatorConversationID": "REQ-2026-000123-1-1",
        "InitiatorName": "apiop37",
        "CommandID": "BusinessPayment",
        "Amount": "1500",
        "PartyA": "600992",
        "PartyB": "254705912645",
        "Remarks": "Fuel for the van",
        "QueueTimeOutURL": instruction.callbacks.timeout,
        "ResultURL": instruction.callbacks.result,
        "Occassion": "REQ-2026-000123-1-1",
    }
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert outcome.conversation_id == "AG_20261121_20106e9209f64bebd05b"
    assert outcome.originator_reference == "REQ-2026-000123-1-1"
    assert outcome.exchange.request_type is RequestType.INITIATE
    assert outcome.exchange.http_status == 200
    assert outcome.exchange.response is not None
    assert outcome.exchange.response["ResponseCode"] == "0"


def test_a_repeat_sends_the_same_body_but_for_the_random_padding(
    gateway: MpesaGateway, scripted: ScriptedRail, instruction: PayoutInstruction
) -> None:
    gateway.submit(instruction)
    gateway.submit(instruction)

    first, second = (call.json for call in scripted.calls if call.path == PAYMENT_PATH)
    assert first.pop("SecurityCredential") != second.pop("SecurityCredential")
    assert first == second


def test_a_question_on_the_wire(
    gateway: MpesaGateway, scripted: ScriptedRail, instruction: PayoutInstruction
) -> None:
    answer = gateway.query(instruction, conversation_id="AG_1")

    body = scripted.calls[1].json
    assert scripted.calls[1].path == QUERY_PATH
    assert len(base64.b64decode(body.pop("SecurityCredential"))) == 256
    assert body == {
        "Initiator": "apiop37",
        "CommandID": "TransactionStatusQuery",
        "OriginalConversationID": "REQ-2026-000123-1-1",
        "PartyA": "600992",
        "IdentifierType": "4",
        "ResultURL": instruction.callbacks.query_result,
        "QueueTimeOutURL": instruction.callbacks.query_timeout,
        "Remarks": "Status",
        "Occasion": "REQ-2026-000123-1-1",
    }
    assert isinstance(answer, Asked)
    assert answer.reference == "AG_20261121_30006e9209f64bebd05b"
    assert answer.exchange.request_type is RequestType.QUERY


def test_a_question_by_receipt_names_the_receipt_only(
    gateway: MpesaGateway, scripted: ScriptedRail, instruction: PayoutInstruction
) -> None:
    gateway.query(instruction, provider_reference="SG632NMUAB")

    body = scripted.calls[1].json
    assert body["TransactionID"] == "SG632NMUAB"
    assert "OriginalConversationID" not in body


@pytest.mark.parametrize(
    ("remarks", "sent"),
    [
        ("  Fuel \n for\tthe van ", "Fuel for the van"),
        ("", "REQ-2026-000123-1-1"),
        ("x", "REQ-2026-000123-1-1"),
        ("é", "REQ-2026-000123-1-1"),
        ("Café\x00 ok", "Caf ok"),
        ("y" * 300, "y" * 100),
    ],
)
def test_remarks_are_made_to_fit(
    gateway: MpesaGateway,
    scripted: ScriptedRail,
    instruction: PayoutInstruction,
    remarks: str,
    sent: str,
) -> None:
    gateway.submit(replace(instruction, remarks=remarks))

    assert scripted.calls[1].json["Remarks"] == sent


# what is concluded


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(400, {"errorCode": "400.002.02", "errorMessage": "Bad Request"}), "rejected"),
        (Answer(500, {"errorCode": "500.002.1001", "errorMessage": "Duplicate"}), "in_doubt"),
        (Answer(500, {"errorCode": "500.003.02", "errorMessage": "Spike Arrest"}), "not_sent"),
        (Answer(200, {"errorCode": "500.002.1001", "errorMessage": "System"}), "in_doubt"),
        (Answer(200, {"ResponseCode": "1", "ResponseDescription": "Duplicate"}), "in_doubt"),
        (Answer(502, b"<html>Bad Gateway</html>", "text/html"), "in_doubt"),
        (Answer(200, b""), "in_doubt"),
        (Answer(200, b"x" * 70_000), "in_doubt"),
        (Answer(302, headers={"Location": "/elsewhere"}), "in_doubt"),
        (Answer(lost=True), "in_doubt"),
    ],
)
def test_what_an_answer_proves_and_nothing_is_repeated(
    gateway: MpesaGateway,
    scripted: ScriptedRail,
    instruction: PayoutInstruction,
    answer: Answer,
    kind: str,
) -> None:
    scripted.answers[PAYMENT_PATH] = [answer]

    outcome = gateway.submit(instruction)

    assert outcome.kind.value == kind
    assert scripted.paths() == [TOKEN_PATH, PAYMENT_PATH]
    assert outcome.exchange.http_status == (
        None if answer.lost or len(answer.body) > 65_536 else answer.status
    )


@pytest.mark.parametrize("script", [reset, lambda c: (read_request(c), reset(c))])
def test_a_token_call_that_is_lost_has_sent_nothing(
    instruction: PayoutInstruction, script: Any
) -> None:
    with raw_server(script) as server:
        gateway = MpesaGateway(RailSession([server.url], FAST), TokenCache(None))
        outcome = gateway.submit(at(instruction, server.url))

    assert outcome.kind is OutcomeKind.NOT_SENT
    assert not outcome.configuration_fault


def test_a_refused_connection_has_sent_nothing(instruction: PayoutInstruction) -> None:
    gateway = MpesaGateway(RailSession(["http://127.0.0.1:9"], FAST), TokenCache(None))

    outcome = gateway.submit(at(instruction, "http://127.0.0.1:9"))

    assert outcome.kind is OutcomeKind.NOT_SENT
    assert outcome.code == "transport.unreachable"


def test_a_host_that_is_not_allowed_is_not_called(
    scripted: ScriptedRail, instruction: PayoutInstruction
) -> None:
    gateway = MpesaGateway(RailSession(["api.safaricom.co.ke"], FAST), TokenCache(None))

    outcome = gateway.submit(instruction)

    assert outcome.kind is OutcomeKind.NOT_SENT
    assert outcome.code == "transport.host_refused"
    assert scripted.calls == []


def test_an_answer_that_drips_is_in_doubt(
    scripted: ScriptedRail, instruction: PayoutInstruction
) -> None:
    slow = drip(b'HTTP/1.1 200 OK\r\n\r\n{"ResponseCode": "0"}' + b" " * 300)

    def script(connection: Any) -> None:
        peeked = connection.recv(4, 2)  # MSG_PEEK
        if peeked.startswith(b"GET"):
            read_request(connection)
            token = json.dumps(TOKEN_1.body).encode()
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(token) + token
            )
        else:
            slow(connection)

    with raw_server(script) as server:
        gateway = MpesaGateway(RailSession([server.url], FAST), TokenCache(None))
        outcome = gateway.submit(at(instruction, server.url))

    assert outcome.kind is OutcomeKind.IN_DOUBT
    assert outcome.code == "transport.deadline"


def test_a_payment_is_not_sent_when_no_time_is_left_to_listen(
    scripted: ScriptedRail, instruction: PayoutInstruction
) -> None:
    config = MpesaConfig(call_budget_seconds=4, send_seconds_min=5)
    gateway = MpesaGateway(RailSession([scripted.url], FAST), TokenCache(None), config)

    outcome = gateway.submit(instruction)

    assert outcome.kind is OutcomeKind.NOT_SENT
    assert outcome.code == "transport.no_time_left"
    assert scripted.paths() == [TOKEN_PATH]


@pytest.mark.parametrize("change", ["amount", "currency", "destination", "reference"])
def test_what_the_rail_can_not_take_is_rejected_without_a_call(
    gateway: MpesaGateway, scripted: ScriptedRail, instruction: PayoutInstruction, change: str
) -> None:
    wrong = {
        "amount": replace(instruction, amount=Decimal("1500.50")),
        "currency": replace(instruction, currency="UGX"),
        "destination": replace(instruction, destination="0705912645"),
        "reference": replace(instruction, originator_reference="x" * 40),
    }[change]

    outcome = gateway.submit(wrong)

    assert outcome.kind is OutcomeKind.REJECTED
    assert outcome.code == "local.invalid_instruction"
    assert scripted.calls == []


@pytest.mark.parametrize(
    "name",
    ["consumer_key", "consumer_secret", "initiator_name", "initiator_password", "certificate_pem"],
)
@pytest.mark.parametrize("value", [None, "", " "])
def test_an_account_without_a_credential_sends_nothing(
    gateway: MpesaGateway,
    scripted: ScriptedRail,
    instruction: PayoutInstruction,
    name: str,
    value: str | None,
) -> None:
    credentials = {**instruction.account.credentials, name: value}
    if value is None:
        del credentials[name]
    broken = replace(
        instruction,
        account=replace(instruction.account, credentials=credentials),  # type: ignore[arg-type]
    )

    outcome, answer = gateway.submit(broken), gateway.query(broken)

    assert outcome.kind is OutcomeKind.NOT_SENT
    assert outcome.configuration_fault
    assert name in outcome.message
    assert isinstance(answer, Outcome)
    assert answer.kind is OutcomeKind.IN_DOUBT
    assert answer.configuration_fault
    assert scripted.calls == []


# queries


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, {"errorCode": "400.002.02", "errorMessage": "Bad Request"}),
        Answer(500, {"errorCode": "500.003.02", "errorMessage": "Spike Arrest"}),
        Answer(200, {"ResponseCode": "26", "ResponseDescription": "System busy"}),
        Answer(200, {"ResponseCode": "0", "ResponseDescription": "accepted, but without ids"}),
        Answer(401, EXPIRED | {"errorCode": "401.002.01"}),
        Answer(403, b""),
        Answer(502, b"<html></html>"),
        Answer(lost=True),
    ],
)
def test_a_question_that_was_not_taken_leaves_the_payment_in_doubt(
    gateway: MpesaGateway,
    scripted: ScriptedRail,
    instruction: PayoutInstruction,
    answer: Answer,
) -> None:
    scripted.answers[QUERY_PATH] = [answer]

    outcome = gateway.query(instruction)

    assert isinstance(outcome, Outcome)
    assert outcome.kind is OutcomeKind.IN_DOUBT
    assert PAYMENT_PATH not in scripted.paths()


def test_a_question_survives_an_expired_token(
    gateway: MpesaGateway, scripted: ScriptedRail, instruction: PayoutInstruction
) -> None:
    scripted.answers[QUERY_PATH].insert(0, Answer(401, EXPIRED | {"errorCode": "401.002.01"}))

    assert isinstance(gateway.query(instruction), Asked)
