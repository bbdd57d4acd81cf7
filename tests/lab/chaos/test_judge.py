"""The comparison with the rail's ledger: everything that must not be is seen."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from pettycash.lab.chaos.judge import Comparison, ReleasedPayment, compare
from pettycash.lab.chaos.rail import RailMovement
from pettycash.models.payments import PaymentStatus

PAID = ReleasedPayment(
    id=UUID(int=1),
    status=PaymentStatus.SUCCESS,
    paid_amount=Decimal("10.00"),
    phone="254720000001",
    provider_reference="RECEIPT1",
    references=frozenset({"R1", "R2"}),
    has_case=False,
)
MOVED = RailMovement(
    originator_reference="R1",
    provider_reference="RECEIPT1",
    amount=Decimal("10.00"),
    phone="254720000001",
)


def test_one_movement_and_one_success_are_in_order() -> None:
    assert compare([PAID], [MOVED]) == Comparison()


def test_a_failure_that_did_not_move_is_in_order() -> None:
    assert compare([replace(PAID, status=PaymentStatus.FAILED)], []) == Comparison()


def test_a_movement_in_doubt_is_in_order_once_a_case_tells_of_it() -> None:
    doubted = replace(PAID, status=PaymentStatus.IN_DOUBT)
    assert compare([doubted], [MOVED]).lost
    told = compare([replace(doubted, has_case=True)], [MOVED])
    assert (told.lost, len(told.told)) == ([], 1)


@pytest.mark.parametrize("reference", ["R1", "R2"], ids=["same reference", "other reference"])
def test_two_movements_of_one_payment_are_a_double(reference: str) -> None:
    twice = [MOVED, replace(MOVED, originator_reference=reference)]
    assert compare([PAID], twice).double
    assert compare([replace(PAID, has_case=True)], twice).double, "no case explains that"


def test_two_payments_to_a_receiver_of_one_are_a_double() -> None:
    """Each payment of a run has a receiver of its own."""
    other = replace(PAID, id=UUID(int=2), references=frozenset({"R3"}))
    found = compare([PAID, other], [MOVED, replace(MOVED, originator_reference="R3")])
    assert (len(found.double), found.lost) == (1, [])


@pytest.mark.parametrize(
    ("payment", "movements"),
    [
        pytest.param(PAID, [], id="success without movement"),
        pytest.param(replace(PAID, status=PaymentStatus.FAILED), [MOVED], id="failed, yet moved"),
        pytest.param(replace(PAID, status=PaymentStatus.PENDING), [MOVED], id="never released"),
        pytest.param(PAID, [replace(MOVED, amount=Decimal("9.00"))], id="another amount"),
        pytest.param(PAID, [replace(MOVED, phone="254720000002")], id="another receiver"),
        pytest.param(PAID, [replace(MOVED, provider_reference="X")], id="another receipt"),
        pytest.param(
            replace(PAID, references=frozenset({"R9"})), [MOVED], id="a reference nobody has"
        ),
    ],
)
def test_whatever_does_not_agree_is_lost(
    payment: ReleasedPayment, movements: list[RailMovement]
) -> None:
    assert compare([payment], movements).lost


def test_what_a_restore_has_lost_is_told_by_a_case_or_nobody_can_tell_of_it() -> None:
    """Silence before the restore excuses it; whatever the rail has said since must be known."""
    heard = compare([], [MOVED], told_of_lost={"R1"})
    silent = compare([], [MOVED], untold=lambda reference: reference == "R1")
    ignored = compare([], [MOVED], untold=lambda _reference: False)
    assert (heard.lost, len(heard.told)) == ([], 1)
    assert (silent.lost, len(silent.of_the_lost_time)) == ([], 1)
    assert len(ignored.lost) == 1


def test_a_lost_payment_that_is_made_anew_and_moves_again_is_a_double() -> None:
    anew = replace(PAID, references=frozenset({"R3"}))
    found = compare([anew], [MOVED, replace(MOVED, originator_reference="R3")], told_of_lost={"R1"})
    assert len(found.double) == 1
