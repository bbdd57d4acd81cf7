"""A past that is written in bulk is one that the services could have made."""

import os
from contextlib import closing
from typing import Any

from sqlalchemy import func, select, text

from pettycash.lab.bench import history, memory
from pettycash.lab.chaos.paying import House
from pettycash.models.ledger import Posting
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.runtime import db
from pettycash.services.ledger.fund_statements import BALANCES
from pettycash.services.reconciliation.invariants import check_books
from tests.servers import Database, Servers


def test_the_auditor_finds_nothing_in_it(live: Database, servers: Servers) -> None:
    with closing(servers.postgres.connect(database=live.name)) as connection:
        past = history.write(connection.cursor(), House.find(), 30)

    with db.scope(company_id=past.company_id, source="test"), db.transaction() as session:
        paid = session.execute(
            select(func.count()).where(Payment.status == PaymentStatus.SUCCESS)
        ).scalar_one()
        assert paid == past.count + 1
        assert check_books(session) == []


def removed(plan: dict[str, Any]) -> int:
    """Rows that a plan read and threw away."""
    here = plan.get("Rows Removed by Filter", 0) * plan["Actual Loops"]
    return int(here) + sum(removed(each) for each in plan.get("Plans", ()))


def test_a_page_of_a_statement_reads_no_postings_of_other_accounts(
    live: Database, servers: Servers
) -> None:
    with closing(servers.postgres.connect(database=live.name)) as connection:
        past = history.write(connection.cursor(), House.find(), 2_000)

    with db.scope(company_id=past.company_id, source="test"), db.transaction() as session:
        newest = select(Posting.id).where(Posting.account_id == past.store_account_id)
        ids = list(session.execute(newest.order_by(Posting.entry_id.desc()).limit(20)).scalars())
        explained = session.execute(
            text(f"EXPLAIN (ANALYZE, FORMAT JSON) {BALANCES}"), {"ids": [str(each) for each in ids]}
        ).scalar_one()

    assert len(ids) == 20
    assert removed(explained[0]["Plan"]) < 500


def test_a_process_weighs_what_the_kernel_says() -> None:
    before = memory.pss(os.getpid())
    ballast = bytearray(os.urandom(1024)) * (50 * 1024)

    assert memory.pss(os.getpid()) - before > 40
    assert len(ballast) == 50 * 1024 * 1024
