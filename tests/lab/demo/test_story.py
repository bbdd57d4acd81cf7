"""The demo's story: complete at any hour, killed anywhere, and the books hold at each moment."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from sqlalchemy import func, select

from pettycash import composition
from pettycash.cli.lab import seed
from pettycash.lab.demo.story import telling
from pettycash.lab.demo.story.plan import DAYS, OF_MONEY, ZONE, Act, Ending, plan
from pettycash.models.access import Company
from pettycash.models.imprest import (
    Fund,
    Store,
)
from pettycash.models.ledger import JournalEntry, LedgerAccount
from pettycash.models.operations import Case, CaseStatus, OutboxMessage
from pettycash.models.payments import Payment, PaymentAttempt
from pettycash.models.requisitions import Requisition, RequisitionStatus
from pettycash.runtime import db
from pettycash.runtime.rails import Method
from pettycash.services.imprest import funds
from pettycash.services.reconciliation import invariants
from pettycash.services.reconciliation.invariants import movements
from pettycash.services.reconciliation.invariants.movements import Movement
from pettycash.stack import schema
from tests.lab.simulators.daraja import Simulator
from tests.servers import Database, Servers

pytestmark = pytest.mark.xdist_group("story")

NEW_YEAR = datetime(2026, 1, 1, 0, 30, tzinfo=ZONE)
"""Half past midnight, and what is told lies in the year before."""

SHARE = 0.02
"""One requisition of each kind, and hardly more."""


class House:
    """A demo organisation with a past, and its rail."""

    def __init__(self, database: Database, rail: Simulator, state: Any) -> None:
        self.database, self.rail = database, rail
        self.settings = replace(database.settings, state_dir=state, simulator_mpesa_url=rail.url)

    def compose(self) -> None:
        composition.compose(self.settings)

    def company(self) -> Any:
        with db.system_transaction() as session:
            found = session.execute(select(Company.id).where(Company.code == "DEMO")).scalar_one()
        return db.scope(company_id=found, source="test")

    def broken(self) -> list[str]:
        """What `audit books` would name, the rail's ledger included."""
        before = self._known()
        moved = [
            Movement(
                originator_reference=each["originator_reference"],
                provider_reference=each["provider_reference"],
                amount=Decimal(each["amount"]),
                destination=each["phone"],
            )
            for each in self.rail.page("ledger")["movements"]
        ]
        with self.company(), db.snapshot() as session:
            checks = invariants.check_all(session, now=session.info["now"])
            late = invariants.check_all(session, now=session.info["now"], running=True)
        compared = movements.compare(before=before, movements=moved, after=self._known())
        return [each.check for each in (*checks, *late, *compared) if not each.ok]

    def _known(self) -> list[movements.KnownAttempt]:
        with self.company(), db.snapshot() as session:
            return movements.known(session, method=Method.MPESA)

    def teller(self) -> telling.Teller:
        with db.system_transaction() as session:
            found = session.execute(select(Company.id).where(Company.code == "DEMO")).scalar_one()
        return telling.Teller(found, NEW_YEAR, plan(NEW_YEAR.date(), share=SHARE))

    def count(self) -> Counter[str]:
        with self.company(), db.transaction() as session:
            statuses = session.execute(select(Requisition.status)).scalars()
            return Counter(each.value for each in statuses)


class Killed(Exception):
    """The teller is gone."""


@pytest.fixture(scope="module")
def built(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The organisation as `up` seeds it, begun so long ago that New Year lies in its past."""
    state, name = tmp_path_factory.mktemp("story"), "pettycash_story"
    rail = Simulator(tmp_path_factory.mktemp("mpesa")).start()
    servers.drop(name)
    servers.postgres.make_database(name)
    house = House(servers.database(name), rail, state)
    schema.upgrade(house.database.owner_url)
    house.compose()
    seed.seed_demo(past=datetime.now(UTC) - NEW_YEAR + timedelta(days=DAYS + 7))
    yield house
    db.dispose()
    servers.drop(name)
    rail.end()


@pytest.fixture(scope="module")
def told(built: House) -> House:
    """The story, told by somebody who is killed before and after each word of the rail."""
    built.compose()
    chapters = plan(NEW_YEAR.date(), share=SHARE).chapters

    def say(written: str) -> None:
        number = int(written.split()[1])
        following = chapters[number] if number < len(chapters) else ()
        if any(each.act in (Act.ANSWER, Act.ASK) for each in following):
            raise Killed

    kills = 0
    while True:
        try:
            assert telling.tell(say, share=SHARE, today=NEW_YEAR) == 0
        except Killed:
            kills += 1
            assert built.broken() == [], "what was sent is not in the rail's ledger"
            teller = built.teller()
            with built.company(), requests.Session() as http:
                teller.ask_rail(teller.next(), http)
            assert built.broken() == [], "what is in the rail's ledger is not settled"
        else:
            assert kills > 5
            return built


@pytest.fixture
def house(told: House) -> House:
    told.compose()
    return told


@pytest.mark.parametrize(
    "today", [date(2026, 12, 1), date(2026, 12, 31), date(2027, 1, 1), date(2028, 2, 29)]
)
def test_140_requisitions_lie_in_the_eight_weeks_before_any_day(today: date) -> None:
    whole = plan(today)
    events = [each for chapter in whole.chapters for each in chapter]

    assert len(whole.items) == 140
    assert {each.ending for each in whole.items} == set(Ending)
    assert len({each.reference for each in whole.items}) == 140
    assert all(sum(part for *_, part in each.lines()) == each.amount for each in whole.items)
    assert [each.at for each in events] == sorted(each.at for each in events)
    days = [each.at.astimezone(ZONE).date() for each in events]
    assert today - timedelta(days=DAYS) <= days[0] < days[-1] < today
    at_westlands = {each.act for each in events if each.item and each.item.place == "WESTLANDS"}
    assert at_westlands == {Act.RAISE, Act.SUBMIT, Act.APPROVE}
    assert all(sum(each.act in OF_MONEY for each in chapter) <= 1 for chapter in whole.chapters), (
        "people wait for no more than one payment"
    )
    assert plan(today) == whole


def test_all_of_it_stands_in_books_that_hold(house: House) -> None:
    found = house.count()

    assert sum(found.values()) == len(plan(NEW_YEAR.date(), share=SHARE).items)
    for status in (
        RequisitionStatus.DRAFT, RequisitionStatus.CHANGES_REQUESTED, RequisitionStatus.REJECTED,
        RequisitionStatus.CANCELLED, RequisitionStatus.PENDING_TREASURY_VALIDATION,
        RequisitionStatus.IN_PAYMENT, RequisitionStatus.PAID, RequisitionStatus.REVIEWED,
        RequisitionStatus.CLOSED_SHORT, RequisitionStatus.PENDING_URGENCY_CONFIRMATION,
    ):  # fmt: skip
        assert found[status.value] > 0, status
    with house.company(), db.transaction() as session:
        statuses = set(session.execute(select(Payment.status)).scalars())
        cases = session.execute(select(Case.kind).where(Case.status != CaseStatus.RESOLVED))
        assert {"success", "failed", "in_doubt", "pending", "executing", "cancelled"} == statuses
        assert "in_doubt" in set(cases.scalars())
    assert house.broken() == []


def test_it_happened_when_the_story_says(house: House) -> None:
    midnight = NEW_YEAR.replace(hour=0, minute=0)
    with house.company(), db.transaction() as session:
        for moment in (
            Requisition.created_at, Requisition.submitted_at, Payment.created_at, Payment.paid_at,
            Case.created_at, JournalEntry.occurred_at,
        ):  # fmt: skip
            first, last = session.execute(select(func.min(moment), func.max(moment))).one()
            assert midnight - timedelta(days=DAYS + 8) < first <= last < midnight, moment
        dates = session.execute(
            select(JournalEntry.accounting_date, JournalEntry.occurred_at)
        ).all()
        assert all(day == at.astimezone(ZONE).date() for day, at in dates)
        numbers = session.execute(select(Payment.number)).scalars()
        assert all(each.startswith("PAY-2025-") for each in numbers)


def test_nobody_is_written_to_and_nothing_is_sent_again(house: House) -> None:
    with house.company(), db.transaction() as session:
        owed = session.execute(
            select(OutboxMessage.topic, PaymentAttempt.state)
            .outerjoin(PaymentAttempt, PaymentAttempt.id == OutboxMessage.key)
            .where(OutboxMessage.completed_at.is_(None))
        ).all()

    assert {tuple(each) for each in owed} == {
        ("payments.resolve", "unknown"),
        ("reconciliation.run", None),
    }


def test_the_fund_at_westlands_is_as_it_opened(house: House) -> None:
    with house.company(), db.transaction() as session:
        fund = session.execute(select(Fund.id).where(Fund.code == "WESTLANDS")).scalar_one()
        found = funds.balance(session, fund)
        moved = session.execute(
            select(func.count())
            .select_from(Payment)
            .join(Store, Store.id == Payment.store_id)
            .where(Store.fund_id == fund)
        ).scalar_one()
        sequences = session.execute(
            select(LedgerAccount.sequence).where(LedgerAccount.fund_id == fund)
        ).scalars()
        assert (found.available, moved, set(sequences)) == (Decimal(50_000), 0, {1})


def test_told_again_it_adds_nothing(house: House) -> None:
    before = house.count()
    chapters: list[str] = []

    assert telling.tell(chapters.append, share=SHARE, today=NEW_YEAR) == 0
    assert (chapters, house.count()) == ([], before)
