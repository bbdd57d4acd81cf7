"""Status queries answer about the payment inside, and values are read as the reference says."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pettycash.gateways.base import OutcomeKind
from pettycash.gateways.mpesa.callbacks import (
    fee_of,
    phone_of,
    time_of,
)
from tests.gateways.mpesa.daraja_samples import (
    FAILED,
    IN_DOUBT,
    QUERY_RESULT,
    REJECTED,
    SETTLED,
    STATUS,
    changed,
    read,
    with_parameter,
)


def test_a_completed_status() -> None:
    facts = read(QUERY_RESULT, STATUS)

    assert facts.verdict.kind is SETTLED
    assert facts.code == "Completed"
    assert facts.amount == Decimal(300)
    assert facts.fee == Decimal("22.40")
    assert facts.provider_reference == "MBN31H462N"
    assert facts.destination == "254708374149"
    assert facts.occurred_at == datetime(2018, 2, 23, 2, 41, 12, tzinfo=UTC)
    # outside the query's ids, inside the payment's
    assert facts.asked_reference == "AG_20180223_0000493344ae97d86f75"
    assert facts.conversation_id == "AG_20180223_000041b09c22e613d6c9"
    assert facts.originator_id == "3211-416020-3"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("Completed", SETTLED),
        ("completed", SETTLED),
        ("Cancelled", REJECTED),
        ("Declined", REJECTED),
        ("Expired", REJECTED),
        ("Initiated", IN_DOUBT),
        ("Authorized", IN_DOUBT),
        ("Pending Authorized", IN_DOUBT),
        ("Reversed", IN_DOUBT),
        ("", IN_DOUBT),
        (None, IN_DOUBT),
        (0, IN_DOUBT),
        (["Completed"], IN_DOUBT),
    ],
)
def test_transaction_statuses(status: Any, kind: OutcomeKind) -> None:
    body = with_parameter(STATUS, "TransactionStatus", status)

    assert read(QUERY_RESULT, body).verdict.kind is kind


def test_two_statuses_are_none() -> None:
    body = with_parameter(STATUS, "TransactionStatus", "Declined", "Completed")

    assert read(QUERY_RESULT, body).verdict.kind is IN_DOUBT


@pytest.mark.parametrize("key", ["Amount", "ReceiptNo", "TransactionStatus"])
def test_a_completed_status_without_its_proof_is_in_doubt(key: str) -> None:
    assert read(QUERY_RESULT, with_parameter(STATUS, key)).verdict.kind is IN_DOUBT


@pytest.mark.parametrize("code", [25, "SFC_IC0003", 21, 2001, 8006, 1, 2032, "15", None, "x"])
def test_a_query_that_failed_says_nothing_of_the_payment(code: Any) -> None:
    for body in (STATUS, FAILED):
        facts = read(QUERY_RESULT, changed(body, ResultCode=code))
        assert facts.verdict.kind is IN_DOUBT


@pytest.mark.parametrize("code", [21, 2001, 8006])
def test_a_query_refused_for_its_initiator_says_that_a_person_has_to_act(code: int) -> None:
    assert read(QUERY_RESULT, changed(FAILED, ResultCode=code)).verdict.configuration_fault


def test_the_second_debit_party_of_the_official_sample_is_the_credit_party() -> None:
    body = with_parameter(STATUS, "CreditPartyName")
    body["Result"]["ResultParameters"]["ResultParameter"] = [
        item
        for item in body["Result"]["ResultParameters"]["ResultParameter"]
        if item["Key"] != "CreditPartyName"
    ]
    body = with_parameter(body, "DebitPartyName", "600310 - Safaricom333", "254708374149 - J D")

    assert read(QUERY_RESULT, body).destination == "254708374149"


@pytest.mark.parametrize(
    ("text", "fee"),
    [
        ("Fee For B2C Payment|KES|22.40", Decimal("22.40")),
        ("Fee For B2C Payment | KES | 22.4", Decimal("22.40")),
        ("Fee For B2C Payment|KES|22.40&Levy|KES|0.60", Decimal("23.00")),
        ("Fee For B2C Payment|KES|0.00", Decimal(0)),
        ("Fee For B2C Payment|KES|0", Decimal(0)),
        ("", None),
        ("22.40", None),
        ("Fee For B2C Payment|UGX|22.40", None),
        ("Fee For B2C Payment|KES|-22.40", None),
        ("Fee For B2C Payment|KES|", None),
        ("Fee For B2C Payment|KES|22.40&", None),
        ("a|KES|1&b|USD|1", None),
        (22.40, None),
        (None, None),
        (["Fee|KES|1"], None),
    ],
)
def test_fees(text: Any, fee: Decimal | None) -> None:
    assert fee_of(text, "KES") == fee


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("06.07.2024 22:48:52", datetime(2024, 7, 6, 19, 48, 52, tzinfo=UTC)),
        ("20200120164825", datetime(2020, 1, 20, 13, 48, 25, tzinfo=UTC)),
        (20200120164825, datetime(2020, 1, 20, 13, 48, 25, tzinfo=UTC)),
        # an hour after midnight in Nairobi is still the day before in UTC
        ("01.01.2025 01:00:00", datetime(2024, 12, 31, 22, 0, 0, tzinfo=UTC)),
        ("29.02.2024 00:00:00", datetime(2024, 2, 28, 21, 0, 0, tzinfo=UTC)),
        ("29.02.2023 00:00:00", None),
        ("2024-07-06T22:48:52", None),
        ("07/06/2024 22:48:52", None),
        ("00010101000000", None),
        ("99991231235959", datetime(9999, 12, 31, 20, 59, 59, tzinfo=UTC)),
        ("20201301000000", None),
        ("٢٠٢٠٠١٢٠١٦٤٨٢٥", None),
        (True, None),
        (None, None),
        ({}, None),
    ],
)
def test_times(text: Any, moment: datetime | None) -> None:
    assert time_of(text) == moment


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("254705912645 - JANE DOE", "254705912645"),
        ("254705912645", "254705912645"),
        (" +254705912645 - X", "254705912645"),
        ("0705912645 - X", "254705912645"),
        (254705912645, "254705912645"),
        ("2547059****45 - X", None),
        ("2547059126455 - X", None),
        ("254705912645*", None),
        ("JANE DOE - 254705912645", None),
        ("600310 - Safaricom333", None),
        ("", None),
        (None, None),
        (True, None),
        (10**20, None),
        ([254705912645], None),
    ],
)
def test_phones(text: Any, phone: str | None) -> None:
    assert phone_of(text) == phone
