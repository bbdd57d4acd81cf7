"""A past that is written in bulk is one that the services could have made."""

import os
from contextlib import closing

from sqlalchemy import func, select

from pettycash import db
from pettycash.bench import history, memory
from pettycash.bench.paperwork import Office
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.services.audit import check_books
from tests.servers import Database, Servers


def test_the_auditor_finds_nothing_in_it(live: Database, servers: Servers) -> None:
    with closing(servers.postgres.connect(database=live.name)) as connection:
        past = history.write(connection.cursor(), Office(), 30)

    with db.scope(company_id=past.company_id, source="test"), db.transaction() as session:
        paid = session.execute(
            select(func.count()).where(Payment.status == PaymentStatus.SUCCESS)
        ).scalar_one()
        assert paid == past.count + 1
        assert check_books(session) == []


def test_a_process_weighs_what_the_kernel_says() -> None:
    before = memory.pss(os.getpid())
    ballast = bytearray(os.urandom(1024)) * (50 * 1024)

    assert memory.pss(os.getpid()) - before > 40
    assert len(ballast) == 50 * 1024 * 1024
