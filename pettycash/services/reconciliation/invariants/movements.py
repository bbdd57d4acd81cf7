"""I1 and I2 against a rail's own ledger: what moved there, and what we know of it.

The ledger is read elsewhere, since services do not talk to the network. Our side is read twice,
before the ledger and after it: a success must have moved by the time that the ledger is read, and
what the ledger has must be known by the next look.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from pettycash.models.operations import Case, CaseStatus
from pettycash.models.payments import (
    ON_THE_WAY,
    AttemptState,
    Payment,
    PaymentAttempt,
    PaymentStatus,
)
from pettycash.runtime import settings
from pettycash.runtime.rails import Method
from pettycash.services.reconciliation.invariants.checks import CheckResult, Finding, Invariant

BOOKED_AS_PAID = frozenset({PaymentStatus.SUCCESS, PaymentStatus.REVERSED})


@dataclass(frozen=True, kw_only=True)
class Movement:
    """Money that a rail says it has moved."""

    originator_reference: str
    provider_reference: str
    amount: Decimal
    destination: str


@dataclass(frozen=True, kw_only=True)
class KnownAttempt:
    """The facts of one attempt of a payment."""

    company_id: UUID
    payment_id: UUID
    number: str
    status: PaymentStatus
    state: AttemptState
    originator_reference: str
    provider_reference: str | None
    amount: Decimal
    destination: str
    """As it was instructed."""
    settled_amount: Decimal | None
    is_undecided: bool
    """On its way, or failed by a callback alone: what the rail did may yet be learned."""
    has_case: bool
    """People were told."""

    def agrees_with(self, movement: Movement) -> bool:
        """Whether reference, amount and payee are the same."""
        return (
            self.provider_reference == movement.provider_reference
            and self.settled_amount == movement.amount
            and self.destination.lstrip("+") == movement.destination.lstrip("+")
        )


def known(session: Session, *, method: Method) -> list[KnownAttempt]:
    """Every attempt of the session's company by one method, but those sent to the real rail."""
    has_case = exists().where(Case.object_id == Payment.id, Case.status != CaseStatus.RESOLVED)
    rows = session.execute(
        select(PaymentAttempt, Payment, has_case)
        .join(Payment, Payment.id == PaymentAttempt.payment_id)
        .where(Payment.method == method)
        .order_by(PaymentAttempt.id)
        .execution_options(populate_existing=True)
    )
    real = settings.current().rail_hosts
    return [
        KnownAttempt(
            company_id=payment.company_id,
            payment_id=payment.id,
            number=payment.number,
            status=payment.status,
            state=attempt.state,
            originator_reference=attempt.originator_reference,
            provider_reference=attempt.provider_reference,
            amount=attempt.amount,
            destination=attempt.destination,
            settled_amount=attempt.settled_amount,
            is_undecided=payment.status in ON_THE_WAY or not payment.failure_confirmed,
            has_case=case_is_open,
        )
        for attempt, payment, case_is_open in rows
        if urlsplit(attempt.base_url or "").hostname not in real
    ]


@dataclass(frozen=True)
class _Comparison:
    before: Sequence[KnownAttempt]
    movements: Sequence[Movement]
    after: Sequence[KnownAttempt]
    settled: bool

    def references_moved_once(self) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
        """A duplicate payment: two movements under one reference."""
        counted = Counter(each.originator_reference for each in self.movements)
        for reference, count in counted.items():
            if count > 1:
                yield "movement", reference, {"movements": count}

    def payments_moved_once(self) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
        """A duplicate payment too: a movement under another reference of the same payment."""
        payment_of = {each.originator_reference: each.payment_id for each in self.after}
        moved: dict[UUID, set[str]] = defaultdict(set)
        for each in self.movements:
            if each.originator_reference in payment_of:
                moved[payment_of[each.originator_reference]].add(each.originator_reference)
        for payment_id, references in moved.items():
            if len(references) > 1:
                yield "payment", str(payment_id), {"references": ", ".join(sorted(references))}

    def movements_are_ours(self) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
        """No money moved under a reference that was never given out."""
        ours = {each.originator_reference for each in self.after}
        for each in self.movements:
            if each.originator_reference not in ours:
                shown = {"provider_reference": each.provider_reference, "amount": str(each.amount)}
                yield "movement", each.originator_reference, shown

    def movements_are_successes(self) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
        """Money that moved is booked as paid with the same amount and payee, or may yet be."""
        attempt_of = {each.originator_reference: each for each in self.after}
        for each in self.movements:
            found = attempt_of.get(each.originator_reference)
            if found is None:
                continue
            if found.state is AttemptState.SETTLED and found.status in BOOKED_AS_PAID:
                if found.agrees_with(each):
                    continue
            elif found.has_case or (found.is_undecided and not self.settled):
                continue
            yield (
                "payment",
                str(found.payment_id),
                {
                    "number": found.number,
                    "status": found.status.value,
                    "moved": str(each.amount),
                    "booked": str(found.settled_amount),
                    "moved_as": each.provider_reference,
                    "booked_as": str(found.provider_reference),
                },
            )

    def successes_moved(self) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
        """Money that is booked as paid did move, unless a case is open or it was returned."""
        moved = {each.originator_reference for each in self.movements}
        for each in self.before:
            is_excused = each.has_case or each.status is PaymentStatus.REVERSED
            if is_excused or each.originator_reference in moved:
                continue
            if each.state is AttemptState.SETTLED:
                shown = {"number": each.number, "booked": str(each.settled_amount)}
                yield "payment", str(each.payment_id), shown


_Compare = Callable[[_Comparison], Iterable[tuple[str, str, Mapping[str, Any]]]]

COMPARISONS: Mapping[str, tuple[Invariant, _Compare]] = {
    "references_moved_once": (Invariant.I1, _Comparison.references_moved_once),
    "payments_moved_once": (Invariant.I1, _Comparison.payments_moved_once),
    "movements_are_ours": (Invariant.I2, _Comparison.movements_are_ours),
    "movements_are_successes": (Invariant.I2, _Comparison.movements_are_successes),
    "successes_moved": (Invariant.I2, _Comparison.successes_moved),
}
"""Name → the invariant, and what gives the things that break it."""


def compare(
    *,
    before: Sequence[KnownAttempt],
    movements: Sequence[Movement],
    after: Sequence[KnownAttempt],
    settled: bool = False,
) -> list[CheckResult]:
    """Compare a rail's whole ledger with the attempts of every company that it serves.

    At any instant a movement may wait for its payment to learn of it; once `settled`, only an open
    case excuses it. A reference or a payment that moved twice is never excused.
    """
    comparison = _Comparison(before, movements, after, settled)
    results = []
    for name, (invariant, find) in COMPARISONS.items():
        began = time.monotonic()
        findings = tuple(
            Finding(check=name, object_type=object_type, object_id=object_id, detail=detail)
            for object_type, object_id, detail in find(comparison)
        )
        results.append(
            CheckResult(
                check=name,
                invariant=invariant,
                findings=findings,
                seconds=time.monotonic() - began,
            )
        )
    return results
