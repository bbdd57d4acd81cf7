"""What a long past costs those who come after it: the same four steps on a large and a small one.

Two databases of one server, one with a hundred times the postings of the other. Each figure is
the median time of one step over many, below HTTP, whose cost does not grow and would hide what
does: one entry posted and committed; a fund's balance; the newest page of its statement; the newest
page of the payments.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal

from psycopg2 import sql
from sqlalchemy.orm import Session

from pettycash import composition
from pettycash.lab.bench import history
from pettycash.lab.bench.benchmark import Benchmark, at_most
from pettycash.lab.bench.history import AMOUNT, Past
from pettycash.lab.bench.stage import Stage
from pettycash.lab.chaos.paying import EXECUTOR, House
from pettycash.models.base import new_id
from pettycash.models.imprest import Fund
from pettycash.models.payments import Payment
from pettycash.runtime import db
from pettycash.runtime.settings import Settings
from pettycash.services.foundation import visibility
from pettycash.services.foundation.actors import Actor
from pettycash.services.imprest import funds
from pettycash.services.ledger import fund_statements, posting
from pettycash.services.ledger.posting import Entry, credit, debit
from pettycash.services.payments import reading
from pettycash.stack import postgres

POSTINGS, FEW_POSTINGS = 1_000_000, 10_000
SMALL = "bench_small"
PAGE = 50
REPEATS, WARM_UP = 200, 10


@dataclass(frozen=True)
class MeasuredDatabase:
    """One database, its past, and somebody who reads it."""

    settings: Settings
    past: Past
    reader: Actor


@dataclass(frozen=True)
class Sides:
    """The two that are compared."""

    large: MeasuredDatabase
    small: MeasuredDatabase
    repeats: int


Step = Callable[[Session, MeasuredDatabase], object]


def setup(stage: Stage) -> Sides:
    """Copy the seeded database, then write a past into each."""
    server = stage.plan.postgres
    maintenance = stage.enter(closing(server.connect())).cursor()
    maintenance.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
            *map(sql.Identifier, (SMALL, postgres.DATABASE, postgres.OWNER_ROLE))
        )
    )
    server.open_to_roles(maintenance, SMALL)
    stage.compose()
    small = replace(
        stage.settings,
        database_url=server.url(postgres.APP_ROLE, SMALL),
        database_system_url=server.url(postgres.SYSTEM_ROLE, SMALL),
        database_owner_url="",
    )
    few, many = stage.sized(FEW_POSTINGS, quick=400), stage.sized(POSTINGS, quick=4_000)
    return Sides(
        small=_side(stage, small, SMALL, few),
        large=_side(stage, stage.settings, postgres.DATABASE, many),
        repeats=stage.sized(REPEATS, quick=5),
    )


def _side(stage: Stage, settings: Settings, database: str, postings: int) -> MeasuredDatabase:
    composition.compose(settings)
    house = House.find()
    with closing(stage.plan.postgres.connect(database=database)) as connection:
        past = history.write(connection.cursor(), house, postings // 2)
    return MeasuredDatabase(settings=settings, past=past, reader=house.actor(EXECUTOR))


def _median(side: MeasuredDatabase, step: Step, repeats: int) -> float:
    composition.compose(side.settings)
    times = []
    with db.scope(company_id=side.past.company_id, source="bench"):
        for _ in range(WARM_UP + repeats):
            begun = time.perf_counter()
            with db.transaction() as session:
                step(session, side)
            times.append(time.perf_counter() - begun)
    return statistics.median(times[WARM_UP:]) * 1000


def _post(session: Session, side: MeasuredDatabase) -> object:
    amount = Decimal(AMOUNT)
    entry = Entry(
        source=f"bench:{new_id()}",
        rule="expense",
        description="Benchmark",
        occurred_at=session.info["now"],
        currency="KES",
        postings=[
            debit(side.past.expense_account_id, amount),
            credit(side.past.store_account_id, amount),
        ],
    )
    return posting.post(session, [entry])


def _balance(session: Session, side: MeasuredDatabase) -> object:
    return funds.balance(session, side.past.fund_id)


def _statement(session: Session, side: MeasuredDatabase) -> object:
    query = fund_statements.LINES.where(visibility.funds(side.reader), Fund.id == side.past.fund_id)
    rows = session.execute(query.order_by(*fund_statements.ORDER).limit(PAGE + 1)).all()
    return fund_statements.to_response(session, rows[:PAGE])


def _list(session: Session, side: MeasuredDatabase) -> object:
    query = (
        reading.LISTED.where(visibility.payments(side.reader))
        .order_by(Payment.id.desc())
        .limit(PAGE + 1)
    )
    return [
        reading.summary(payment, requisition, fact, side.reader)
        for payment, requisition, fact in session.execute(query)
    ]


def _benchmark(name: str, what: str, step: Step) -> Benchmark[Sides]:
    return Benchmark(
        name=f"growth-{name}",
        what=f"{what}, at 1,000,000 postings",
        against="the same at 10,000",
        unit="ms",
        goal=at_most(1.2),
        setup=setup,
        measured=lambda sides: _median(sides.large, step, sides.repeats),
        reference=lambda sides: _median(sides.small, step, sides.repeats),
    )


BENCHMARKS = (
    _benchmark("posting", "one entry posted", _post),
    _benchmark("balance", "a fund's balance", _balance),
    _benchmark("statement", "the newest page of a fund's statement", _statement),
    _benchmark("list", "the newest page of payments", _list),
)
