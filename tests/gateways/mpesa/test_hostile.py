"""Whatever bytes arrive are read, and none settles without code, amount and receipt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pettycash.gateways.base import CallbackKind
from pettycash.gateways.mpesa.callbacks import (
    read_facts,
)
from tests.gateways.mpesa.daraja_samples import (
    CONFIG,
    IN_DOUBT,
    PAID,
    QUERY_RESULT,
    REJECTED,
    RESULT,
    SETTLED,
    STATUS,
    read,
)

PURPOSES = st.sampled_from(list(CallbackKind))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        [
            "0",
            0,
            "Completed",
            "Declined",
            "10",
            10,
            "SG632NMUAB",
            "254705912645 - X",
            "06.07.2024 22:48:52",
            "Fee|KES|1.00",
        ]
    )
)
KEYS = st.sampled_from(
    [
        "TransactionAmount",
        "TransactionReceipt",
        "ReceiverPartyPublicName",
        "TransactionCompletedDateTime",
        "TransactionStatus",
        "ReceiptNo",
        "Amount",
        "CreditPartyName",
        "DebitPartyName",
        "DebitPartyCharges",
        "FinalisedTime",
        "OriginatorConversationID",
        "ConversationID",
    ]
)
ITEMS = st.lists(
    st.fixed_dictionaries({}, optional={"Key": KEYS | SCALARS, "Value": SCALARS})
    | SCALARS
    | st.builds(lambda key, value: {"Key": key, "Value": value}, KEYS, SCALARS),
    max_size=12,
)
RESULTS = st.fixed_dictionaries(
    {},
    optional={
        "ResultType": SCALARS,
        "ResultCode": SCALARS,
        "ResultDesc": SCALARS,
        "OriginatorConversationID": SCALARS,
        "ConversationID": SCALARS,
        "TransactionID": SCALARS,
        "ResultParameters": SCALARS
        | ITEMS
        | st.builds(lambda items: {"ResultParameter": items}, ITEMS | SCALARS),
    },
)


@given(PURPOSES, st.binary(max_size=400))
def test_any_bytes_are_read_and_none_settles(purpose: CallbackKind, body: bytes) -> None:
    assert read_facts(purpose, body, CONFIG).verdict.kind is IN_DOUBT


@given(PURPOSES, st.builds(lambda result: {"Result": result}, RESULTS | SCALARS | ITEMS))
def test_any_envelope_is_read_and_settles_only_on_full_proof(
    purpose: CallbackKind, body: dict[str, Any]
) -> None:
    facts = read(purpose, body)

    if facts.verdict.kind is SETTLED:
        assert purpose in (RESULT, QUERY_RESULT)
        assert str(body["Result"]["ResultCode"]).strip() == "0"
        assert facts.amount is not None
        assert facts.amount > 0
        assert facts.provider_reference
    if facts.verdict.kind is REJECTED:
        assert purpose in (RESULT, QUERY_RESULT)


@given(
    st.sampled_from([PAID, STATUS]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_a_true_result_with_bytes_changed_is_still_read(
    body: dict[str, Any], changes: list[tuple[int, int]]
) -> None:
    raw = bytearray(json.dumps(body).encode())
    for position, byte in changes:
        raw[position % len(raw)] = byte
    purpose = RESULT if body is PAID else QUERY_RESULT

    facts = read_facts(purpose, bytes(raw), CONFIG)

    if facts.verdict.kind is SETTLED:
        assert facts.amount is not None
        assert facts.provider_reference is not None


OVERFLOWING = json.dumps(PAID).encode().replace(b'"Value": 10}', b'"Value": 1e999999999999999999}')


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"Result":' * 50_000,
        b'{"Result": {"ResultCode": 1' + b"0" * 5000 + b"}}",
        b'{"Result": {"ResultCode": 1e999999999999999999999}}',
        OVERFLOWING,
        b'{"Result": {"ResultCode": NaN}}',
        b"\xef\xbb\xbf{}",
        b"\x00" * 100,
        b"x" * 1_000_000,
    ],
    ids=lambda body: repr(body[:24]),
)
@pytest.mark.parametrize("purpose", list(CallbackKind))
def test_hostile_bodies_are_read(purpose: CallbackKind, body: bytes) -> None:
    assert read_facts(purpose, body, CONFIG).verdict.kind is IN_DOUBT
