"""What is kept of an exchange shows no secret, and what a callback says shows what it is about."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pettycash.gateways.base import (
    Asked,
    CallbackKind,
    CallbackUrls,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
    ProviderAccountView,
    RequestType,
)
from pettycash.gateways.kit.http import HttpLimits, RailSession
from pettycash.gateways.kit.tokens import TokenCache
from pettycash.gateways.mpesa import MpesaGateway
from pettycash.runtime.rails import Rail
from tests.gateways.conftest import PAYMENT_PATH, TOKEN_PATH
from tests.gateways.loopback import Answer, ScriptedRail

FAST = HttpLimits(connect_seconds=0.5, read_seconds=0.5, total_seconds=1.0)
TOKEN_1 = Answer(body={"access_token": "tokenAAAAAAAAAAAAAAA1", "expires_in": "3599"})
TOKEN_2 = Answer(body={"access_token": "tokenBBBBBBBBBBBBBBB2", "expires_in": 3599})
EXPIRED = {"requestId": "1", "errorMessage": "Invalid Access Token - tokenAAAAAAAAAAAAAAA1"}
PLAIN = MpesaGateway(RailSession([]), TokenCache(None))


ANY = PayoutInstruction(
    originator_reference="REQ-2026-000123-1-1",
    amount=Decimal(10),
    currency="KES",
    destination="254705912645",
    payee_name="Payee",
    remarks="x",
    account=ProviderAccountView(
        id=UUID(int=1),
        company_id=UUID(int=2),
        rail=Rail.MPESA,
        base_url="",
        shortcode="600992",
        credentials={},
    ),
    callbacks=CallbackUrls(result="", timeout="", query_result="", query_timeout=""),
)


@pytest.fixture
def gateway(scripted: ScriptedRail) -> MpesaGateway:
    return MpesaGateway(RailSession([scripted.url], FAST), TokenCache(None))


def everything_in(outcome: Outcome | Asked) -> str:
    exchanges = (outcome.exchange, *outcome.earlier_exchanges)
    return json.dumps([asdict(each) for each in exchanges]) + repr(outcome)


def secrets_of(instruction: PayoutInstruction) -> list[str]:
    credentials = instruction.account.credentials
    urls: Mapping[str, str] = asdict(instruction.callbacks)
    return [
        credentials["consumer_key"],
        credentials["consumer_secret"],
        credentials["initiator_password"],
        base64.b64encode(
            f"{credentials['consumer_key']}:{credentials['consumer_secret']}".encode()
        ).decode(),
        "tokenAAAAAAAAAAAAAAA1",
        "tokenBBBBBBBBBBBBBBB2",
        instruction.destination,
        *(url.rpartition("/")[2] for url in urls.values()),
    ]


def test_nothing_secret_is_kept_of_any_exchange(
    gateway: MpesaGateway, scripted: ScriptedRail, instruction: PayoutInstruction
) -> None:
    scripted.answers[TOKEN_PATH] = [TOKEN_1, TOKEN_2]
    scripted.answers[PAYMENT_PATH] = [
        Answer(401, EXPIRED | {"errorCode": "401.002.01"}),
        Answer(500, json.dumps({"errorCode": "500.002.1001", "echo": "254705912645"}).encode()),
    ]
    outcomes: list[Outcome | Asked] = [gateway.submit(instruction), gateway.query(instruction)]
    scripted.answers[TOKEN_PATH] = [
        Answer(400, b"no such key: keyKEYkeyKEY0001 secretSECRETsecret0001", "text/plain")
    ]
    fresh = MpesaGateway(RailSession([scripted.url], FAST), TokenCache(None))
    outcomes += [fresh.submit(instruction), fresh.query(instruction)]
    echoed = [call.json for call in scripted.calls if call.path == PAYMENT_PATH]
    flat = json.dumps(echoed[0] | {"Password": "Safaricom#7&%$@!"}).encode()
    outcomes += [gateway.read_callback(each, flat, instruction) for each in CallbackKind]
    outcomes.append(gateway.read_callback(CallbackKind.TIMEOUT, flat[:-9], instruction))
    sealed = [call.json["SecurityCredential"] for call in scripted.calls if call.body]

    for outcome in outcomes:
        shown = everything_in(outcome)
        for secret in [*secrets_of(instruction), *sealed]:
            assert secret not in shown


def test_an_instruction_shows_no_secret_in_its_repr(instruction: PayoutInstruction) -> None:
    for secret in secrets_of(instruction):
        assert secret not in repr(instruction)


# callbacks


def result(instruction: PayoutInstruction, **changes: Any) -> bytes:
    parameters = {
        "TransactionAmount": 1500,
        "TransactionReceipt": "SG632NMUAB",
        "ReceiverPartyPublicName": f"{instruction.destination} - J D",
        "TransactionCompletedDateTime": "06.07.2024 22:48:52",
    }
    body = {
        "ResultType": 0,
        "ResultCode": 0,
        "ResultDesc": "processed",
        "OriginatorConversationID": instruction.originator_reference,
        "ConversationID": "AG_1",
        "TransactionID": "SG632NMUAB",
    }
    for name, value in changes.items():
        (parameters if name in parameters else body)[name] = value
    items = [{"Key": key, "Value": value} for key, value in parameters.items()]
    return json.dumps({"Result": body | {"ResultParameters": {"ResultParameter": items}}}).encode()


def test_a_result_that_is_ours_agrees_completely(instruction: PayoutInstruction) -> None:
    outcome = PLAIN.read_callback(CallbackKind.RESULT, result(instruction), instruction)

    assert outcome.kind is OutcomeKind.SETTLED
    assert outcome.originator_reference == instruction.originator_reference
    assert outcome.agreement(instruction).complete
    assert outcome.exchange.request_type is RequestType.CONFIRM
    assert outcome.exchange.http_status is None


@pytest.mark.parametrize(
    ("changes", "contradicted", "unproven"),
    [
        ({"TransactionAmount": 1501}, ("amount",), ()),
        ({"ReceiverPartyPublicName": "254705912646 - J D"}, ("destination",), ()),
        ({"ReceiverPartyPublicName": "J D"}, (), ("destination",)),
        ({"OriginatorConversationID": "53e3-4aa8-9fe0"}, (), ("reference",)),
        ({"OriginatorConversationID": None}, (), ("reference",)),
    ],
)
def test_a_result_that_is_not_ours_says_where(
    instruction: PayoutInstruction,
    changes: dict[str, Any],
    contradicted: tuple[str, ...],
    unproven: tuple[str, ...],
) -> None:
    body = result(instruction, **changes)

    agreement = PLAIN.read_callback(CallbackKind.RESULT, body, instruction).agreement(instruction)

    assert (agreement.contradicted, agreement.unproven) == (contradicted, unproven)
    assert not agreement.complete


def test_the_stored_conversation_stands_in_for_our_reference(
    instruction: PayoutInstruction,
) -> None:
    body = result(instruction, OriginatorConversationID="53e3-4aa8-9fe0")
    outcome = PLAIN.read_callback(CallbackKind.RESULT, body, instruction)

    assert outcome.agreement(instruction, conversation_id="AG_1").complete
    assert outcome.agreement(instruction, conversation_id="AG_2").contradicted == ("reference",)


@given(st.sampled_from(list(CallbackKind)), st.binary(max_size=200))
def test_a_callback_of_any_bytes_gives_an_outcome_in_doubt(
    purpose: CallbackKind, body: bytes
) -> None:
    outcome = PLAIN.read_callback(purpose, body, ANY)

    assert outcome.kind is OutcomeKind.IN_DOUBT
    json.dumps(asdict(outcome.exchange), allow_nan=False)
