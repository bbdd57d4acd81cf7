"""Transaction status queries: asynchronous, truthful about the payment, spoilt on request."""

import json
from collections.abc import Callable

import pytest
import requests

from pettycash.lab.simulators.mpesa import catalogue
from pettycash.lab.simulators.mpesa.catalogue import Dimension
from tests.lab.simulators.daraja import Asked, Daraja

REFUSED: dict[str, tuple[int, str] | None] = {
    "query_answer_lost_before": None,
    "query_too_many_requests": (429, "SpikeArrestViolation"),
    "query_spike_arrest": (500, '"500.003.02"'),
    "query_bad_gateway": (502, "<html>"),
    "query_internal_error": (500, '"500.001.1001"'),
    "query_token_expired": (401, '"401.002.01"'),
}
HELD_BACK = {
    "query_initiated": "Initiated",
    "query_authorized": "Authorized",
    "query_pending": "Pending Authorized",
    "query_odd_status": "Under Review",
}
OTHERS = {
    "query_lost",
    "query_answer_lost",
    "query_queue_timeout",
    "query_queue_timeout_envelope",
    "query_unknown",
    "query_twice",
    "query_malformed",
    "query_repeated_keys",
    "query_strings",
    "query_late",
    "query_slow",
}


def test_every_fault_of_a_query_has_a_test_here() -> None:
    names = {f.name for f in catalogue.FAULTS.values() if f.dimension is Dimension.QUERY}
    assert set(REFUSED) | set(HELD_BACK) | OTHERS == names


def _status(asked: Asked) -> str:
    assert asked.json["ResponseCode"] == "0"
    status: str = asked.results()[0].values["TransactionStatus"]
    return status


def test_completed(client: Daraja) -> None:
    paid = client.pay(Amount="300")
    asked = client.ask(OriginalConversationID=paid.reference)

    accepted = asked.json
    assert accepted["ResponseCode"] == "0"
    [delivery] = asked.results()
    told, values = delivery.result, delivery.values
    assert told["ResultCode"] == 0
    assert told["OriginatorConversationID"] == accepted["OriginatorConversationID"]
    assert told["ConversationID"] == accepted["ConversationID"]
    assert told["OriginatorConversationID"] != paid.reference
    assert told["TransactionID"].endswith("0000000")
    assert values["OriginatorConversationID"] == paid.reference
    assert values["ConversationID"] == paid.json["ConversationID"]
    assert values["TransactionStatus"] == "Completed"
    assert values["Amount"] == "300"
    assert values["ReceiptNo"] == paid.movements[0]["provider_reference"]
    assert values["DebitPartyCharges"] == "Fee For B2C Payment|KES|15.27"
    assert values["CreditPartyName"].startswith(str(paid.body["PartyB"]))
    assert len(values["FinalisedTime"]) == 14
    assert len(paid.movements) == 1


def test_by_receipt(client: Daraja) -> None:
    paid = client.pay()
    receipt = paid.movements[0]["provider_reference"]

    assert _status(client.ask(TransactionID=receipt)) == "Completed"


def test_a_receipt_that_is_not_this_payments(client: Daraja) -> None:
    one, other = client.pay(), client.pay()
    receipt = other.movements[0]["provider_reference"]

    asked = client.ask(OriginalConversationID=one.reference, TransactionID=receipt)

    assert asked.results()[0].result["ResultCode"] == 2033


@pytest.mark.parametrize(
    ("code", "status"), [("1", "Declined"), ("1019", "Expired"), ("17", "Cancelled")]
)
def test_refused_payments_say_so(client: Daraja, code: str, status: str) -> None:
    paid = client.pay(scenario=f"fail_{code}")
    asked = client.ask(OriginalConversationID=paid.reference)

    assert _status(asked) == status
    assert "DebitPartyCharges" not in asked.results()[0].values


def test_pending_while_it_is_not_settled(client: Daraja) -> None:
    paid = client.pay(scenario="settle_late:1+callback_never")

    assert _status(client.ask(OriginalConversationID=paid.reference)) == "Initiated"
    assert paid.movements == []
    assert len(paid.results(1, seconds=1.2)) == 0
    assert _status(client.ask(OriginalConversationID=paid.reference)) == "Completed"


def test_an_id_never_seen(client: Daraja, start: Callable[..., Daraja]) -> None:
    told = client.ask(OriginalConversationID="never-seen").results()[0].result

    assert told["ResultCode"] == 2033
    assert "ResultParameters" not in told
    other = start("--unknown-id-code", "ZZ404")
    assert other.ask(OriginalConversationID="x").results()[0].result["ResultCode"] == "ZZ404"


def test_another_organisations_payment_is_unknown(start: Callable[..., Daraja]) -> None:
    client = start("--shortcode", "600992", "--shortcode", "600111")
    paid = client.pay()

    asked = client.ask(OriginalConversationID=paid.reference, PartyA="600111")

    assert asked.results()[0].result["ResultCode"] == 2033


def test_neither_id_given(client: Daraja) -> None:
    assert client.ask().results()[0].result["ResultCode"] == 25


def test_the_operators_own_trouble(start: Callable[..., Daraja]) -> None:
    client = start("--lock-after", "2")
    paid = client.pay()
    reference = paid.reference
    wrong = client.credential("guess")

    def code(**changed: object) -> int:
        asked = client.ask(OriginalConversationID=reference, **changed)
        told: int = asked.results()[0].result["ResultCode"]
        return told

    client.simulator.order("switches", query_role=False)
    assert code() == 21
    client.simulator.order("switches", query_role=True)
    assert code(Initiator="nobody") == 20
    assert code(SecurityCredential=wrong) == 2001
    assert code(SecurityCredential=wrong) == 2001
    assert code() == 8006
    assert paid.status == "Completed"


@pytest.mark.parametrize("name", REFUSED)
def test_the_query_never_arrives(client: Daraja, name: str) -> None:
    client.get_token()
    asked = client.ask(OriginalConversationID="x", scenario=name)

    expected = REFUSED[name]
    if expected is None:
        assert isinstance(asked.error, requests.ConnectionError)
    else:
        assert asked.answer is not None
        assert asked.answer.status_code == expected[0]
        assert expected[1] in asked.answer.text
    assert asked.results(1, seconds=0.2) == []
    if name == "query_token_expired":
        assert client.ask().json["errorCode"] == "401.002.01"
        client.get_token()


@pytest.mark.parametrize("name", HELD_BACK)
def test_held_back_once_then_the_truth(client: Daraja, name: str) -> None:
    paid = client.pay(scenario=name)

    assert _status(client.ask(OriginalConversationID=paid.reference)) == HELD_BACK[name]
    assert _status(client.ask(OriginalConversationID=paid.reference)) == "Completed"


def test_held_back_for_as_often_as_ordered(client: Daraja) -> None:
    often = client.pay(scenario="query_pending:3").reference
    always = client.pay(scenario="query_pending:0").reference

    def told(reference: str) -> list[str]:
        return [_status(client.ask(OriginalConversationID=reference)) for _ in range(4)]

    assert told(often) == ["Pending Authorized"] * 3 + ["Completed"]
    assert told(always) == ["Pending Authorized"] * 4


def test_lost(client: Daraja) -> None:
    paid = client.pay(scenario="query_lost")
    asked = client.ask(OriginalConversationID=paid.reference)

    assert asked.json["ResponseCode"] == "0"
    assert asked.results(1, seconds=0.4) == []
    assert asked.notices(0) == []
    assert _status(client.ask(OriginalConversationID=paid.reference)) == "Completed"


def test_its_synchronous_answer_lost(client: Daraja) -> None:
    paid = client.pay(scenario="query_answer_lost")
    asked = client.ask(OriginalConversationID=paid.reference)

    assert isinstance(asked.error, requests.ConnectionError)
    assert asked.results()[0].values["TransactionStatus"] == "Completed"


def test_its_own_queue_time_out(client: Daraja) -> None:
    flat = client.ask(OriginalConversationID="x", scenario="query_queue_timeout")
    enveloped = client.ask(OriginalConversationID="x", scenario="query_queue_timeout_envelope")

    assert json.loads(flat.notices()[0].body) == flat.body
    told = enveloped.notices()[0].result
    assert told["ResultCode"] == 1019
    assert told["OriginatorConversationID"] == enveloped.json["OriginatorConversationID"]
    assert flat.results(0) == enveloped.results(0) == []


def test_answers_as_for_an_unknown_id_once(client: Daraja) -> None:
    paid = client.pay(scenario="query_unknown")

    first = client.ask(OriginalConversationID=paid.reference).results()[0].result

    assert first["ResultCode"] == 2033
    assert _status(client.ask(OriginalConversationID=paid.reference)) == "Completed"


@pytest.mark.parametrize("code", ["21", "2001", "8006", "SFC_IC0003", "25"])
def test_ends_with_a_code_of_its_own(client: Daraja, code: str) -> None:
    paid = client.pay(scenario=f"query_fail_{code}")

    told = client.ask(OriginalConversationID=paid.reference).results()[0].result

    assert str(told["ResultCode"]) == code
    assert "ResultParameters" not in told
    assert _status(client.ask(OriginalConversationID=paid.reference)) == "Completed"


def test_twice_malformed_repeated_strings(client: Daraja) -> None:
    reference = client.pay().reference

    def ask(name: str) -> Asked:
        return client.ask(OriginalConversationID=reference, scenario=name)

    twice = ask("query_twice").results(2)
    assert len(twice) == 2
    assert twice[0].body == twice[1].body
    with pytest.raises(json.JSONDecodeError):
        json.loads(ask("query_malformed").results()[0].body)
    told = ask("query_repeated_keys").results()[0].result
    keys = [item["Key"] for item in told["ResultParameters"]["ResultParameter"]]
    assert keys.count("DebitPartyName") == 2
    assert ask("query_strings").results()[0].result["ResultCode"] == "0"


def test_late_and_slow(client: Daraja) -> None:
    reference = client.pay().reference

    late = client.ask(OriginalConversationID=reference, scenario="query_late:0.6")
    assert late.results(1, seconds=0.05) == []
    assert len(late.results()) == 1
    slow = client.ask(OriginalConversationID=reference, scenario="query_slow:0.5")
    assert slow.answer is not None
    assert slow.answer.elapsed.total_seconds() >= 0.5


def test_a_query_moves_nothing(client: Daraja) -> None:
    before = client.simulator.page("ledger")["total"]

    client.ask(OriginalConversationID="nobody").results()

    assert client.simulator.page("ledger")["total"] == before
