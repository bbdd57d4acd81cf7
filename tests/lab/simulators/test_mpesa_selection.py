"""How a request gets its faults: header, one-shot order, test number, seeded plan."""

import re
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import requests

from pettycash.lab.simulators.mpesa import catalogue, scenarios
from pettycash.lab.simulators.mpesa.scenarios import RandomPlan, UnknownScenario
from tests.lab.simulators.daraja import ROOT, Daraja, new_phone, new_reference, until


@pytest.fixture(autouse=True)
def nothing_ordered(client: Daraja) -> Iterator[None]:
    yield
    client.simulator.forget("plan")
    client.simulator.forget("faults")
    client.token = ""


@pytest.mark.parametrize("digits", catalogue.TEST_NUMBERS)
def test_every_test_number_gives_its_scenario(client: Daraja, digits: str) -> None:
    scenario = scenarios.parse(catalogue.TEST_NUMBERS[digits])
    reference = new_reference()

    # The long ones are read from the record of requests; nobody waits for them here.
    paid = client.pay(
        OriginatorConversationID=reference, PartyB=f"254700017{digits}", read_timeout=0.3
    )

    [seen] = until(
        lambda: client.simulator.page("requests", originator_reference=reference)["requests"]
    )
    assert seen["scenario"] == scenario.text
    assert len(paid.movements) <= 1


def test_a_number_beside_the_table_is_paid_plainly(client: Daraja) -> None:
    for phone in ("254700017000", "254700017999", "254700117101", "254110017101"):
        paid = client.pay(PartyB=phone)

        assert paid.json["ResponseCode"] == "0"
        assert paid.results()[0].result["ResultCode"] == 0


def test_a_refusal_by_test_number_meets_a_reference_once(client: Daraja) -> None:
    first = client.pay(PartyB="254700017211")

    assert first.answer is not None
    assert first.answer.status_code == 429
    assert first.again().json["ResponseCode"] == "0"
    other = client.pay(PartyB="254700017211")
    assert other.answer is not None
    assert other.answer.status_code == 429


def test_an_order_for_a_reference_waits_for_it(client: Daraja) -> None:
    reference = new_reference()
    client.simulator.order(
        "faults", scenario="answer_lost_after+callback_never", originator_reference=reference
    )

    assert client.pay().json["ResponseCode"] == "0"
    hit = client.pay(OriginatorConversationID=reference)

    assert hit.error is not None
    assert len(hit.movements) == 1
    assert client.simulator.page("faults")["faults"] == []
    assert hit.again().json["errorCode"] == "500.002.1001"


def test_an_order_for_a_phone_waits_for_it(client: Daraja) -> None:
    phone = new_phone()
    client.simulator.order("faults", scenario="fail_1", phone=phone)

    assert client.pay().results()[0].result["ResultCode"] == 0
    assert client.pay(PartyB=phone).results()[0].result["ResultCode"] == 1
    assert client.pay(PartyB=phone).results()[0].result["ResultCode"] == 0


def test_an_order_for_the_next_few(client: Daraja) -> None:
    client.simulator.order("faults", scenario="spike_arrest", next=2)

    told = [client.pay().json for _ in range(3)]

    assert [one.get("errorCode") for one in told] == ["500.003.02", "500.003.02", None]


def test_an_order_for_a_query_and_for_the_token(client: Daraja) -> None:
    reference = client.pay().reference
    told = client.simulator.order(
        "faults", scenario="query_unknown", originator_reference=reference
    )
    assert told["operation"] == "query"
    client.simulator.order("faults", scenario="token_empty_401")

    assert client.pay().json["ResponseCode"] == "0"  # neither is for a payment
    asked = client.ask(OriginalConversationID=reference)
    assert asked.results()[0].result["ResultCode"] == 2033
    assert (client.get_token().status_code, client.get_token().status_code) == (401, 200)


def test_the_header_goes_before_everything(client: Daraja) -> None:
    client.simulator.order("plan", seed=1, rates={"fail_2": 1.0})
    paid = client.pay(PartyB="254700017401", scenario="fail_3")

    assert paid.results()[0].result["ResultCode"] == 3


def test_a_plan_is_reproducible_by_reference(client: Daraja) -> None:
    rates = {"answer_lost_after": 0.3, "bad_gateway_after": 0.2, "callback_twice": 0.5}
    plan = client.simulator.order("plan", seed=7, rates=rates)["plan"]
    references = [new_reference() for _ in range(12)]

    expected = [
        client.simulator.page("plan", originator_reference=one)["scenario"] for one in references
    ]
    for reference, scenario in reversed(list(zip(references, expected, strict=True))):
        paid = client.pay(OriginatorConversationID=reference)
        assert (paid.error is not None) == ("answer_lost_after" in scenario)
        assert len(paid.results(2 if "twice" in scenario else 1)) >= 1
        assert len(paid.movements) == 1

    assert plan == {"seed": 7, "rates": rates}
    assert [RandomPlan.read(plan).scenario(one).text for one in references] == expected
    assert len(set(expected)) > 1


def test_a_plan_by_phone_gives_a_receiver_the_same_whatever_the_reference(client: Daraja) -> None:
    rates = {"answer_lost_after": 0.3, "bad_gateway_after": 0.2}
    plan = client.simulator.order("plan", seed=7, rates=rates, by="phone")["plan"]
    assert plan == {"seed": 7, "rates": rates, "by": "phone"}

    phones = [f"2547110000{number:02}" for number in range(12)]
    expected = [client.simulator.page("plan", phone=one)["scenario"] for one in phones]
    for phone, scenario in zip(phones, expected, strict=True):
        paid = client.pay(PartyB=phone)
        assert (paid.error is not None) == ("answer_lost_after" in scenario)
    assert expected == [RandomPlan.read(plan).scenario(one).text for one in phones]
    assert len(set(expected)) > 1


def test_a_plan_draws_by_nothing_else() -> None:
    with pytest.raises(UnknownScenario, match="by reference or by phone"):
        RandomPlan.read({"seed": 1, "rates": {}, "by": "amount"})


def test_a_plan_of_refusals_lets_the_repeat_through(client: Daraja) -> None:
    client.simulator.order("plan", seed=1, rates={"too_many_requests": 1})
    paid = client.pay()

    assert paid.answer is not None
    assert paid.answer.status_code == 429
    assert paid.again().json["ResponseCode"] == "0"


def test_a_plan_may_refuse_for_ever(client: Daraja) -> None:
    client.simulator.order("plan", seed=1, rates={"bad_gateway_unseen:0": 1})
    paid = client.pay()

    assert [_status(paid.again()) for _ in range(3)] == [502, 502, 502]
    assert paid.movements == []
    client.simulator.forget("plan")
    assert paid.again().json["ResponseCode"] == "0"


def _status(paid: object) -> int:
    answer = getattr(paid, "answer", None)
    assert isinstance(answer, requests.Response)
    return answer.status_code


def test_a_plan_reaches_queries_and_tokens(client: Daraja) -> None:
    client.get_token()
    client.simulator.order("plan", seed=1, rates={"query_too_many_requests": 1})
    paid = client.pay()
    first = client.ask(OriginalConversationID=paid.reference)
    second = client.ask(OriginalConversationID=paid.reference)

    assert first.answer is not None
    assert first.answer.status_code == 429
    assert second.results()[0].values["TransactionStatus"] == "Completed"
    client.simulator.order("plan", seed=1, rates={"token_empty_400": 1})
    assert client.get_token().status_code == 400


def test_rates_are_kept_and_sides_are_independent() -> None:
    plan = RandomPlan.read(
        {"seed": 3, "rates": {"fail_1": 0.2, "callback_never": 0.5, "silence": 0.1}}
    )

    drawn = [plan.scenario(f"reference {number}").text for number in range(4_000)]

    shares = Counter(name for text in drawn for name in re.findall(r"[a-z]+_[a-z0-9_]+", text))
    assert 0.17 < shares["fail_1"] / 4_000 < 0.23
    assert 0.08 < shares["answer_lost_after"] / 4_000 < 0.12
    assert 0.5 < shares["callback_never"] / 4_000 < 0.6  # 0.1 + 0.9 · 0.5
    both = sum(1 for text in drawn if "fail_1" in text and "callback_never" in text)
    assert 0.08 < both / 4_000 < 0.14
    other = RandomPlan.read({"seed": 4, "rates": dict(plan.rates)})
    assert [other.scenario(f"reference {number}").text for number in range(50)] != drawn[:50]


@pytest.mark.parametrize(
    "payload",
    [
        [],
        {"seed": "1", "rates": {}},
        {"seed": 1, "rates": []},
        {"seed": 1, "rates": {"nonsense": 0.1}},
        {"seed": 1, "rates": {"fail_1": 1.5}},
        {"seed": 1, "rates": {"fail_1": True}},
        {"seed": 1, "rates": {"fail_1": 0.6, "fail_2": 0.6}},
        {"seed": 1, "rates": {"": 0.6}},
        {"seed": 1, "rates": {}, "more": 1},
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(client: Daraja, payload: object) -> None:
    with pytest.raises(UnknownScenario):
        RandomPlan.read(payload)

    answer = requests.post(f"{client.simulator.url}/_sim/plan", json=payload, timeout=5)

    assert answer.status_code == 400
    assert client.simulator.page("plan") == {"plan": None}


@pytest.mark.parametrize(
    ("page", "body"),
    [
        ("faults", {"scenario": "nonsense"}),
        ("faults", {"scenario": ""}),
        ("faults", {"scenario": "fail_1", "next": 0}),
        ("faults", {"scenario": "fail_1", "next": "two"}),
        ("faults", {"scenario": "fail_1", "phone": ["a"]}),
        ("faults", {"scenario": "fail_1", "operation": "other"}),
        ("faults", {"scenario": "fail_1", "unheard": 1}),
        ("callbacks", {"originator_reference": "never seen"}),
        ("callbacks", {}),
        ("switches", {"unheard": 1}),
        ("switches", {"utility_balance": -1}),
    ],
)
def test_an_order_that_cannot_be_read_is_refused(
    client: Daraja, page: str, body: dict[str, object]
) -> None:
    answer = requests.post(f"{client.simulator.url}/_sim/{page}", json=body, timeout=5)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert client.simulator.page("faults")["faults"] == []


def test_pages_that_are_not_there(client: Daraja) -> None:
    base = client.simulator.url
    assert requests.get(f"{base}/_sim/nowhere", timeout=5).status_code == 404
    assert requests.delete(f"{base}/_sim/ledger", timeout=5).status_code == 405
    assert requests.get(f"{base}/_sim/ledger?limit=x", timeout=5).status_code == 400


def test_the_ledger_is_read_in_pages(start: Callable[..., Daraja]) -> None:
    client = start()
    paid = [client.pay().reference for _ in range(5)]

    first = client.simulator.page("ledger", limit=2)
    after = first["movements"][-1]["id"]
    rest = client.simulator.page("ledger", after=after)

    told = [one["originator_reference"] for one in first["movements"] + rest["movements"]]
    assert told == paid
    assert first["total"] == rest["total"] == 5


def test_the_readme_lists_every_fault_and_number(client: Daraja) -> None:
    text = (ROOT / "pettycash/lab/simulators/mpesa/README.md").read_text()

    rows = dict(re.findall(r"^\| `2547000xx(\d{3})` \| `([^`]+)` \|$", text, re.MULTILINE))
    assert rows == catalogue.TEST_NUMBERS
    listed = set(re.findall(r"^\| `([a-z0-9_]+)(?:<code>)?` \|", text, re.MULTILINE))
    named = {*catalogue.FAULTS, *catalogue.FAMILIES, *catalogue.ALIASES}
    assert named <= listed
    page = client.simulator.page("scenarios")
    assert {one["name"] for one in page["faults"]} == {*catalogue.FAULTS, *catalogue.FAMILIES}
    assert page["test_numbers"]["2547000xx101"] == "answer_lost_after"
