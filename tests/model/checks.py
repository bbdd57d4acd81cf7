"""What holds after every rule: the auditor's word, and the players' own books beside it.

Nothing here asks a service: the rows are compared with what the rail's ledger says, with what the
system has answered, and with sums that are reckoned anew.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from pettycash.services.reconciliation import invariants
from tests.model.memory import Player, Released

OF_ROWS = frozenset(name for name, each in invariants.CHECKS.items() if not each.is_of_schema)
"""No rule changes the schema: what guards it is looked at when an example has come to rest."""

LIVE = frozenset({"queued", "claimed", "sending", "accepted", "unknown"})

MAY_BECOME: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"executing", "in_doubt", "success", "failed", "cancelled"}),
    "executing": frozenset({"in_doubt", "success", "failed", "cancelled"}),
    "in_doubt": frozenset({"success", "failed", "cancelled"}),
    "failed": frozenset({"executing", "in_doubt", "success", "cancelled"}),
    "success": frozenset({"reversed"}),
    "cancelled": frozenset(),
    "reversed": frozenset(),
}
"""What may be found where a rule has passed; domain.md §6, written down a second time."""

ATTEMPTS = text("""
    SELECT t.id, t.payment_id, t.originator_reference, t.amount, t.destination, t.state,
        t.settled_amount, t.provider_reference, t.failure_confirmed_at,
        p.status, p.store_id, p.paid_amount
    FROM payment_attempts t JOIN payments p ON p.id = t.payment_id ORDER BY t.id
""")

PAYMENTS = text("""
    SELECT p.id, p.status, p.store_id, p.paid_amount,
        r.status IN ('cancelled', 'closed_short') OR r.approved_amount < p.amount + (
            SELECT coalesce(sum(o.paid_amount), 0) FROM payments o
            WHERE o.requisition_id = r.id AND o.id <> p.id AND o.status IN ('success', 'reversed')
        ) AS has_no_room,
        count(t.id) AS attempts,
        count(t.id) FILTER (WHERE t.state = 'settled') AS settled,
        count(t.id) FILTER (WHERE t.state NOT IN ('settled', 'rejected')) AS live
    FROM payments p JOIN requisitions r ON r.id = p.requisition_id
        LEFT JOIN payment_attempts t ON t.payment_id = p.id GROUP BY p.id, r.id
""")

STORES = text("""
    SELECT s.id, s.code, a.balance, a.held FROM stores s
        JOIN ledger_accounts a ON a.id = s.account_id
""")


def check(player: Player, session: Session) -> None:
    """All of it, on what is committed. An AssertionError names what does not hold."""
    findings = invariants.check_books(session, only=OF_ROWS)
    assert not findings, f"the books break their own rules: {findings}"
    attempts = session.execute(ATTEMPTS).all()
    payments = session.execute(PAYMENTS).all()
    check_releases(player, attempts)
    check_statuses(player, payments)
    check_rail(player)
    check_evidence(player, attempts)
    check_stores(player, attempts, payments, session.execute(STORES).all())


def check_releases(player: Player, attempts: list[Row]) -> None:
    """There is an attempt for each release that was answered, as it was answered, and no other."""
    released = player.memory.released
    assert {each.id for each in attempts} == set(released), "an attempt that nobody released"
    for each in attempts:
        known = released[each.id]
        stands = (each.originator_reference, each.amount, each.destination, each.store_id)
        answered = (known.reference, known.amount, known.destination, known.store_id)
        assert stands == answered, "an attempt is not what was released"
        player.memory.states[each.id] = each.state
    references = Counter(each.reference for each in released.values())
    assert not references or max(references.values()) == 1, "one reference for two attempts"


def check_statuses(player: Player, payments: list[Row]) -> None:
    """Payments only take steps that exist, and stand as their attempts do."""
    seen = player.memory.statuses
    for each in payments:
        before = seen.get(each.id, "pending")
        assert each.status == before or each.status in MAY_BECOME[before], (
            f"a payment that was {before} is {each.status}"
        )
        seen[each.id] = each.status
        match each.status:
            case "pending":
                fits = each.attempts == 0
            case "executing" | "in_doubt":
                fits = each.live == 1
            case "failed" | "cancelled":
                # Proven paid after all, with no room left for it: the payee owes it back.
                has_no_room = each.status == "cancelled" or each.has_no_room
                fits = each.live == 0 and (each.settled == 0 or has_no_room)
            case _:
                fits = each.settled >= 1
        assert fits, f"a payment that is {each.status} has {each}"


def check_rail(player: Player) -> None:
    """I1: nothing moved but what was released, once for each reference and once for each payment.

    Two people who call something unpaid that was paid, or that is paid later, may have it paid
    twice; the system may not, whatever a restore has taken out of its books.
    """
    memory, rail = player.memory, player.rail
    by_reference = defaultdict(list)
    for each in (*memory.released.values(), *memory.lost):
        by_reference[each.reference].append(each)
    for instruction, _ in rail.instructions:
        known = by_reference[instruction.originator_reference]
        assert known, "the rail was told of something that nobody released"
        told = (instruction.amount, instruction.destination)
        released = {(each.amount, each.destination) for each in known}
        assert told in released, "the rail was told something else"
    moved = Counter(each.reference for each in rail.movements)
    assert not moved or max(moved.values()) == 1, "money moved twice under one reference"
    times: Counter[UUID] = Counter()
    for reference in moved:
        known = by_reference[reference]
        if not {each.attempt_id for each in known} & memory.people_not_paid:
            times.update({each.payment_id for each in known})
    assert not times or max(times.values()) == 1, "money moved twice for one payment"


def check_evidence(player: Player, attempts: list[Row]) -> None:
    """I2: nothing counts as paid or as unpaid but what the rail's ledger or two people say."""
    memory = player.memory
    for each in attempts:
        known = memory.released[each.id]
        if each.state == "settled":
            _check_settled(player, known, each)
        elif each.state == "rejected" and each.failure_confirmed_at is not None:
            order = player.order_of(known)
            is_unpaid = order is None or order.state == "refused"
            assert is_unpaid or each.id in memory.people_not_paid, (
                f"what the rail calls {order.state} was called failed"
            )


def _check_settled(player: Player, known: Released, found: Row) -> None:
    if known.is_cash:
        assert known.attempt_id in player.memory.acknowledged, "cash that nobody acknowledged"
        assert found.settled_amount == known.amount
        return
    if known.attempt_id in player.memory.people_paid:
        return
    order = player.order_of(known)
    assert order is not None, "paid, and the rail has never heard of it"
    assert order.movement is not None, "paid, and nothing moved"
    moved = (order.movement.amount, order.movement.receipt, order.movement.destination)
    assert moved == (found.settled_amount, found.provider_reference, known.destination)


def check_stores(
    player: Player, attempts: list[Row], payments: list[Row], stores: list[Row]
) -> None:
    """I3, reckoned from attempts instead of postings: what a store has, and what is held of it."""
    out: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    held: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    for each in attempts:
        if each.state == "settled":
            out[each.store_id] += each.settled_amount
        elif each.state in LIVE:
            held[each.store_id] += each.amount
    for each in payments:
        if each.status == "reversed":
            assert each.id in player.memory.returned, "reversed, and nobody said so"
            out[each.store_id] -= each.paid_amount
    for each in stores:
        expected = player.memory.opening[each.id] + player.memory.received[each.id] - out[each.id]
        assert each.balance == expected, f"{each.code} has {each.balance} and not {expected}"
        assert each.held == held[each.id], f"{each.code}: {each.held} held and not {held[each.id]}"
