"""Result callbacks and queue time-out notices: delivered, spoilt, forged, late."""

import json
from typing import Any

import pytest

from pettycash.lab.simulators.mpesa import catalogue
from pettycash.lab.simulators.mpesa.catalogue import Dimension
from tests.lab.simulators.daraja import Daraja, Delivery, Paid, new_reference, settled_quietly

TESTED = {
    "callback_never",
    "callback_twice",
    "callback_times",
    "callback_late",
    "callback_early",
    "callback_wrong_amount",
    "callback_wrong_payee",
    "callback_malformed",
    "callback_empty",
    "callback_html",
    "callback_huge",
    "callback_forged_failure",
    "callback_forged_success",
    "callback_contradicting",
    "callback_wrong_secret",
    "callback_unknown_id",
    "callback_gateway_id",
    "callback_waiting",
    "style_strings",
    "style_object",
    "style_list",
    "style_generic_receipt",
    "style_references",
    "style_repeated_keys",
    "notice_flat",
    "notice_envelope",
    "notice_garbage",
}


def test_every_fault_of_a_callback_has_a_test_here() -> None:
    sides = (Dimension.CALLBACK, Dimension.STYLE, Dimension.NOTICE)
    assert {f.name for f in catalogue.FAULTS.values() if f.dimension in sides} == TESTED


def _is_true(delivery: Delivery, paid: Paid) -> bool:
    return delivery.result["ResultCode"] == 0 and (
        delivery.values["TransactionReceipt"] == paid.movements[0]["provider_reference"]
    )


def test_never(client: Daraja) -> None:
    paid = client.pay(scenario="callback_never")

    settled_quietly(client, paid)
    assert paid.results(0) == []
    assert len(paid.movements) == 1


@pytest.mark.parametrize(("name", "count"), [("callback_twice", 2), ("callback_times:50", 50)])
def test_many_times_the_same(client: Daraja, name: str, count: int) -> None:
    paid = client.pay(scenario=name)

    deliveries = paid.results(count)
    settled_quietly(client, paid)
    assert len(paid.results(count)) == count
    assert len({one.body for one in deliveries}) == 1
    assert len(paid.movements) == 1


def test_fifty_at_once_arrive_together(client: Daraja) -> None:
    paid = client.pay(scenario="callback_times")

    times = [one.at for one in paid.results(50)]

    assert len(times) == 50
    assert max(times) - min(times) < 2


def test_late(client: Daraja) -> None:
    paid = client.pay(scenario="callback_late:3")

    assert paid.results(1, seconds=0.4) == []
    assert len(paid.movements) == 1
    assert _is_true(paid.results(seconds=20)[0], paid)


def test_before_the_answer(client: Daraja) -> None:
    paid = client.pay(scenario="callback_early+answer_slow:1.5", read_timeout=0.8)

    assert paid.answer is None  # the answer was still to come, yet the result was there
    assert len(paid.results(0)) == 1
    assert _is_true(paid.results(0)[0], paid)


def test_before_the_answer_even_where_it_is_fast(client: Daraja) -> None:
    for _ in range(5):
        paid = client.pay(scenario="callback_early")

        assert paid.json["ResponseCode"] == "0"
        assert len(paid.results(0)) == 1


def test_wrong_amount(client: Daraja) -> None:
    paid = client.pay(scenario="callback_wrong_amount", Amount="200")

    [delivery] = paid.results()
    assert delivery.values["TransactionAmount"] == 2000
    assert paid.movements[0]["amount"] == "200.00"


def test_wrong_payee(client: Daraja) -> None:
    paid = client.pay(scenario="callback_wrong_payee")

    [delivery] = paid.results()
    named = delivery.values["ReceiverPartyPublicName"][:12]
    assert named != paid.body["PartyB"]
    assert named[:11] == str(paid.body["PartyB"])[:11]


def test_malformed(client: Daraja) -> None:
    [delivery] = client.pay(scenario="callback_malformed").results()

    assert delivery.body.startswith(b'{"Result"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(delivery.body)


def test_empty_html_and_huge(client: Daraja) -> None:
    assert client.pay(scenario="callback_empty").results()[0].body == b""
    html = client.pay(scenario="callback_html").results()[0]
    assert html.body.startswith(b"<html>")
    assert html.content_type.startswith("text/html")
    huge = client.pay(scenario="callback_huge").results()[0]
    assert len(huge.body) > 2_000_000
    assert huge.result["ResultCode"] == 0


def test_a_forged_failure_before_the_truth(client: Daraja) -> None:
    paid = client.pay(scenario="callback_forged_failure")

    forged, true = paid.results(2)
    assert forged.result["ResultCode"] == 1
    assert forged.result["OriginatorConversationID"] == paid.reference
    assert _is_true(true, paid)


def test_a_forged_success_before_a_true_failure(client: Daraja) -> None:
    paid = client.pay(scenario="callback_forged_success+fail_1")

    forged, true = paid.results(2)
    assert forged.result["ResultCode"] == 0
    assert forged.values["TransactionAmount"] == 1500
    assert true.result["ResultCode"] == 1
    assert forged.result["TransactionID"] != true.result["TransactionID"]
    assert paid.movements == []


@pytest.mark.parametrize(("outcome", "second"), [("", 1), ("+fail_2001", 0)])
def test_a_contradiction_after_the_truth(client: Daraja, outcome: str, second: int) -> None:
    paid = client.pay(scenario=f"callback_contradicting{outcome}")

    told = [one.result["ResultCode"] for one in paid.results(2)]

    assert told == ([0, 1] if second else [2001, 0])
    assert len(paid.movements) == second


def test_a_forgery_that_does_not_know_the_secret(client: Daraja) -> None:
    paid = client.pay(scenario="callback_wrong_secret+fail_1")

    [true] = paid.results()
    assert true.result["ResultCode"] == 1
    path = str(paid.body["ResultURL"]).removeprefix(client.receiver.url)
    [forged] = client.receiver.at(path[:-1] + "1")
    assert forged.result["ResultCode"] == 0
    assert forged.result["OriginatorConversationID"] == paid.reference


def test_a_result_about_an_unknown_id(client: Daraja) -> None:
    paid = client.pay(scenario="callback_unknown_id")

    stranger, true = paid.results(2)
    assert stranger.result["OriginatorConversationID"] != paid.reference
    assert stranger.result["ConversationID"] != paid.json["ConversationID"]
    assert _is_true(true, paid)


def test_a_result_under_the_gateways_own_id(client: Daraja) -> None:
    paid = client.pay(scenario="callback_gateway_id")

    told = paid.results()[0].result
    assert told["OriginatorConversationID"] != paid.reference
    assert told["ConversationID"] == paid.json["ConversationID"]


def test_waiting_then_done(client: Daraja) -> None:
    paid = client.pay(scenario="callback_waiting")

    assert [one.result["ResultType"] for one in paid.results(2)] == [1, 0]


def _style(client: Daraja, name: str) -> dict[str, Any]:
    return client.pay(scenario=name).results()[0].result


def test_styles_of_a_result(client: Daraja) -> None:
    assert _style(client, "style_strings")["ResultCode"] == "0"
    assert _style(client, "style_strings+fail_2001")["ResultCode"] == "2001"
    one = _style(client, "style_object+fail_1")["ResultParameters"]["ResultParameter"]
    assert one["Key"] == "BOCompletedTime"
    assert isinstance(one["Value"], int)
    [listed] = _style(client, "style_list+fail_1")["ResultParameters"]["ResultParameter"]
    assert listed["Key"] == "BOCompletedTime"
    assert "ResultParameters" not in _style(client, "fail_1")
    assert _style(client, "style_generic_receipt+fail_1")["TransactionID"].endswith("0000000")
    items = _style(client, "style_references")["ReferenceData"]["ReferenceItem"]
    assert items[1] == {"Key": "Occasion"}
    repeated = _style(client, "style_repeated_keys")["ResultParameters"]["ResultParameter"]
    keys = [item["Key"] for item in repeated]
    assert len(keys) == len(set(keys)) + 1
    amount = client.pay(scenario="style_strings").results()[0].values["TransactionAmount"]
    assert amount == "1500"


def test_a_flat_notice_is_the_request_itself(client: Daraja) -> None:
    paid = client.pay(scenario="queue_timeout_flat")

    [notice] = paid.notices()
    assert json.loads(notice.body) == paid.body
    settled_quietly(client, paid)
    assert paid.results(0) == []
    assert paid.movements == []
    assert paid.status == "Expired"


def test_an_enveloped_notice_names_a_code(client: Daraja) -> None:
    paid = client.pay(scenario="queue_timeout_envelope")

    [notice] = paid.notices()
    assert notice.result["ResultCode"] == 1019
    assert notice.result["OriginatorConversationID"] == paid.reference
    assert paid.results(0) == []
    assert paid.movements == []


def test_a_notice_of_garbage(client: Daraja) -> None:
    [notice] = client.pay(scenario="notice_garbage").notices()

    with pytest.raises(ValueError):
        json.loads(notice.body)


@pytest.mark.parametrize("form", ["flat", "envelope"])
@pytest.mark.parametrize(("then", "code"), [("success", 0), ("failure", 1)])
def test_a_notice_and_then_a_result(client: Daraja, form: str, then: str, code: int) -> None:
    paid = client.pay(scenario=f"queue_timeout_{form}_then_{then}")

    [notice] = paid.notices()
    assert paid.status == "Initiated"
    assert paid.movements == []
    [result] = paid.results()
    assert result.result["ResultCode"] == code
    assert result.at > notice.at
    assert len(paid.movements) == (1 if code == 0 else 0)


@pytest.mark.parametrize("form", ["flat", "envelope"])
def test_a_notice_although_money_moved(client: Daraja, form: str) -> None:
    paid = client.pay(scenario=f"queue_timeout_{form}_moved")

    assert len(paid.notices()) == 1
    settled_quietly(client, paid)
    assert paid.results(0) == []
    assert len(paid.movements) == 1


def test_silence(client: Daraja) -> None:
    paid = client.pay(scenario="silence")

    assert paid.error is not None
    settled_quietly(client, paid)
    assert paid.results(0) == []
    assert len(paid.movements) == 1


def test_a_result_can_be_ordered_again_days_later(client: Daraja) -> None:
    paid = client.pay()
    [first] = paid.results()

    client.simulator.order("callbacks", originator_reference=paid.reference, times=2)

    assert [one.body for one in paid.results(3)] == [first.body] * 3
    assert len(paid.movements) == 1


def test_a_receiver_that_is_away_loses_the_result(client: Daraja) -> None:
    reference = new_reference()
    paid = client.pay(OriginatorConversationID=reference, ResultURL="http://127.0.0.1:9/result")
    settled_quietly(client, paid)

    [listed] = client.simulator.page("callbacks", originator_reference=reference)["callbacks"]

    assert listed["error"] == "ConnectionError"
    assert listed["attempted_at"] is not None
    assert client.simulator.page("callbacks", originator_reference=reference)["total"] == 1
