"""Submissions against the simulator: what the adapter concludes, held against the money moved."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from pettycash.gateways.base import (
    Asked,
    CallbackKind,
    OutcomeKind,
)
from pettycash.gateways.kit.http import RailSession
from pettycash.gateways.kit.tokens import TokenCache
from pettycash.gateways.mpesa import MpesaGateway
from pettycash.lab.simulators.mpesa.catalogue import ALIASES, FAULTS, Dimension
from tests.gateways.rig import QUICK, Rig

NOT_SENT, ACCEPTED, SETTLED, REJECTED, IN_DOUBT = (
    OutcomeKind.NOT_SENT,
    OutcomeKind.ACCEPTED,
    OutcomeKind.SETTLED,
    OutcomeKind.REJECTED,
    OutcomeKind.IN_DOUBT,
)


def test_a_payment_from_submission_to_proof(rig: Rig) -> None:
    instruction = rig.instruction()

    sent = rig.gateway.submit(instruction)
    [result] = rig.heard(instruction, CallbackKind.RESULT)
    asked = rig.gateway.query(instruction)
    [answer] = rig.heard(instruction, CallbackKind.QUERY_RESULT)

    assert sent.kind is ACCEPTED
    [movement] = rig.movements(instruction)
    assert result.kind is SETTLED
    assert result.agreement(instruction, conversation_id=sent.conversation_id).complete
    assert result.provider_reference == movement["provider_reference"]
    assert result.amount == Decimal(movement["amount"]) == instruction.amount
    assert isinstance(asked, Asked)
    assert answer.kind is SETTLED
    assert answer.agreement(instruction).complete
    assert answer.asked_reference == asked.reference
    assert answer.conversation_id == sent.conversation_id
    assert answer.provider_reference == movement["provider_reference"]
    assert answer.fee == Decimal(movement["fee"])
    assert answer.occurred_at is not None


def test_a_question_by_receipt(rig: Rig) -> None:
    instruction = rig.instruction()
    rig.gateway.submit(instruction)
    [result] = rig.heard(instruction, CallbackKind.RESULT)

    rig.gateway.query(instruction, provider_reference=result.provider_reference)

    [answer] = rig.heard(instruction, CallbackKind.QUERY_RESULT)
    assert answer.kind is SETTLED
    assert answer.agreement(instruction).complete


SUBMISSIONS = {
    # refused before acceptance
    "answer_lost_before": IN_DOUBT,
    "answer_reset_before": IN_DOUBT,
    "too_many_requests": NOT_SENT,
    "spike_arrest": NOT_SENT,
    "spike_arrest_429": NOT_SENT,
    "spike_arrest_in_200": NOT_SENT,
    "system_busy": NOT_SENT,
    "quota_violation": NOT_SENT,
    "internal_error_unseen": IN_DOUBT,
    "maintenance_unseen": IN_DOUBT,
    "duplicate_unseen": IN_DOUBT,
    "internal_error_500_001": IN_DOUBT,
    "internal_error_500_003": IN_DOUBT,
    "bad_gateway_unseen": IN_DOUBT,
    "unavailable_unseen": IN_DOUBT,
    "token_expired_401": ACCEPTED,  # with a new token, in the same submission
    "token_expired_404": ACCEPTED,
    "token_expired_400": ACCEPTED,
    "token_wrong_environment": NOT_SENT,
    "no_api_product": REJECTED,
    "forbidden": REJECTED,
    "bad_request": REJECTED,
    "refuse_26": NOT_SENT,
    "refuse_100000001": NOT_SENT,
    "refuse_100000005": REJECTED,
    "refuse_100000010": REJECTED,
    "refuse_1": IN_DOUBT,
    "refuse_4711": IN_DOUBT,
    # accepted, and the answer goes wrong
    "answer_lost_after": IN_DOUBT,
    "answer_reset_after": IN_DOUBT,
    "answer_reset_midway": IN_DOUBT,
    "answer_truncated": IN_DOUBT,
    "internal_error_after": IN_DOUBT,
    "maintenance_after": IN_DOUBT,
    "duplicate_after": IN_DOUBT,
    "error_in_200_after": IN_DOUBT,
    "bad_gateway_after": IN_DOUBT,
    "gateway_timeout_after": IN_DOUBT,
    "unavailable_after": IN_DOUBT,
    "answer_empty": IN_DOUBT,
    "answer_garbage": IN_DOUBT,
    "answer_html": IN_DOUBT,
    "answer_no_code": IN_DOUBT,
    "answer_slow:2": IN_DOUBT,
    "answer_drip:0.05": IN_DOUBT,
    "answer_huge": IN_DOUBT,
    # the same without the money
    "internal_error_not_moved": IN_DOUBT,
    "bad_gateway_not_moved": IN_DOUBT,
    "answer_lost_not_moved": IN_DOUBT,
}


@pytest.mark.parametrize("scenario", SUBMISSIONS)
def test_a_submission_under_each_fault(rig: Rig, scenario: str) -> None:
    instruction = rig.with_fault(scenario)

    outcome = rig.gateway.submit(instruction)

    rig.finish()
    moved = rig.movements(instruction)
    assert outcome.kind is SUBMISSIONS[scenario]
    assert len(moved) <= 1
    if outcome.kind in (NOT_SENT, REJECTED):
        assert moved == []


@pytest.mark.parametrize(
    "scenario", [name for name, kind in SUBMISSIONS.items() if kind in (NOT_SENT, IN_DOUBT)]
)
def test_the_same_reference_again_never_pays_twice(rig: Rig, scenario: str) -> None:
    instruction = rig.with_fault(scenario)

    rig.gateway.submit(instruction)
    rig.gateway.submit(instruction)
    rig.gateway.submit(instruction)

    rig.finish()
    assert len(rig.movements(instruction)) == ("not_moved" not in scenario)


def test_every_fault_of_submissions_is_met() -> None:
    named = {name.partition(":")[0] for name in SUBMISSIONS}
    sides = (Dimension.GATE, Dimension.ANSWER)

    assert {fault.name for fault in FAULTS.values() if fault.dimension in sides} <= named
    assert {name for name in ALIASES if name.endswith("not_moved")} <= named


@pytest.mark.parametrize(
    "scenario",
    [
        "token_empty_400",
        "token_empty_401",
        "token_too_many_requests",
        "token_server_error",
        "token_html",
        "token_garbage",
        "token_lost",
        "token_slow:2",
    ],
)
def test_a_token_endpoint_that_fails_has_sent_nothing(rig: Rig, scenario: str) -> None:
    instruction = rig.instruction()
    rig.simulator.order("faults", scenario=scenario)

    first, second = rig.gateway.submit(instruction), rig.gateway.submit(instruction)

    assert first.kind is NOT_SENT
    assert second.kind is ACCEPTED
    rig.finish()
    assert len(rig.movements(instruction)) == 1


@pytest.mark.parametrize("scenario", ["token_number", "token_short:30"])
def test_odd_tokens_serve(rig: Rig, scenario: str) -> None:
    rig.simulator.order("faults", scenario=scenario)

    assert rig.gateway.submit(rig.instruction()).kind is ACCEPTED


def test_another_clients_token_that_replaces_ours_costs_one_repeat(rig: Rig) -> None:
    other = MpesaGateway(RailSession([rig.simulator.url], QUICK), TokenCache(None))
    first, second = rig.instruction(), rig.instruction()
    assert rig.gateway.submit(first).kind is ACCEPTED
    assert other.submit(rig.instruction()).kind is ACCEPTED

    outcome = rig.gateway.submit(second)

    assert outcome.kind is ACCEPTED
    assert [each.code for each in outcome.earlier_exchanges] == ["401.002.01"]
    rig.finish()
    assert len(rig.movements(second)) == 1


@pytest.mark.parametrize("scenario", ["duplicate_in_200", "duplicate_async"])
def test_gateway_duplicate_reference_leaves_the_first_one_alone(rig: Rig, scenario: str) -> None:
    instruction = rig.with_fault(scenario)
    rig.gateway.submit(instruction)
    rig.finish()

    again = rig.gateway.submit(instruction)

    rig.finish()
    results = rig.heard(instruction, CallbackKind.RESULT, count=2)
    assert again.kind is (ACCEPTED if scenario == "duplicate_async" else IN_DOUBT)
    assert [each.kind for each in results][:1] == [SETTLED]
    assert {each.kind for each in results} <= {SETTLED, IN_DOUBT}
    assert len(rig.movements(instruction)) == 1


def test_a_rail_that_is_down_was_not_sent_anything(rig: Rig) -> None:
    away = replace(rig.account, base_url="http://127.0.0.1:9")
    gateway = MpesaGateway(RailSession(["http://127.0.0.1:9"], QUICK), TokenCache(None))
    instruction = replace(rig.instruction(), account=away)

    assert gateway.submit(instruction).kind is NOT_SENT


@pytest.mark.parametrize(
    ("amount", "kind"),
    [("10", ACCEPTED), ("250000", ACCEPTED), ("9", REJECTED), ("250001", REJECTED)],
)
def test_limits(rig: Rig, amount: str, kind: OutcomeKind) -> None:
    assert rig.gateway.submit(rig.instruction(amount=amount)).kind is kind


def test_a_callback_address_that_daraja_refuses_is_a_plain_no(rig: Rig) -> None:
    made = rig.instruction()
    urls = replace(made.callbacks, result=f"{rig.receiver.url}/mpesa/result")

    outcome = rig.gateway.submit(replace(made, callbacks=urls))

    assert outcome.kind is REJECTED
    assert rig.movements(made) == []
