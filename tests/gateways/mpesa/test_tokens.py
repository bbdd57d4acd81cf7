"""A token comes before every call: without one nothing was sent, with an old one once more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import redis

from pettycash.gateways.base import (
    Outcome,
    OutcomeKind,
    PayoutInstruction,
)
from pettycash.gateways.kit.http import HttpLimits, RailSession
from pettycash.gateways.kit.tokens import TokenCache
from pettycash.gateways.mpesa import MpesaGateway
from tests.gateways.conftest import PAYMENT_PATH, TOKEN_PATH
from tests.gateways.loopback import Answer, ScriptedRail

FAST = HttpLimits(connect_seconds=0.5, read_seconds=0.5, total_seconds=1.0)
TOKEN_1 = Answer(body={"access_token": "tokenAAAAAAAAAAAAAAA1", "expires_in": "3599"})
TOKEN_2 = Answer(body={"access_token": "tokenBBBBBBBBBBBBBBB2", "expires_in": 3599})
EXPIRED = {"requestId": "1", "errorMessage": "Invalid Access Token - tokenAAAAAAAAAAAAAAA1"}


@pytest.fixture
def gateway(scripted: ScriptedRail) -> MpesaGateway:
    return MpesaGateway(RailSession([scripted.url], FAST), TokenCache(None))


@pytest.mark.parametrize(
    ("answer", "configuration_fault", "throttled"),
    [
        (Answer(400, b""), True, False),
        (Answer(401, b""), True, False),
        (Answer(400, {"errorCode": "400.008.01", "errorMessage": "Invalid"}), True, False),
        (Answer(429, b""), False, True),
        (Answer(500, {"errorCode": "500.003.02", "errorMessage": "Spike Arrest"}), False, True),
        (Answer(503, b"<html></html>", "text/html"), False, False),
        (Answer(200, b""), False, False),
        (Answer(200, {"expires_in": "3599"}), False, False),
        (Answer(200, {"access_token": ""}), False, False),
        (Answer(200, {"access_token": 7}), False, False),
        (Answer(200, {"access_token": "a\r\nX-Evil: 1"}), False, False),
        (Answer(302, headers={"Location": "/"}), False, False),
    ],
)
def test_without_a_token_nothing_was_sent(
    scripted: ScriptedRail,
    instruction: PayoutInstruction,
    answer: Answer,
    configuration_fault: bool,
    throttled: bool,
) -> None:
    gateway = MpesaGateway(RailSession([scripted.url], FAST), TokenCache(None))
    scripted.answers[TOKEN_PATH] = [answer]

    outcome, asked = gateway.submit(instruction), gateway.query(instruction)

    assert outcome.kind is OutcomeKind.NOT_SENT
    assert (outcome.configuration_fault, outcome.throttled) == (configuration_fault, throttled)
    assert outcome.exchange.http_status == answer.status
    assert isinstance(asked, Outcome)
    assert asked.kind is OutcomeKind.IN_DOUBT
    assert set(scripted.paths()) == {TOKEN_PATH}


@pytest.mark.parametrize("expires_in", ["3599", 3599, 3599.0, None, "soon", -1, True, {}])
def test_a_token_is_used_whatever_is_said_of_its_life(
    gateway: MpesaGateway,
    scripted: ScriptedRail,
    instruction: PayoutInstruction,
    expires_in: Any,
) -> None:
    scripted.answers[TOKEN_PATH] = [
        Answer(body={"access_token": "tokenAAAAAAAAAAAAAAA1", "expires_in": expires_in})
    ]

    assert gateway.submit(instruction).kind is OutcomeKind.ACCEPTED
    assert gateway.submit(instruction).kind is OutcomeKind.ACCEPTED
    assert scripted.paths() == [TOKEN_PATH, PAYMENT_PATH, PAYMENT_PATH]


@pytest.mark.parametrize(
    ("status", "code"), [(401, "401.002.01"), (404, "404.001.03"), (400, "400.003.01")]
)
def test_a_refused_token_is_replaced_once_and_the_payment_sent_again(
    gateway: MpesaGateway,
    scripted: ScriptedRail,
    instruction: PayoutInstruction,
    status: int,
    code: str,
) -> None:
    scripted.answers[TOKEN_PATH] = [TOKEN_1, TOKEN_2]
    scripted.answers[PAYMENT_PATH].insert(0, Answer(status, EXPIRED | {"errorCode": code}))

    outcome = gateway.submit(instruction)

    assert outcome.kind is OutcomeKind.ACCEPTED
    assert scripted.paths() == [TOKEN_PATH, PAYMENT_PATH, TOKEN_PATH, PAYMENT_PATH]
    assert scripted.calls[3].headers["Authorization"] == "Bearer tokenBBBBBBBBBBBBBBB2"
    first, second = scripted.calls[1].json, scripted.calls[3].json
    assert first == second
    assert [each.code for each in outcome.earlier_exchanges] == [code]


def test_a_token_refused_twice_has_sent_nothing_and_is_not_used_again(
    gateway: MpesaGateway, scripted: ScriptedRail, instruction: PayoutInstruction
) -> None:
    scripted.answers[PAYMENT_PATH] = [Answer(401, EXPIRED | {"errorCode": "401.002.01"})]

    outcome = gateway.submit(instruction)
    gateway.submit(instruction)

    assert outcome.kind is OutcomeKind.NOT_SENT
    assert scripted.paths() == [TOKEN_PATH, PAYMENT_PATH] * 4


def test_what_is_lost_after_a_new_token_is_in_doubt(
    gateway: MpesaGateway, scripted: ScriptedRail, instruction: PayoutInstruction
) -> None:
    scripted.answers[PAYMENT_PATH] = [
        Answer(401, EXPIRED | {"errorCode": "401.002.01"}),
        Answer(lost=True),
    ]

    assert gateway.submit(instruction).kind is OutcomeKind.IN_DOUBT


def test_no_new_token_after_a_refused_one_has_sent_nothing(
    gateway: MpesaGateway, scripted: ScriptedRail, instruction: PayoutInstruction
) -> None:
    scripted.answers[TOKEN_PATH] = [TOKEN_1, Answer(503, b"")]
    scripted.answers[PAYMENT_PATH] = [Answer(401, EXPIRED | {"errorCode": "401.002.01"})]

    outcome = gateway.submit(instruction)

    assert outcome.kind is OutcomeKind.NOT_SENT
    assert [each.code for each in outcome.earlier_exchanges] == ["401.002.01"]


def test_workers_share_a_token_and_new_keys_get_a_new_one(
    redis_client: redis.Redis, scripted: ScriptedRail, instruction: PayoutInstruction
) -> None:
    workers = [
        MpesaGateway(RailSession([scripted.url], FAST), TokenCache(redis_client)) for _ in range(3)
    ]
    for worker in workers:
        worker.submit(instruction)
    assert scripted.paths().count(TOKEN_PATH) == 1

    credentials = {**instruction.account.credentials, "consumer_secret": "changed"}
    workers[0].submit(
        replace(instruction, account=replace(instruction.account, credentials=credentials))
    )

    assert scripted.paths().count(TOKEN_PATH) == 2
    stored = b"".join(redis_client.keys())
    assert b"secretSECRET" not in stored
    assert str(instruction.account.id).encode() in stored
