"""What a rail's ledger and ours say of the same money: each way to disagree is seen, once."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from pettycash.models.payments import AttemptState, PaymentStatus
from pettycash.services.reconciliation.invariants.movements import (
    COMPARISONS,
    KnownAttempt,
    Movement,
    compare,
)

S, A = PaymentStatus, AttemptState

PAID = KnownAttempt(
    company_id=UUID(int=1),
    payment_id=UUID(int=2),
    number="PAY-1",
    status=S.SUCCESS,
    state=A.SETTLED,
    originator_reference="OURS-1",
    provider_reference="THEIRS-1",
    amount=Decimal("100.00"),
    destination="254711000001",
    settled_amount=Decimal("100.00"),
    is_undecided=False,
    has_case=False,
)
MOVED = Movement(
    originator_reference="OURS-1",
    provider_reference="THEIRS-1",
    amount=Decimal("100.00"),
    destination="254711000001",
)
WAITS = replace(
    PAID,
    status=S.EXECUTING,
    state=A.ACCEPTED,
    provider_reference=None,
    settled_amount=None,
    is_undecided=True,
)
FAILED = replace(WAITS, status=S.FAILED, state=A.REJECTED, is_undecided=False)
BY_CALLBACK_ALONE = replace(FAILED, is_undecided=True)
AGAIN = replace(PAID, originator_reference="OURS-2", provider_reference="THEIRS-2")
MOVED_AGAIN = replace(MOVED, originator_reference="OURS-2", provider_reference="THEIRS-2")


def broken(
    *movements: Movement, known: tuple[KnownAttempt, ...], settled: bool = False
) -> list[str]:
    results = compare(before=known, movements=movements, after=known, settled=settled)
    assert [each.check for each in results] == list(COMPARISONS)
    return [each.check for each in results if not each.ok]


@pytest.mark.parametrize("settled", [False, True])
def test_one_movement_for_each_success_is_well(settled: bool) -> None:
    assert broken(MOVED, known=(PAID,), settled=settled) == []
    assert broken(known=(FAILED,), settled=settled) == []
    assert broken(MOVED, known=(replace(PAID, status=S.REVERSED),), settled=settled) == []


@pytest.mark.parametrize(
    ("movements", "known", "expected"),
    [
        pytest.param([MOVED, MOVED], PAID, ["references_moved_once"], id="twice"),
        pytest.param([MOVED, MOVED], WAITS, ["references_moved_once"], id="twice-under-way"),
        pytest.param([], PAID, ["successes_moved"], id="never"),
        pytest.param([MOVED], FAILED, ["movements_are_successes"], id="failed"),
        pytest.param(
            [replace(MOVED, amount=Decimal("100.01"))],
            PAID,
            ["movements_are_successes"],
            id="amount",
        ),
        pytest.param(
            [replace(MOVED, destination="254711000002")],
            PAID,
            ["movements_are_successes"],
            id="payee",
        ),
        pytest.param(
            [replace(MOVED, provider_reference="THEIRS-9")],
            PAID,
            ["movements_are_successes"],
            id="receipt",
        ),
        pytest.param(
            [MOVED],
            replace(PAID, status=S.CANCELLED),
            ["movements_are_successes"],
            id="cancelled",
        ),
        pytest.param(
            [MOVED, replace(MOVED, originator_reference="STRANGE")],
            PAID,
            ["movements_are_ours"],
            id="strange",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("settled", [False, True])
def test_each_disagreement_is_seen(
    movements: list[Movement], known: KnownAttempt, expected: list[str], settled: bool
) -> None:
    found = broken(*movements, known=(known,), settled=settled)

    if settled and known is WAITS:
        expected = [*expected, "movements_are_successes"]
    assert found == expected


def test_a_payment_that_moved_under_two_references_is_seen() -> None:
    assert broken(MOVED, MOVED_AGAIN, known=(PAID, AGAIN)) == ["payments_moved_once"]
    other = replace(AGAIN, payment_id=UUID(int=3))
    assert broken(MOVED, MOVED_AGAIN, known=(PAID, other)) == []


@pytest.mark.parametrize("known", [WAITS, BY_CALLBACK_ALONE], ids=["waits", "by-callback-alone"])
def test_what_may_yet_be_learned_is_broken_only_when_all_is_settled(known: KnownAttempt) -> None:
    assert broken(MOVED, known=(known,)) == []
    assert broken(MOVED, known=(known,), settled=True) == ["movements_are_successes"]


def test_people_who_were_told_excuse_what_is_open_but_not_what_moved_twice() -> None:
    told = replace(FAILED, has_case=True)
    assert broken(MOVED, known=(told,), settled=True) == []
    assert broken(known=(replace(PAID, has_case=True),), settled=True) == []
    assert broken(MOVED, MOVED, known=(told,), settled=True) == ["references_moved_once"]
    assert broken(MOVED, MOVED_AGAIN, known=(told, replace(AGAIN, has_case=True))) == [
        "payments_moved_once"
    ]


def test_what_happens_while_the_ledger_is_read_is_no_break() -> None:
    results = compare(before=[WAITS], movements=[], after=[PAID])
    assert [each.check for each in results if not each.ok] == []

    results = compare(before=[], movements=[MOVED], after=[PAID])
    assert [each.check for each in results if not each.ok] == []
