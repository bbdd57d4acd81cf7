"""One settlement as production writes it, beside the same rows written by plain statements.

Measured is what `services.payments.settlement` does to the books: `posting.post` with the hold that
it closes and the message that it completes, in one transaction with its scope. The reference sends
its seven statements as the owner of the same tables, whose constraints and triggers it pays for
like anybody. Both sides debit the same two hundred expense accounts of one company.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from pettycash import composition
from pettycash.lab.bench import backlog, raw_settlement
from pettycash.lab.bench.backlog import AMOUNT, CURRENCY, TOPIC, Backlog, Settlement
from pettycash.lab.bench.benchmark import Benchmark, at_least
from pettycash.lab.bench.crew import Crew, crew
from pettycash.lab.bench.stage import Stage
from pettycash.runtime import db
from pettycash.runtime.settings import Settings
from pettycash.services.ledger import posting
from pettycash.services.ledger.posting import Entry, Fulfilled, credit, debit
from pettycash.stack import postgres

PROCESSES = 8
FUNDS = 10_000
CATEGORIES = 200
BATCH = 100
PATIENCE_SECONDS = 120.0
"""On a busy machine a queue before one account may be longer than a request should wait."""


@dataclass(frozen=True)
class Books:
    """Accounts to post to, and two crews that wait for settlements to make."""

    accounts: Backlog
    ours: Crew[Sequence[Settlement]]
    raw: Crew[Sequence[Settlement]]
    sized: Callable[[int], int]

    def rate(
        self, workers: Crew[Sequence[Settlement]], count: int, *, hot: bool = False, batch: int = 1
    ) -> float:
        """Have so many made; settlements a second."""
        made = self.sized(count)
        return made / workers.run(self.accounts.enqueue(made, batch=batch, hot=hot))


def setup(stage: Stage) -> Books:
    """Ten thousand funds, and eight processes for either side."""
    cursor = stage.superuser().cursor()
    funds = stage.sized(FUNDS, quick=200)
    accounts = backlog.open_accounts(cursor, funds=funds, categories=CATEGORIES)
    patient = replace(
        stage.settings,
        statement_timeout_seconds=PATIENCE_SECONDS,
        lock_timeout_seconds=PATIENCE_SECONDS,
    )
    begin = partial(_begin, patient, accounts.company_id)
    url = stage.plan.postgres.url(postgres.OWNER_ROLE).replace("+psycopg2", "")
    begin_raw = partial(raw_settlement.begin, url, accounts.company_id)
    return Books(
        accounts=accounts,
        ours=stage.enter(crew(PROCESSES, begin)),
        raw=stage.enter(crew(PROCESSES, begin_raw)),
        sized=lambda full: stage.sized(full, quick=full // 20),
    )


def _begin(settings: Settings, company_id: UUID) -> Callable[[Sequence[Settlement]], None]:
    composition.compose(settings)

    def settle(batch: Sequence[Settlement]) -> None:
        with db.scope(company_id=company_id, source="bench"), db.transaction() as session:
            entries = [_entry(each, session.info["now"]) for each in batch]
            posting.post(
                session,
                entries,
                close_holds=[each.hold for each in batch],
                fulfils=Fulfilled(topic=TOPIC, keys=[each.attempt_id for each in batch]),
            )

    with db.transaction():  # the connection is made before anybody looks at the clock
        return settle


def _entry(settlement: Settlement, now: datetime) -> Entry:
    return Entry(
        source=settlement.source,
        rule="expense",
        description="Benchmark",
        occurred_at=now,
        currency=CURRENCY,
        payment_id=settlement.payment_id,
        postings=[debit(settlement.expense_id, AMOUNT), credit(settlement.store_id, AMOUNT)],
    )


def _raw_hot(books: Books) -> float:
    return books.rate(books.raw, 2_000, hot=True)


BENCHMARKS = (
    Benchmark(
        name="settlement",
        what="one settlement, 8 processes, 10,000 funds",
        against="psycopg2, 7 statements",
        unit="settlements/s",
        goal=at_least(0.8),
        setup=setup,
        measured=lambda books: books.rate(books.ours, 4_000),
        reference=lambda books: books.rate(books.raw, 4_000),
    ),
    Benchmark(
        name="settlement-hot",
        what="one settlement, 8 processes, one fund",
        against="psycopg2, 7 statements, one fund",
        unit="settlements/s",
        goal=at_least(1.5),
        setup=setup,
        measured=lambda books: books.rate(books.ours, 2_000, hot=True),
        reference=_raw_hot,
    ),
    Benchmark(
        name="settlement-batch",
        what="settlements in batches of 100, 8 processes, one fund",
        against="psycopg2, 7 statements each, one fund",
        unit="settlements/s",
        goal=at_least(6.0),
        setup=setup,
        measured=lambda books: books.rate(books.ours, 16_000, hot=True, batch=BATCH),
        reference=_raw_hot,
    ),
)
