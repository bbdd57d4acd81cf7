"""`demo pay` end to end, on a real stack: what a newcomer sees first."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pettycash.lab.demo.life_cycle import AMOUNT, IDENTITY_TERMS, NEW_PHONE
from tests.stack.running import Stack

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,
    pytest.mark.xdist_group("stack"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def told(stack: Stack) -> dict[str, Any]:
    """What the first run says as JSON."""
    done = stack.call("demo", "pay", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_one_object_tells_all_of_it(told: dict[str, Any]) -> None:
    assert set(told) == {
        "requisition", "payment", "fund_before", "fund_after", "journal_balanced",
        "simulator_movements", "reconciled", "replenishment",
    }  # fmt: skip
    assert told["requisition"]["status"] == "paid"
    assert told["payment"]["status"] == "success"
    assert told["journal_balanced"] is True
    assert told["reconciled"] is True


def test_a_redirect_asks_the_approver_and_moves_the_money_there(stack: Stack) -> None:
    done = stack.call("demo", "pay", "--redirect", "--json")

    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["redirect"]["status"] == "effective"
    (movement,) = result["simulator_movements"]
    assert movement["phone"].lstrip("+") == result["redirect"]["destination"] == NEW_PHONE


def test_the_rail_moved_exactly_this_money_once(told: dict[str, Any]) -> None:
    (movement,) = told["simulator_movements"]
    assert Decimal(movement["amount"]) == AMOUNT
    for name in ("originator_reference", "provider_reference"):
        assert movement[name] == told["payment"][name]


def test_the_fund_fell_and_was_filled_again(told: dict[str, Any]) -> None:
    before, after = (Decimal(told[name]["balance"]) for name in ("fund_before", "fund_after"))
    assert before - after == AMOUNT
    replenishment = told["replenishment"]
    assert replenishment["status"] == "received"
    assert replenishment["requested_amount"] == replenishment["received_amount"]
    assert Decimal(replenishment["fund_after"]["balance"]) == before


@pytest.mark.parametrize("name", ["identity", "identity_after"])
def test_the_imprest_identity_is_shown_and_adds_up(told: dict[str, Any], name: str) -> None:
    identity = told["replenishment"][name]
    assert sum(Decimal(identity[term]) for term in IDENTITY_TERMS) == Decimal(identity["float"])
    assert identity["difference"] == "0.00"
    spent = AMOUNT if name == "identity" else Decimal(0)
    assert Decimal(identity["vouchers_not_replenished"]) == spent


def test_a_second_run_tells_the_story_to_people(told: dict[str, Any], stack: Stack) -> None:
    done = stack.call("demo", "pay")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "All as it should be." in done.stdout
    lines = done.stdout.splitlines()
    # A line that starts with a number is a chapter: nothing is broken in the middle.
    assert [line[:2] for line in lines if line[:1].isdigit()] == [f"{n}." for n in range(1, 9)]
    assert done.stdout.count("The imprest identity") == 2
    assert done.stdout.count("= float") == 2
    assert told["payment"]["number"] not in done.stdout, "another payment than before"
    secrets = stack.secrets()["personas"]["treasury"]
    assert secrets["password"] not in done.stdout
    assert "access_token" not in done.stdout


def test_the_books_hold_afterwards(told: dict[str, Any], stack: Stack) -> None:
    done = stack.call("doctor")

    assert done.returncode == 0, done.stdout + done.stderr


def test_without_a_stack_it_says_what_to_do(tmp_path: Path) -> None:
    done = Stack(tmp_path / "nobody").call("demo", "pay", "--json")

    assert done.returncode == 1
    assert "bin/pettycash up" in done.stderr
