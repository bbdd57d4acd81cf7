"""Callbacks and questions against the simulator: what they prove, held against the money moved."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pettycash.gateways.base import (
    Asked,
    CallbackKind,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
)
from pettycash.lab.simulators.mpesa.catalogue import FAULTS, Dimension
from tests.gateways.rig import Rig

NOT_SENT, ACCEPTED, SETTLED, REJECTED, NOT_KNOWN, IN_DOUBT = (
    OutcomeKind.NOT_SENT,
    OutcomeKind.ACCEPTED,
    OutcomeKind.SETTLED,
    OutcomeKind.REJECTED,
    OutcomeKind.NOT_KNOWN,
    OutcomeKind.IN_DOUBT,
)


# results


@pytest.mark.parametrize(
    ("scenario", "kinds"),
    [
        ("callback_never", []),
        ("callback_twice", [SETTLED, SETTLED]),
        ("callback_times:20", [SETTLED] * 20),
        ("callback_early", [SETTLED]),
        ("callback_late:0.3", [SETTLED]),
        ("settle_late:0.3", [SETTLED]),
        ("callback_malformed", [IN_DOUBT]),
        ("callback_empty", [IN_DOUBT]),
        ("callback_html", [IN_DOUBT]),
        ("callback_huge", [SETTLED]),
        ("callback_waiting", [IN_DOUBT, SETTLED]),
        ("callback_gateway_id", [SETTLED]),
        ("style_strings", [SETTLED]),
        ("style_object", [SETTLED]),
        ("style_references", [SETTLED]),
        ("fail_1", [REJECTED]),
        ("fail_1+style_strings", [REJECTED]),
        ("fail_1+style_object", [REJECTED]),
        ("fail_1+style_list", [REJECTED]),
        ("fail_1+style_generic_receipt", [REJECTED]),
        ("fail_2001", [REJECTED]),
        ("fail_8006", [REJECTED]),
        ("fail_2040", [REJECTED]),
        ("fail_SFC_IC0003", [REJECTED]),
        ("fail_15", [IN_DOUBT]),
        ("fail_17", [IN_DOUBT]),
        ("fail_26", [IN_DOUBT]),
        ("fail_77777", [IN_DOUBT]),
    ],
)
def test_results(rig: Rig, scenario: str, kinds: list[OutcomeKind]) -> None:
    instruction = rig.with_fault(scenario)

    sent = rig.gateway.submit(instruction)
    rig.finish()
    results = rig.heard(instruction, CallbackKind.RESULT, count=len(kinds))

    assert sent.kind is ACCEPTED
    assert [each.kind for each in results] == kinds
    moved = rig.movements(instruction)
    for result in results:
        if result.kind is SETTLED:
            assert result.agreement(instruction, conversation_id=sent.conversation_id).complete
            assert result.provider_reference == moved[0]["provider_reference"]
        if result.kind is REJECTED:
            assert moved == []


def test_repeated_keys_with_other_values_prove_nothing(rig: Rig) -> None:
    instruction = rig.with_fault("style_repeated_keys")
    rig.gateway.submit(instruction)
    rig.finish()

    [result] = rig.heard(instruction, CallbackKind.RESULT)

    # whichever key was repeated: what is left either is a full proof of the truth, or none
    if result.kind is SETTLED:
        assert result.amount == instruction.amount
        assert result.provider_reference == rig.movements(instruction)[0]["provider_reference"]
    else:
        assert result.kind is IN_DOUBT


@pytest.mark.parametrize(
    ("scenario", "contradicted"),
    [("callback_wrong_amount", ("amount",)), ("callback_wrong_payee", ("destination",))],
)
def test_a_result_about_other_money_shows_it(
    rig: Rig, scenario: str, contradicted: tuple[str, ...]
) -> None:
    instruction = rig.with_fault(scenario)
    sent = rig.gateway.submit(instruction)
    rig.finish()

    [result] = rig.heard(instruction, CallbackKind.RESULT)

    agreement = result.agreement(instruction, conversation_id=sent.conversation_id)
    assert agreement.contradicted == contradicted


def test_a_result_about_an_unknown_id_is_not_ours(rig: Rig) -> None:
    instruction = rig.with_fault("callback_unknown_id")
    sent = rig.gateway.submit(instruction)
    rig.finish()

    stranger, ours = rig.heard(instruction, CallbackKind.RESULT, count=2)

    conversation = sent.conversation_id
    assert not stranger.agreement(instruction, conversation_id=conversation).complete
    assert ours.agreement(instruction, conversation_id=conversation).complete


@pytest.mark.parametrize("notice", ["flat", "envelope"])
@pytest.mark.parametrize(
    ("after", "kinds", "moves"),
    [
        ("", [], False),
        ("_moved", [], True),
        ("_then_success", [SETTLED], True),
        ("_then_failure", [REJECTED], False),
    ],
)
def test_a_queue_timeout_is_in_doubt_whatever_comes_after(
    rig: Rig, notice: str, after: str, kinds: list[OutcomeKind], moves: bool
) -> None:
    instruction = rig.with_fault(f"queue_timeout_{notice}{after}")
    rig.gateway.submit(instruction)
    rig.finish()

    [heard] = rig.heard(instruction, CallbackKind.TIMEOUT)
    results = rig.heard(instruction, CallbackKind.RESULT, count=len(kinds))

    assert heard.kind is IN_DOUBT
    assert heard.originator_reference == instruction.originator_reference
    assert [each.kind for each in results] == kinds
    assert len(rig.movements(instruction)) == moves
    kept = str(heard.exchange.response)
    assert instruction.destination not in kept
    assert "SecurityCredential" not in kept or "[cut]" in kept


# questions


def asked_about(rig: Rig, scenario: str) -> PayoutInstruction:
    instruction = rig.with_fault(f"callback_never+{scenario}" if scenario else "callback_never")
    rig.gateway.submit(instruction)
    rig.finish()
    return instruction


@pytest.mark.parametrize(
    ("scenario", "asked", "kinds"),
    [
        ("", True, [SETTLED]),
        ("fail_1", True, [REJECTED]),
        ("fail_1019", True, [REJECTED]),
        ("query_lost", True, []),
        ("query_answer_lost", False, [SETTLED]),
        ("query_answer_lost_before", False, []),
        ("query_too_many_requests", False, []),
        ("query_spike_arrest", False, []),
        ("query_bad_gateway", False, []),
        ("query_internal_error", False, []),
        ("query_token_expired", True, [SETTLED]),
        ("query_initiated", True, [IN_DOUBT]),
        ("query_authorized", True, [IN_DOUBT]),
        ("query_pending", True, [IN_DOUBT]),
        ("query_odd_status", True, [IN_DOUBT]),
        ("query_unknown", True, [NOT_KNOWN]),
        ("query_twice", True, [SETTLED, SETTLED]),
        ("query_malformed", True, [IN_DOUBT]),
        ("query_repeated_keys", True, [SETTLED]),
        ("query_strings", True, [SETTLED]),
        ("query_late:0.3", True, [SETTLED]),
        ("query_slow:2", False, [SETTLED]),
        ("query_fail_21", True, [IN_DOUBT]),
        ("query_fail_25", True, [IN_DOUBT]),
        ("query_fail_2001", True, [IN_DOUBT]),
        ("query_fail_SFC_IC0003", True, [IN_DOUBT]),
    ],
)
def test_questions(rig: Rig, scenario: str, asked: bool, kinds: list[OutcomeKind]) -> None:
    instruction = asked_about(rig, scenario)

    answer = rig.gateway.query(instruction)
    results = rig.heard(instruction, CallbackKind.QUERY_RESULT, count=len(kinds))
    rig.finish()

    assert isinstance(answer, Asked) is asked
    if isinstance(answer, Outcome):
        assert answer.kind is IN_DOUBT
    assert [each.kind for each in results] == kinds
    for result in results:
        if result.kind is SETTLED:
            assert result.agreement(instruction).complete
        if result.kind is REJECTED:
            assert rig.movements(instruction) == []


@pytest.mark.parametrize("scenario", ["query_queue_timeout", "query_queue_timeout_envelope"])
def test_a_questions_own_queue_timeout_leaves_the_payment_in_doubt(rig: Rig, scenario: str) -> None:
    instruction = asked_about(rig, scenario)
    rig.gateway.query(instruction)

    [heard] = rig.heard(instruction, CallbackKind.QUERY_TIMEOUT)

    assert heard.kind is IN_DOUBT


def test_a_question_about_what_the_rail_never_saw_is_answered_so(rig: Rig) -> None:
    instruction = rig.instruction()

    assert isinstance(rig.gateway.query(instruction), Asked)

    [answer] = rig.heard(instruction, CallbackKind.QUERY_RESULT)
    assert answer.kind is NOT_KNOWN


def test_every_fault_of_questions_is_met() -> None:
    marks = [each for each in test_questions.pytestmark if each.name == "parametrize"]
    named = {row[0].partition(":")[0] for row in marks[0].args[1]}
    named |= {"query_queue_timeout", "query_queue_timeout_envelope"}

    faults = {each.name for each in FAULTS.values() if each.dimension is Dimension.QUERY}
    assert faults <= named


def test_wrong_credentials_are_accepted_and_fail_later(rig: Rig) -> None:
    wrong = {**rig.account.credentials, "initiator_password": "wrong"}
    instruction = replace(rig.instruction(), account=replace(rig.account, credentials=wrong))

    sent = rig.gateway.submit(instruction)
    [result] = rig.heard(instruction, CallbackKind.RESULT)
    rig.simulator.order("switches", initiator_locked=False)

    assert sent.kind is ACCEPTED
    assert (result.kind, result.code) == (REJECTED, "2001")
    assert result.configuration_fault
