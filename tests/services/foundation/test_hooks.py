"""Hooks: called at their moment, in their order, and undone with what they follow."""

from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from pettycash import composition
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.requisitions import IN_APPROVAL, Requisition
from pettycash.services.foundation import hooks
from tests.factories import payments as making
from tests.factories.evidence import failed, proven
from tests.factories.requisitions import approve, submitted, waiting_for

HOOKS = {name: each for name, each in vars(hooks).items() if isinstance(each, hooks.Hook)}

Seen = list[tuple[str, UUID]]


@pytest.fixture
def seen(session: Session) -> Iterator[Seen]:
    """Every call of a hook, in their order; afterwards the process is composed as ever."""
    session.info.pop("scenes")  # services are to be called
    calls: Seen = []

    def noting(name: str) -> Callable[..., None]:
        def note(session: Session, subject: Payment | Requisition, now: datetime) -> None:
            assert now == session.info["now"]
            calls.append((name, subject.id))

        return note

    for name, hook in HOOKS.items():
        hook.attach(noting(name))
    yield calls
    composition.attach()


def test_a_payments_life_calls_each_hook_once(session: Session, seen: Seen, rail: object) -> None:
    payment = making.executing(session)
    making.answered(session, payment, proven(session, payment))

    assert seen == [
        ("on_final_approval", payment.requisition_id),
        ("on_released", payment.id),
        ("on_settled", payment.id),
    ]


def test_a_failure_is_told_as_one(session: Session, seen: Seen, rail: object) -> None:
    payment = failed(session)

    assert payment.status is PaymentStatus.FAILED
    assert seen[-1] == ("on_failed", payment.id)


def test_an_approval_that_is_not_the_last_calls_nothing(session: Session, seen: Seen) -> None:
    requisition = submitted(session, "60000.00")
    approve(session, requisition, waiting_for(session, requisition))

    assert requisition.status in IN_APPROVAL
    assert seen == []


def test_listeners_are_called_in_their_order(session: Session, seen: Seen) -> None:
    def second(session: Session, subject: Requisition, now: datetime) -> None:
        seen.append(("second", subject.id))

    def first(session: Session, subject: Requisition, now: datetime) -> None:
        seen.append(("first", subject.id))

    hooks.on_final_approval.attach(first, second)
    making.pending(session)

    assert [name for name, _ in seen] == ["first", "second"]


def test_a_listener_that_raises_undoes_what_it_follows(session: Session, seen: Seen) -> None:
    def refuse(session: Session, subject: Payment, now: datetime) -> None:
        raise RuntimeError("it can't follow")

    hooks.on_released.attach(refuse)
    payment = making.pending(session)
    with pytest.raises(RuntimeError, match="can't follow"), session.begin_nested():
        making.released(session, payment)
    session.refresh(payment)

    assert payment.status is PaymentStatus.PENDING
    assert making.open_holds(session, payment) == 0


def test_a_process_that_was_not_composed_moves_no_money(session: Session) -> None:
    with pytest.raises(hooks.NotComposed, match="compose"):
        hooks.Hook[Payment]("on_nothing")(session, Payment(), session.info["now"])
