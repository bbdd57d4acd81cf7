"""What M-Pesa takes: amounts, numbers and references."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pettycash.gateways.base import (
    DestinationNotUnderstood,
)
from pettycash.gateways.kit.http import RailSession
from pettycash.gateways.kit.tokens import TokenCache
from pettycash.gateways.mpesa import MpesaConfig, MpesaGateway

PLAIN = MpesaGateway(RailSession([]), TokenCache(None))


@pytest.mark.parametrize(
    ("amount", "currency", "destination", "fields"),
    [
        ("10", "KES", "254712345678", []),
        ("10.00", "KES", "254112345678", []),
        ("250000", "KES", "254712345678", []),
        ("9", "KES", "254712345678", ["amount"]),
        ("250001", "KES", "254712345678", ["amount"]),
        ("10.50", "KES", "254712345678", ["amount"]),
        ("0", "KES", "254712345678", ["amount"]),
        ("-10", "KES", "254712345678", ["amount"]),
        ("NaN", "KES", "254712345678", ["amount"]),
        ("Infinity", "KES", "254712345678", ["amount"]),
        ("10", "USD", "254712345678", ["currency"]),
        ("10", "KES", "254212345678", ["destination"]),
        ("10", "KES", "+254712345678", ["destination"]),
        ("10", "KES", "2547123456789", ["destination"]),
        ("10", "KES", "254712345678\n", ["destination"]),
        ("10", "KES", "", ["destination"]),
        ("1.5", "UGX", "07", ["currency", "amount", "destination"]),
    ],
)
def test_rules_of_a_payment(
    amount: str, currency: str, destination: str, fields: list[str]
) -> None:
    found = PLAIN.validate(Decimal(amount), currency, destination)

    assert [each.field for each in found] == fields


def test_the_limits_are_configuration() -> None:
    config = MpesaConfig(amount_min=Decimal(1), amount_max=Decimal(150_000))
    gateway = MpesaGateway(RailSession([]), TokenCache(None), config)

    assert gateway.validate(Decimal(1), "KES", "254712345678") == []
    assert "1 to 150000" in gateway.validate(Decimal(200_000), "KES", "254712345678")[0].message


@pytest.mark.parametrize(
    "raw",
    [
        "0712345678",
        "712345678",
        "254712345678",
        "+254712345678",
        "+254 712 345 678",
        "0712-345-678",
        "(0712) 345.678",
        " 0712345678 ",
        "+2540712345678",
        "00254712345678",
        "00 254 712 345 678",
        "000254712345678",
        "tel:0712345678",
        "TEL:+254-712-345-678",
        "\u202a+254 712 345 678\u202c",
        "\u200e0712\u00a0345\u00a0678",
        "0712\u2011345\u2013678",
        "\u200b0712345678\ufeff",
        "\uff0b254\uff17\uff11\uff12345678",
    ],
)
def test_one_number_has_one_spelling(raw: str) -> None:
    assert PLAIN.normalise_destination(raw) == "254712345678"


def test_the_newer_prefix_is_known() -> None:
    assert PLAIN.normalise_destination("0112345678") == "254112345678"


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        "07123",
        "07123456789",
        "0812345678",
        "0212345678",
        "+256712345678",
        "+447911123456",
        "0712 CALL NOW",
        "0712345678 ext 5",
        "0712345678;ext=5",
        "٠٧١٢٣٤٥٦٧٨",
        "0712345678\x00",
        "tel:0712345678;ext=5",
        "tel:",
        "00",
        "00712345678",
        "0" * 400,
    ],
)
def test_what_is_no_kenyan_mobile_number_is_not_understood(raw: str) -> None:
    with pytest.raises(DestinationNotUnderstood) as caught:
        PLAIN.normalise_destination(raw)

    assert not raw.strip() or raw not in caught.value.detail


@given(st.text(max_size=40))
def test_any_text_is_a_destination_that_validates_or_is_refused(raw: str) -> None:
    try:
        spelt = PLAIN.normalise_destination(raw)
    except DestinationNotUnderstood:
        return
    assert PLAIN.validate(Decimal(10), "KES", spelt) == []
    assert PLAIN.normalise_destination(spelt) == spelt


def test_a_short_reference_stays_readable() -> None:
    assert PLAIN.shape_reference("REQ-2026-000123-1-1") == "REQ-2026-000123-1-1"


@given(st.text(max_size=80))
def test_a_reference_always_has_the_form_that_daraja_takes(derived: str) -> None:
    shaped = PLAIN.shape_reference(derived)

    assert 1 <= len(shaped) < 20
    assert all(each.isascii() and (each.isalnum() or each == "-") for each in shaped)
    assert PLAIN.shape_reference(derived) == shaped


def test_references_that_differ_stay_different() -> None:
    derived = [
        f"requisition-{n}/payment-{m}/attempt-{k}"
        for n in range(50)
        for m in range(20)
        for k in range(5)
    ]

    assert len({PLAIN.shape_reference(each) for each in derived}) == len(derived)
