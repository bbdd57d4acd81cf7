"""The verdict: our books against themselves, the rail's ledger, and what clients were promised.

The auditor answers for the books (I1 to I8); what only the rail and the clients know is added here.
A run is good only if nothing was found.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import requests
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash.lab.chaos.clients import Clients
from pettycash.lab.chaos.paying import House, Paid
from pettycash.lab.chaos.rail import RailMovement, RailSide
from pettycash.lab.chaos.restoring import Lost
from pettycash.models.operations import Case, CaseStatus, OutboxMessage
from pettycash.models.payments import Callback, Payment, PaymentAttempt, PaymentStatus
from pettycash.models.releases import PaymentExecution
from pettycash.runtime import db
from pettycash.services.reconciliation.invariants import Finding, Invariant, check_all

MONEY_TOPICS = ("payments.submit", "payments.resolve", "callbacks.process")
ASKED_AGAIN_MAX = 100
"""Acknowledged requests that are sent once more, to compare the answers."""
HEARD = frozenset({requests.codes.ok, requests.codes.not_found})
"""Answers to a callback that reached us, whether we knew what it was about or not."""
WHAT_IS_OPEN = frozenset({"nothing_is_undecided", "every_callback_was_read"})
"""The auditor's checks that tell when everything is quiet."""


@dataclass(frozen=True)
class ReleasedPayment:
    """What we know of one released payment."""

    id: UUID
    status: PaymentStatus
    paid_amount: Decimal | None
    phone: str
    provider_reference: str | None
    references: frozenset[str]
    has_case: bool


@dataclass(kw_only=True)
class Judgement:
    """What breaks each invariant, as lines that name it, and what is known besides."""

    invariants: dict[Invariant, list[str]]
    cases: dict[str, int] = field(default_factory=dict)
    """Open cases by kind."""
    told: list[str] = field(default_factory=list)
    """Where rail and books do not agree, and an open case tells an operator so."""
    of_the_lost_time: int = 0
    """Movements of attempts that a restore has lost, of which the rail has told nothing since."""
    statuses: dict[str, int] = field(default_factory=dict)
    """Released payments by status."""
    settled_seconds: float = 0.0

    @property
    def double(self) -> list[str]:
        """What was paid twice."""
        return self.invariants[Invariant.I1]

    @property
    def lost(self) -> list[str]:
        """What moved or is a success alone, and what was promised and is not true."""
        return self.invariants[Invariant.I2] + self.invariants[Invariant.I4]

    @property
    def unbalanced(self) -> list[str]:
        """Faults of the books: balances, holds, rows that only grow, caps, deciders."""
        books = (Invariant.I3, Invariant.I5, Invariant.I7, Invariant.I8)
        return [line for name in books for line in self.invariants[name]]

    @property
    def undecided(self) -> list[str]:
        """What is neither done nor visible to an operator."""
        return self.invariants[Invariant.I6]

    @property
    def is_good(self) -> bool:
        """Whether every promise was kept."""
        return not any(self.invariants.values())


def await_settled(
    house: House, rail: RailSide, wait: Callable[[Callable[[], bool], float], bool], seconds: float
) -> float:
    """Wait until everything released is decided or a case; the seconds that took."""
    began = time.monotonic()
    wait(lambda: not rail.owes_callbacks() and is_settled(house), seconds)
    return time.monotonic() - began


def is_settled(house: House) -> bool:
    """Whether nothing about money is open that no case tells of."""
    with house.scope(), db.snapshot() as session:
        return not (_owed(session) or _audit(session, only=WHAT_IS_OPEN)[Invariant.I6])


def judge(house: House, rail: RailSide, clients: Clients, *, lost: Lost | None) -> Judgement:
    """All checks, once everything is quiet. `lost` is what a restore has lost, if there was one."""
    movements = rail.movements()
    with house.scope(), db.snapshot() as session:
        found = _audit(session)
        found[Invariant.I6] += _owed(session)
        known = _known(session)
        executions = _executions(session)
        cases = _cases(session)
        told = _told_of_lost(session)
    compared = compare(known, movements, told_of_lost=told, untold=_untold(rail, lost))
    found[Invariant.I1] += compared.double
    found[Invariant.I2] += compared.lost
    found[Invariant.I4] += _promises(clients, executions)
    return Judgement(
        invariants=found,
        told=compared.told,
        of_the_lost_time=len(compared.of_the_lost_time),
        cases=cases,
        statuses=dict(Counter(each.status.value for each in known)),
    )


def _audit(session: Session, *, only: frozenset[str] | None = None) -> dict[Invariant, list[str]]:
    """What the auditor finds in settled books, by invariant."""
    found: dict[Invariant, list[str]] = {each: [] for each in Invariant}
    for result in check_all(session, now=session.info["now"], settled=True, only=only):
        found[result.invariant] += [_line(finding) for finding in result.findings]
    return found


def _line(finding: Finding) -> str:
    return f"{finding.check}: {finding.object_type} {finding.object_id} {dict(finding.detail)}"


def _known(session: Session) -> list[ReleasedPayment]:
    references: dict[UUID, set[str]] = defaultdict(set)
    for row in session.execute(
        select(PaymentAttempt.payment_id, PaymentAttempt.originator_reference)
    ):
        references[row.payment_id].add(row.originator_reference)
    with_case = set(
        session.execute(select(Case.object_id).where(Case.status != CaseStatus.RESOLVED)).scalars()
    )
    rows = session.execute(select(Payment).where(Payment.id.in_(references))).scalars()
    return [
        ReleasedPayment(
            id=payment.id,
            status=payment.status,
            paid_amount=payment.paid_amount,
            phone=payment.destination.removeprefix("+"),
            provider_reference=payment.provider_reference,
            references=frozenset(references[payment.id]),
            has_case=payment.id in with_case,
        )
        for payment in rows
    ]


@dataclass
class Comparison:
    """Where the rail's ledger and our payments do not agree."""

    double: list[str] = field(default_factory=list)
    """What moved twice; nothing explains that."""
    lost: list[str] = field(default_factory=list)
    """What moved without a success, or is one without having moved like that."""
    told: list[str] = field(default_factory=list)
    """The same where an open case tells an operator of it.

    A forged callback that knows the secret can't be told from the rail's own; the rail's word
    that follows contradicts it, and a case is what that becomes.
    """
    of_the_lost_time: list[str] = field(default_factory=list)
    """What moved before a restore for payments that are gone, and that nobody can tell of."""


def compare(
    known: Sequence[ReleasedPayment],
    movements: Sequence[RailMovement],
    *,
    told_of_lost: Collection[str] = (),
    untold: Callable[[str], bool] = lambda _reference: False,
) -> Comparison:
    """Every movement has its one success, and every success its movement.

    After a restore, one under a reference that is gone is in a case (`told_of_lost`), or the rail
    had said its last word of it to the books that are gone (`untold`).
    """
    found = Comparison()
    moved: dict[str, list[RailMovement]] = defaultdict(list)
    for each in movements:
        moved[each.originator_reference].append(each)
    explained: set[str] = set()
    for payment in known:
        of_it = [each for name in payment.references for each in moved.get(name, [])]
        explained |= payment.references
        if len(of_it) > 1:
            found.double.append(f"payment {payment.id} moved {len(of_it)} times")
        lines = found.told if payment.has_case else found.lost
        if payment.status is PaymentStatus.SUCCESS:
            lines += _differences(payment, of_it)
        elif of_it:
            lines.append(f"payment {payment.id} moved and is {payment.status}")
    for name in sorted(moved.keys() - explained):
        line = f"{name} moved and no payment has this reference"
        if name in told_of_lost:
            found.told.append(line)
        elif untold(name):
            found.of_the_lost_time.append(line)
        else:
            found.lost.append(line)
    by_phone = Counter(each.phone for each in movements)
    found.double += [f"{phone} was paid {n} times" for phone, n in by_phone.items() if n > 1]
    return found


def _differences(payment: ReleasedPayment, found: Sequence[RailMovement]) -> list[str]:
    """How a success differs from what the rail says that it moved."""
    if not found:
        return [f"payment {payment.id} is a success and nothing moved"]
    first = found[0]
    facts = (
        ("amount", first.amount, payment.paid_amount),
        ("receiver", first.phone, payment.phone),
        ("receipt", first.provider_reference, payment.provider_reference),
    )
    return [
        f"payment {payment.id}: {what} {theirs} at the rail, {ours} with us"
        for what, theirs, ours in facts
        if theirs != ours
    ]


def _told_of_lost(session: Session) -> set[str]:
    """References of lost attempts that callbacks have spoken of, each with its case."""
    rows = session.execute(
        select(Callback.told_reference)
        .join(Case, (Case.object_id == Callback.id) & (Case.object_type == "callback"))
        .where(Callback.lost_attempt_id.is_not(None))
    )
    return {reference for reference in rows.scalars() if reference is not None}


def _untold(rail: RailSide, lost: Lost | None) -> Callable[[str], bool]:
    """Whether the rail has said nothing of a reference since the restore."""
    if lost is None:
        return lambda _reference: False
    heard = {
        each.originator_reference
        for each in rail.callbacks()
        if each.status in HEARD and each.number not in lost.heard_before
    }
    return lambda reference: reference not in heard


def _owed(session: Session) -> list[str]:
    """Outbox messages about money that are neither done, nor about a payment that has a case.

    A payment in doubt is asked about for ever; its case is what makes that visible.
    """
    has_case = (
        select(Case.id)
        .join(PaymentAttempt, PaymentAttempt.payment_id == Case.object_id)
        .where(PaymentAttempt.id == OutboxMessage.key, Case.status != CaseStatus.RESOLVED)
        .exists()
    )
    rows = session.execute(
        select(OutboxMessage.topic, OutboxMessage.key, OutboxMessage.last_error).where(
            OutboxMessage.completed_at.is_(None), OutboxMessage.topic.in_(MONEY_TOPICS), ~has_case
        )
    )
    return [f"{row.topic} {row.key} is open: {row.last_error}" for row in rows]


def _cases(session: Session) -> dict[str, int]:
    rows = session.execute(
        select(Case.kind, func.count())
        .where(Case.status != CaseStatus.RESOLVED)
        .group_by(Case.kind)
    )
    return {row[0].value: row[1] for row in rows}


def _executions(session: Session) -> Counter[UUID]:
    rows = session.execute(
        select(PaymentExecution.payment_id, func.count()).group_by(PaymentExecution.payment_id)
    )
    return Counter({row[0]: row[1] for row in rows})


def _promises(clients: Clients, executions: Counter[UUID]) -> list[str]:
    """Acknowledged requests that are not true: not released, released twice, answered anew."""
    broken = [
        f"payment {paid.id} was acknowledged and has {executions[paid.id]} executions"
        for paid in clients.told.accepted
        if executions[paid.id] != 1
    ]
    for paid, body in list(clients.told.accepted.items())[-ASKED_AGAIN_MAX:]:
        if not _same_answer(clients, paid, body):
            broken.append(f"payment {paid.id}: the same request is answered differently now")
    return broken


def _same_answer(clients: Clients, paid: Paid, body: dict[str, Any]) -> bool:
    try:
        answer = clients.again(paid)
    except requests.RequestException:
        return False
    return answer.status_code == requests.codes.accepted and bool(answer.json() == body)
