"""Callbacks of the reference and worse ones: only code, amount and receipt together settle."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pettycash.gateways.base import CallbackKind, OutcomeKind
from pettycash.gateways.mpesa.callbacks import (
    read_facts,
)
from tests.gateways.mpesa.daraja_samples import (
    CONFIG,
    FAILED,
    FLAT,
    IN_DOUBT,
    PAID,
    QUERY_RESULT,
    QUERY_TIMEOUT,
    REJECTED,
    RESULT,
    SETTLED,
    STATUS,
    TIMEOUT,
    changed,
    read,
    with_parameter,
)


def test_a_paid_result() -> None:
    facts = read(RESULT, PAID)

    assert facts.verdict.kind is SETTLED
    assert facts.code == "0"
    assert facts.amount == Decimal(10)
    assert facts.provider_reference == "SG632NMUAB"
    assert facts.destination == "254705912645"
    assert facts.occurred_at == datetime(2024, 7, 6, 19, 48, 52, tzinfo=UTC)
    assert facts.originator_id == "REQ-2026-000123-1-1"
    assert facts.conversation_id == "AG_20240706_2010364430d9bbdaf872"
    assert facts.fee is None


@pytest.mark.parametrize("code", ["0", " 0 ", 0, "00", "000", "00 "])
@pytest.mark.parametrize("result_type", ["0", 0, "00"])
def test_codes_as_text_and_as_number(code: Any, result_type: Any) -> None:
    body = changed(PAID, ResultCode=code, ResultType=result_type)

    assert read(RESULT, body).verdict.kind is SETTLED


@pytest.mark.parametrize(
    "code", [False, None, [], {}, 0.0, "", "0.0", "0 0", "-0", "01", "zero", -0.5]
)
def test_a_code_that_is_no_plain_zero_does_not_settle(code: Any) -> None:
    assert read(RESULT, changed(PAID, ResultCode=code)).verdict.kind is IN_DOUBT


@pytest.mark.parametrize("result_type", [1, "1", None, True, "x"])
def test_a_result_that_announces_more_is_not_final(result_type: Any) -> None:
    assert read(RESULT, changed(PAID, ResultType=result_type)).verdict.kind is IN_DOUBT
    assert read(RESULT, changed(FAILED, ResultType=result_type)).verdict.kind is IN_DOUBT
    assert read(QUERY_RESULT, changed(STATUS, ResultType=result_type)).verdict.kind is IN_DOUBT


@pytest.mark.parametrize("value", ["10", "10.00", "10.0", 10, 10.00, "10.000", " 10 "], ids=repr)
def test_amounts_as_text_and_number(value: Any) -> None:
    facts = read(RESULT, with_parameter(PAID, "TransactionAmount", value))

    assert facts.verdict.kind is SETTLED
    assert str(facts.amount) == "10.00"


@pytest.mark.parametrize(
    "values",
    [
        (),
        ("0",),
        (0,),
        (-10,),
        ("-10",),
        ("1e3",),
        ("10,00",),
        ("1,000.00",),
        ("KES 10",),
        ("",),
        (None,),
        (True,),
        ([10],),
        ({"BasicAmount": 10},),
        ("10.005",),
        (10.005,),
        (10**20,),
        ("9" * 30,),
        (1e300,),
        (1e-300,),
        ("NaN",),
        ("१०",),
        (10, 11),
        ("10", "1000"),
    ],
    ids=repr,
)
def test_without_one_proper_amount_nothing_settles(values: tuple[Any, ...]) -> None:
    facts = read(RESULT, with_parameter(PAID, "TransactionAmount", *values))

    assert facts.verdict.kind is IN_DOUBT
    assert facts.amount is None


def test_the_same_amount_twice_is_one_amount() -> None:
    facts = read(RESULT, with_parameter(PAID, "TransactionAmount", 10, 10))

    assert facts.verdict.kind is SETTLED


@pytest.mark.parametrize(
    "values",
    [(), ("",), (None,), ("OAK0000000",), ("x",), ("SG632NMUAB", "SG632NMUAC"), ("a b c d e f",)],
    ids=repr,
)
def test_without_a_receipt_nothing_settles(values: tuple[Any, ...]) -> None:
    # TransactionID is there all the same: it is on failures too, so it proves nothing
    facts = read(RESULT, with_parameter(PAID, "TransactionReceipt", *values))

    assert facts.verdict.kind is IN_DOUBT
    assert facts.provider_reference is None


RESULT_KINDS = {
    REJECTED: """1 2 3 4 5 6 7 8 10 11 12 13 14 18 20 21 22 24 25 29 1019 2001 2006 2028 2040 8006
        SFC_IC0003 TP40153 100000005 100000010""",
    IN_DOUBT: """15 17 19 26 100000000 100000001 100000002 100000004 100000007 100000009 100000011
        4999 1001 1025 1031 1032 1037 9999 1050 1051 4001 4102 4104 R000001 R000002 C2B00011
        7777 -1 99999999999999999999999999 SFC_IC0004 sfc_ic0003""",
}


@pytest.mark.parametrize(
    ("code", "kind"),
    [(code, kind) for kind, codes in RESULT_KINDS.items() for code in codes.split()],
)
def test_result_codes_by_their_class(code: str, kind: OutcomeKind) -> None:
    facts = read(RESULT, changed(FAILED, ResultCode=code))

    assert facts.verdict.kind is kind
    assert facts.provider_reference is None
    if code.isdecimal():
        assert read(RESULT, changed(FAILED, ResultCode=int(code))).verdict.kind is kind


def test_every_listed_result_code_is_tested() -> None:
    tested = {code for codes in RESULT_KINDS.values() for code in codes.split()} | {"0"}

    assert set(CONFIG.result_codes) <= tested


@pytest.mark.parametrize("code", [11, 18, 20, 21, 22, 2001, 2028, 8006, "TP40153", 100000010])
def test_failures_that_a_person_has_to_mend_say_so(code: Any) -> None:
    assert read(RESULT, changed(FAILED, ResultCode=code)).verdict.configuration_fault
    assert not read(RESULT, changed(FAILED, ResultCode=1)).verdict.configuration_fault


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        "x",
        [],
        {},
        {"ResultParameter": None},
        {"ResultParameter": {"Key": "BOCompletedTime", "Value": 20200120164825}},
        {"ResultParameter": [{"Key": "BOCompletedTime", "Value": 20200120164825}]},
        {"ResultParameter": [None, 1, "x", [], {}, {"Key": 1, "Value": 2}, {"Value": 3}]},
    ],
    ids=repr,
)
def test_failures_with_parameters_of_every_shape(parameters: Any) -> None:
    body = changed(FAILED, ResultCode=1, ResultParameters=parameters)

    assert read(RESULT, body).verdict.kind is REJECTED


def test_a_failure_with_a_receipt_contradicts_itself() -> None:
    assert read(RESULT, changed(PAID, ResultCode=1)).verdict.kind is IN_DOUBT


def test_one_parameter_without_a_list_is_read() -> None:
    body = changed(
        PAID,
        ResultParameters={"ResultParameter": {"Key": "TransactionAmount", "Value": 10}},
    )

    facts = read(RESULT, body)

    assert facts.amount == Decimal(10)
    assert facts.verdict.kind is IN_DOUBT


def test_a_key_that_json_names_twice_with_two_values_makes_it_unreadable() -> None:
    body = json.dumps(PAID).replace('"ResultCode": 0', '"ResultCode": 1, "ResultCode": 0').encode()

    assert read_facts(RESULT, body, CONFIG).verdict.kind is IN_DOUBT


def test_what_a_forged_result_is_about_shows() -> None:
    body = with_parameter(
        changed(PAID, OriginatorConversationID="somebody-elses"), "TransactionAmount", 250_000
    )
    body = with_parameter(body, "ReceiverPartyPublicName", "254799999999 - X")

    facts = read(RESULT, body)

    assert facts.originator_id == "somebody-elses"
    assert facts.amount == Decimal(250_000)
    assert facts.destination == "254799999999"


# queue time-outs


def test_a_flat_queue_timeout_is_in_doubt_and_says_what_it_is_about() -> None:
    facts = read(TIMEOUT, FLAT)

    assert facts.verdict.kind is IN_DOUBT
    assert facts.code == "callback.queue_timeout"
    assert facts.originator_id == "REQ-2026-000123-1-1"
    assert facts.amount == Decimal(10)
    assert facts.destination == "254705912645"


@pytest.mark.parametrize("purpose", [TIMEOUT, QUERY_TIMEOUT])
@pytest.mark.parametrize("body", [PAID, FAILED, STATUS], ids=["paid", "failed", "status"])
def test_an_enveloped_queue_timeout_is_in_doubt_whatever_its_code(
    purpose: CallbackKind, body: dict[str, Any]
) -> None:
    assert read(purpose, body).verdict.kind is IN_DOUBT


def test_the_ids_of_a_querys_queue_timeout_are_the_querys() -> None:
    facts = read(QUERY_TIMEOUT, STATUS)

    assert facts.asked_reference == "AG_20180223_0000493344ae97d86f75"
    assert facts.conversation_id is None
    assert facts.originator_id is None


@pytest.mark.parametrize("purpose", [RESULT, QUERY_RESULT])
def test_a_request_that_comes_back_to_a_result_url_is_in_doubt(purpose: CallbackKind) -> None:
    facts = read(purpose, FLAT)

    assert facts.verdict.kind is IN_DOUBT
    assert facts.code == "callback.unrecognised"
