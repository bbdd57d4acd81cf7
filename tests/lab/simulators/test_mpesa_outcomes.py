"""What becomes of the money: real causes in the order of section 18, and every result code."""

from collections.abc import Callable

import pytest

from pettycash.lab.simulators.mpesa import catalogue, codes
from pettycash.lab.simulators.mpesa.catalogue import Dimension
from tests.lab.simulators.daraja import (
    SHORTCODE,
    Daraja,
    new_phone,
    new_reference,
    settled_quietly,
)

FAILURES = [code for code in codes.RESULT_TEXTS if code != codes.SUCCESS]


def test_every_fault_of_an_outcome_has_a_test_here() -> None:
    sides = (Dimension.OUTCOME, Dimension.SETTLING)
    names = {f.name for f in catalogue.FAULTS.values() if f.dimension in sides}
    assert names == {"never_settles", "settle_late"}


@pytest.mark.parametrize("code", [*FAILURES, "77777", "ZZ_9"])
def test_a_failure_of_each_code_moves_nothing(client: Daraja, code: str) -> None:
    before = client.simulator.page("ledger")["utility_balance"]

    paid = client.pay(scenario=f"fail_{code}")

    assert paid.json["ResponseCode"] == "0"
    told = paid.results()[0].result
    assert told["ResultCode"] == (int(code) if code.isdigit() else code)
    assert told["ResultDesc"] == codes.result_text(code)
    assert told["TransactionID"]
    assert "ResultParameters" not in told
    assert paid.movements == []
    assert paid.status in ("Declined", "Expired", "Cancelled")
    assert client.simulator.page("ledger")["utility_balance"] == before


def test_never_settles_stays_initiated(client: Daraja) -> None:
    paid = client.pay(scenario="never_settles")

    settled_quietly(client, paid)
    assert paid.status == "Initiated"
    assert paid.results(0) == []
    assert paid.movements == []


def test_settling_late_moves_money_late(client: Daraja) -> None:
    paid = client.pay(scenario="settle_late:0.5")

    assert paid.status == "Initiated"
    assert paid.movements == []
    assert paid.results()[0].result["ResultCode"] == 0
    assert len(paid.movements) == 1


def _code(client: Daraja, **changed: object) -> int | str:
    paid = client.pay(**changed)
    assert paid.json["ResponseCode"] == "0"
    told: int | str = paid.results()[0].result["ResultCode"]
    assert len(paid.movements) == (1 if told == 0 else 0)
    return told


def test_an_unknown_operator(client: Daraja) -> None:
    assert _code(client, InitiatorName="nobody") == 20


@pytest.mark.parametrize("amount", [1, 9])
def test_below_the_minimum(client: Daraja, amount: int) -> None:
    assert _code(client, Amount=amount) == 2


def test_the_limits_themselves_pass(client: Daraja) -> None:
    assert _code(client, Amount=10) == 0
    assert _code(client, Amount=250_000) == 0
    assert _code(client, Amount=250_001) == 3


def test_another_organisations_shortcode(client: Daraja) -> None:
    assert _code(client, PartyA="600000") == 2028


@pytest.mark.parametrize(
    ("switch", "code"), [("payment_role", 21), ("b2c_product", 2028), ("account_active", 11)]
)
def test_what_the_organisation_lacks(start: Callable[..., Daraja], switch: str, code: int) -> None:
    client = start()
    client.simulator.order("switches", **{switch: False})

    assert _code(client) == code

    client.simulator.order("switches", **{switch: True})
    assert _code(client) == 0


@pytest.mark.parametrize("wrong", ["not base64!", "bm90IGVuY3J5cHRlZA==", "x" * 2000])
def test_a_credential_that_does_not_decrypt_fails_later(
    start: Callable[..., Daraja], wrong: str
) -> None:
    assert _code(start(), SecurityCredential=wrong) == 2001


def test_several_wrong_credentials_lock_the_operator(start: Callable[..., Daraja]) -> None:
    client = start("--lock-after", "3")
    wrong = client.credential("guess")

    assert [_code(client, SecurityCredential=wrong) for _ in range(4)] == [2001, 2001, 2001, 8006]
    assert _code(client) == 8006  # the right one as well
    assert client.simulator.page("switches")["initiator_locked"] is True

    client.simulator.order("switches", initiator_locked=False)
    assert _code(client) == 0


def test_a_right_credential_forgets_the_wrong_ones(start: Callable[..., Daraja]) -> None:
    client = start("--lock-after", "2")
    wrong = client.credential("guess")

    assert _code(client, SecurityCredential=wrong) == 2001
    assert _code(client) == 0
    assert _code(client, SecurityCredential=wrong) == 2001
    assert _code(client) == 0


def test_the_utility_account_runs_empty_while_working_is_full(
    start: Callable[..., Daraja],
) -> None:
    client = start("--utility-balance", "2500", "--working-balance", "9000000")

    assert [_code(client, Amount=1000) for _ in range(3)] == [0, 0, 1]
    assert _code(client, Amount=500) == 0
    ledger = client.simulator.page("ledger")
    assert ledger["utility_balance"] == "0.00"
    assert ledger["working_balance"] == "9000000.00"
    assert ledger["charges_paid_balance"] == "-45.81"
    client.simulator.order("switches", utility_balance=1000)
    assert _code(client, Amount=1000) == 0


def test_the_receivers_own_limits(start: Callable[..., Daraja]) -> None:
    client = start("--daily-limit", "1000")
    phone = "254700123456"

    assert _code(client, PartyB=phone, Amount=600) == 0
    assert _code(client, PartyB=phone, Amount=500) == 4
    assert _code(client, PartyB=phone, Amount=400) == 0


def test_the_receivers_wallet(start: Callable[..., Daraja]) -> None:
    client = start("--wallet-limit", "1000")

    assert _code(client, PartyB="254700123456", Amount=600) == 0
    assert _code(client, PartyB="254700123456", Amount=401) == 8


def test_each_shortcode_has_its_own_account(start: Callable[..., Daraja]) -> None:
    client = start("--shortcode", "600992", "--shortcode", "600111", "--utility-balance", "1000")

    assert _code(client, PartyA="600111", Amount=1000) == 0
    assert _code(client, PartyA="600111", Amount=10) == 1
    assert _code(client, PartyA="600992", Amount=1000) == 0
    accounts = client.simulator.page("ledger")["accounts"]
    assert {one["utility_balance"] for one in accounts.values()} == {"0.00"}


def test_a_payment_of_the_past_is_remembered_once_and_told_to_nobody(client: Daraja) -> None:
    past = {
        "originator_reference": new_reference(),
        "shortcode": SHORTCODE,
        "phone": new_phone(),
        "amount": 700,
        "at": "2026-03-31T23:30:00+00:00",
    }
    before = client.simulator.page("health")

    first = client.simulator.order("payments", **past)
    again = client.simulator.order("payments", **past | {"amount": 900})

    assert again == first
    assert first["result_code"] == "0"
    (movement,) = client.simulator.movements(past["originator_reference"])
    assert movement["provider_reference"] == first["provider_reference"]
    assert first["provider_reference"].startswith("UD1"), "the first of April, in East Africa"
    assert (movement["amount"], movement["fee"]) == ("700.00", first["fee"])
    assert movement["moved_at"] == "2026-03-31T23:30:00.000000+00:00"
    after = client.simulator.page("health")
    assert (after["callbacks_owed"], after["work_owed"]) == (
        before["callbacks_owed"],
        before["work_owed"],
    )
    asked = client.ask(OriginalConversationID=past["originator_reference"])
    assert asked.results()[0].values["TransactionStatus"] == "Completed"


@pytest.mark.parametrize("at", ["2999-01-01T00:00:00+00:00", "2026-03-31T23:30:00", "yesterday"])
def test_a_past_that_is_none_is_refused(client: Daraja, at: str) -> None:
    order = {"originator_reference": new_reference(), "shortcode": SHORTCODE, "phone": new_phone()}

    with pytest.raises(AssertionError, match=r"error.*at "):
        client.simulator.order("payments", **order, amount=10, at=at)


def test_a_failure_of_the_past_moves_nothing(client: Daraja) -> None:
    reference = new_reference()

    client.simulator.order(
        "payments",
        originator_reference=reference,
        shortcode=SHORTCODE,
        phone=new_phone(),
        amount=700,
        at="2026-03-31T23:30:00+00:00",
        result_code="2040",
    )

    assert client.simulator.movements(reference) == []
    (payment,) = client.simulator.page("payments", originator_reference=reference)["payments"]
    assert payment["status"] == "Declined"
