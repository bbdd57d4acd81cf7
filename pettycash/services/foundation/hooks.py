"""Moments to which other domains attach: in order, in the transaction of what has happened.

A domain that has done something calls its hook; `pettycash.composition` says who is attached to it.
So budgets, events or wallets follow a payment without being imported by it. A listener that raises
undoes all of it, and one that only tells somebody enqueues a message of the outbox.

    hooks.on_settled(session, payment, now)
"""

from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy.orm import Session

from pettycash.models.payments import Payment
from pettycash.models.requisitions import Requisition

Subject = TypeVar("Subject")

Listener = Callable[[Session, Subject, datetime], None]
"""Does what follows, under the lock of the subject that the caller has taken."""


class NotComposed(RuntimeError):
    """A process moves money in which nobody has said what follows from it."""


class Hook(Generic[Subject]):
    """One moment, and the functions that follow it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._listeners: tuple[Listener[Subject], ...] | None = None

    def attach(self, *listeners: Listener[Subject]) -> None:
        """Say all that follow, in their order; what was attached before is forgotten."""
        self._listeners = listeners

    def __call__(self, session: Session, subject: Subject, now: datetime) -> None:
        """Call what is attached.

        Raises:
            NotComposed: nothing was ever attached, not even nothing.
        """
        if self._listeners is None:
            raise NotComposed(f"{self.name}: call pettycash.composition.compose() first")
        for listener in self._listeners:
            listener(session, subject, now)


on_final_approval: Hook[Requisition] = Hook("on_final_approval")
"""The last approver has approved; treasury validates next, or the fund's standing validation."""

on_released: Hook[Payment] = Hook("on_released")
"""A release was recorded and its money is held. The accounts' locks are taken."""

on_settled: Hook[Payment] = Hook("on_settled")
"""The money moved, as was decided, and is in the books. The accounts' locks are taken."""

on_duplicate: Hook[Payment] = Hook("on_duplicate")
"""The money moved once more than was decided; what the payee owes back is in the books."""

on_charged: Hook[Payment] = Hook("on_charged")
"""A fee that became known after its payment is in the books. The accounts' locks are taken."""

on_failed: Hook[Payment] = Hook("on_failed")
"""An attempt moved no money and its hold is void; `failure_confirmed` says how sure that is."""

on_returned: Hook[Payment] = Hook("on_returned")
"""Money that had moved came back, and is in the books. The accounts' locks are taken."""
