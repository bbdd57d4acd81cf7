"""The plan of the story: who asks for what and when, and what becomes of it.

A plan follows from its seed and its last day alone, so that telling it can be taken up again.
All of it happens on working days before that day, so it is over whatever the clock says.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from pettycash.lab.demo.story import content
from pettycash.lab.demo.story.content import Purchase
from pettycash.runtime.rails import Method

ZONE = ZoneInfo("Africa/Nairobi")
DAYS = 56
PAST = timedelta(days=63)
"""How long before its first start the demo organisation began: a week before its story does."""

SEED = 56
FIRST_PHONE = 254_722_000_000
"""Receivers are numbered from here; none is a number that the simulator answers with a fault."""


class Ending(StrEnum):
    """How far a requisition of the story has come at its end."""

    DRAFT = "draft"
    WAITS = "waits for an approver"
    URGENT = "waits for the answer whether it is urgent"
    CHANGES = "sent back"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    AT_TREASURY = "waits for treasury"
    HELD = "on hold"
    TO_RELEASE = "waits for its release"
    OFFERED = "waits for its recipient"
    FAILED = "its payment failed"
    IN_DOUBT = "its payment is in doubt"
    SHORT = "closed short"
    PAID = "paid"
    REVIEWED = "reviewed"


E = Ending
WAITING = frozenset({E.WAITS, E.URGENT})
SENT = frozenset({E.FAILED, E.IN_DOUBT, E.SHORT, E.PAID, E.REVIEWED})
VALIDATED = SENT | {E.TO_RELEASE, E.OFFERED}
APPROVED = VALIDATED | {E.AT_TREASURY, E.HELD}


class Act(StrEnum):
    """One thing that somebody does in the story; `acts` has a function of each."""

    RAISE = "raise"
    SUBMIT = "submit"
    APPROVE = "approve"
    SEND_BACK = "send_back"
    REJECT = "reject"
    CANCEL = "cancel"
    HOLD = "hold"
    VALIDATE = "validate"
    SEND = "send"
    ANSWER = "answer"
    ASK = "ask"
    OFFER = "offer"
    ACKNOWLEDGE = "acknowledge"
    CLOSE_SHORT = "close_short"
    REVIEW = "review"
    RECORD_VARIANCE = "record_variance"
    DECIDE_VARIANCE = "decide_variance"
    APPROVE_REFILL = "approve_refill"
    FUND_REFILL = "fund_refill"
    RECEIVE_REFILL = "receive_refill"


@dataclass(frozen=True)
class Place:
    """A branch of the story: who asks there, and from which of its stores it pays."""

    requesters: tuple[str, ...]
    method: Method
    wanted: tuple[tuple[Ending, int], ...]
    """How many requisitions end how."""


PLACES = {
    # `demo pay` compares this fund before and after, perhaps meanwhile: nothing of it moves.
    "WESTLANDS": Place(
        ("staff", "staff_2"), Method.MPESA, ((E.DRAFT, 7), (E.WAITS, 17), (E.URGENT, 2))
    ),
    "MOMBASA": Place(
        ("staff_mombasa",),
        Method.CASH,
        (
            (E.DRAFT, 1), (E.WAITS, 2), (E.CHANGES, 2), (E.REJECTED, 3), (E.CANCELLED, 2),
            (E.AT_TREASURY, 2), (E.HELD, 1), (E.TO_RELEASE, 2), (E.OFFERED, 1), (E.PAID, 10),
            (E.REVIEWED, 26),
        ),
    ),
    "HQ": Place(
        ("staff_hq",),
        Method.MPESA,
        (
            (E.DRAFT, 2), (E.WAITS, 3), (E.CHANGES, 1), (E.REJECTED, 3), (E.CANCELLED, 2),
            (E.AT_TREASURY, 3), (E.HELD, 1), (E.TO_RELEASE, 3), (E.FAILED, 1), (E.IN_DOUBT, 1),
            (E.SHORT, 1), (E.PAID, 13), (E.REVIEWED, 28),
        ),
    ),
}  # fmt: skip

BEGINS = {
    E.DRAFT: (6, 1), E.WAITS: (6, 4), E.URGENT: (2, 1), E.AT_TREASURY: (6, 5), E.HELD: (8, 6),
    E.TO_RELEASE: (7, 5), E.OFFERED: (5, 5), E.FAILED: (8, 8), E.IN_DOUBT: (9, 9),
    E.SHORT: (16, 16), E.PAID: (12, 3),
}  # fmt: skip
"""Ending → how many working days before the end it begins, at the earliest and at the latest."""

ENDED_EARLY = {E.REJECTED: Act.REJECT, E.CHANGES: Act.SEND_BACK, E.CANCELLED: Act.CANCEL}

VARIED = frozenset(range(7, 200, 13))
"""Numbers of those whose payment, if it has one over the rail, was more than was released."""

REVIEWED_BEFORE, REFILLED_BEFORE = 14, 7
"""How many working days before the end the last reviewed one begins, and the last refill comes."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One requisition of the story."""

    number: int
    place: str
    requester: str
    ending: Ending
    purchase: Purchase
    amount: Decimal
    method: Method
    phone: str
    approvals: int
    """How many people approve it in the story."""

    @property
    def reference(self) -> str:
        """By this it is found again."""
        return f"ORDER-{self.number:03d}"

    @property
    def is_urgent(self) -> bool:
        return self.ending is E.URGENT

    def lines(self) -> Iterator[tuple[str, str, Decimal]]:
        """Description, category and amount of each line; they add up to the whole."""
        *first, last = self.purchase.lines
        shares, left = sum(share for *_, share in self.purchase.lines), self.amount
        for description, category, share in first:
            part = (self.amount * share / shares).quantize(Decimal(1))
            left -= part
            yield description, category, part
        yield last[0], last[1], left


@dataclass(frozen=True, kw_only=True)
class Event:
    """An act at its instant: of an item, or on the fund of a place."""

    at: datetime
    act: Act
    item: Item | None = None
    place: str = ""


@dataclass(frozen=True)
class Plan:
    """The whole story, in the order in which it happens."""

    items: tuple[Item, ...]
    chapters: tuple[tuple[Event, ...], ...]
    """Each is written in one transaction."""


ACTS_MAX = 6
OF_MONEY = frozenset(
    {
        Act.SEND,
        Act.ANSWER,
        Act.OFFER,
        Act.ACKNOWLEDGE,
        Act.DECIDE_VARIANCE,
        Act.FUND_REFILL,
        Act.RECEIVE_REFILL,
    }
)
REFILLED = "MOMBASA"
"""The place whose fund is refilled, again and again."""


def plan(today: date, *, share: float = 1.0, seed: int = SEED) -> Plan:
    """The story that ends on the working day before `today`; a share of its requisitions."""
    days = [each for each in _days(today) if each.weekday() < 5]
    chance = random.Random(seed)
    drawn = [
        (place, ending, nth)
        for place, each in PLACES.items()
        for ending, count in each.wanted
        for nth in range(_some(count, share))
    ]
    days_of = [_begins(ending, len(days), chance) for _, ending, _ in drawn]
    order = sorted(range(len(drawn)), key=lambda each: (days_of[each], each))
    items: list[Item] = []
    events: list[Event] = []
    for number, index in enumerate(order, start=1):
        item = _item(number, *drawn[index], chance)
        items.append(item)
        events += _life(item, days, days_of[index], chance)
    for day in days[:-REFILLED_BEFORE]:
        for clock, act in _REFILL:
            events.append(Event(at=_at(day, clock), act=act, place=REFILLED))
    events.sort(key=lambda each: (each.at, each.item.number if each.item else 0))
    return Plan(tuple(items), tuple(map(tuple, _chapters(events))))


def _chapters(events: list[Event]) -> Iterator[list[Event]]:
    """Short ones, each with one act at most that locks accounts: people work meanwhile.

    The rail is told before the first answer of a chapter, so what was sent is not answered in it.
    """
    chapter: list[Event] = []
    for each in events:
        full = len(chapter) == ACTS_MAX or (
            each.act in OF_MONEY and any(before.act in OF_MONEY for before in chapter)
        )
        if full:
            yield chapter
            chapter = []
        chapter.append(each)
    yield chapter


_REFILL = (
    (time(10, 15), Act.APPROVE_REFILL),
    (time(11, 40), Act.FUND_REFILL),
    (time(16, 50), Act.RECEIVE_REFILL),
)


def _days(today: date) -> Iterator[date]:
    for before in range(DAYS, 0, -1):
        yield today - timedelta(days=before)


def _some(count: int, share: float) -> int:
    return max(1, round(count * share))


def _begins(ending: Ending, days: int, chance: random.Random) -> int:
    earliest, latest = BEGINS.get(ending, (days, REVIEWED_BEFORE))
    return chance.randint(days - earliest, days - latest)


def _item(number: int, place: str, ending: Ending, nth: int, chance: random.Random) -> Item:
    where = PLACES[place]
    waits_long = place == "WESTLANDS" and ending is E.WAITS and nth < 8
    is_large = waits_long or (where.method is not Method.CASH and chance.random() < 0.3)
    purchase = chance.choice(content.LARGE if is_large else content.SMALL)
    amount = chance.randrange(12_000, 48_000, 500) if is_large else chance.randrange(350, 6_500, 50)
    if is_large and place == "HQ":
        amount = 10_500 + (amount - 12_000) // 1_500 * 500  # its fund lasts for all of it
    if where.method is Method.CASH:
        # The last of them leave the drawer below its reorder level.
        amount = chance.randrange(2_000, 3_000, 50) if ending is E.PAID else min(amount, 2_600)
    if waits_long and nth < 2:
        purchase, amount = content.FLEET, 320_000
    if ending is E.SHORT:
        purchase, amount = content.LARGE[0], 24_000
    needed = _needed(place, amount)
    given = (nth + 2) % needed if ending is E.WAITS else 0
    return Item(
        number=number,
        place=place,
        requester=chance.choice(where.requesters),
        ending=ending,
        purchase=purchase,
        amount=Decimal(amount),
        method=where.method,
        phone=str(FIRST_PHONE + number),
        approvals=needed if ending in APPROVED else given,
    )


def _needed(place: str, amount: int) -> int:
    """How many people approve such an amount, as the demo's thresholds say."""
    is_hq = place == "HQ"
    if amount <= 10_000:
        return 1
    if amount <= 250_000:
        return 2 if is_hq else 3
    return 4


def _life(item: Item, days: list[date], first: int, chance: random.Random) -> Iterator[Event]:
    """What happens to a requisition, day by day."""

    def on(day: int, act: Act, earliest: time, minutes: int) -> Event:
        wait = timedelta(seconds=chance.randrange(minutes * 60))
        return Event(at=_at(days[day], earliest) + wait, act=act, item=item)

    ending = item.ending
    raised = on(first, Act.RAISE, time(8, 20), 60)
    yield raised
    if ending is E.DRAFT:
        return
    yield Event(at=raised.at + timedelta(minutes=9), act=Act.SUBMIT, item=item)
    if ending in ENDED_EARLY:
        yield on(first, ENDED_EARLY[ending], time(11), 150)
        return
    for step in range(item.approvals):
        yield on(first + step, Act.APPROVE, time(9, 45), 240)
    day = first + item.approvals
    if ending is E.HELD:
        yield on(day, Act.HOLD, time(9), 60)
    if ending in VALIDATED:
        yield on(day, Act.VALIDATE, time(8, 30), 60)
    if ending is E.OFFERED or ending in SENT:
        yield from _payment(item, day, on)
    if ending is E.SHORT:
        yield on(day + 1, Act.CLOSE_SHORT, time(11), 60)
    if ending is E.REVIEWED:
        yield on(min(day + chance.randint(5, 8), len(days) - 1), Act.REVIEW, time(16), 45)


def _payment(item: Item, day: int, on: Callable[[int, Act, time, int], Event]) -> Iterator[Event]:
    if item.method is Method.CASH:
        yield (offered := on(day, Act.OFFER, time(15), 80))
        if item.ending is not E.OFFERED:
            yield Event(at=offered.at + timedelta(minutes=3), act=Act.ACKNOWLEDGE, item=item)
        return
    yield (sent := on(day, Act.SEND, time(14), 40))
    yield Event(at=sent.at + timedelta(minutes=1), act=Act.ANSWER, item=item)
    if item.ending is E.IN_DOUBT:
        # Once within the hour, and again when it is too late to send it once more.
        yield Event(at=sent.at + timedelta(minutes=30), act=Act.ASK, item=item)
        yield on(day + 2, Act.ASK, time(15, 30), 30)
    if item.number in VARIED:
        yield on(day + 1, Act.RECORD_VARIANCE, time(10), 60)
        if item.ending is E.REVIEWED:
            yield on(day + 2, Act.DECIDE_VARIANCE, time(10), 60)


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, ZONE).astimezone(UTC)
