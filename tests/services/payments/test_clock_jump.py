"""A host whose clock jumps: keys that it makes lie months ahead, or behind, of the database's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import pytest
import uuid_utils.compat
from sqlalchemy import Connection, create_engine, select, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from pettycash.models.ledger import AccountKind, Posting
from pettycash.models.operations import Case, Severity
from pettycash.models.releases import ChallengeSend
from pettycash.runtime import db
from pettycash.services import payments, releases
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import posting
from pettycash.services.payments.results import Source
from pettycash.services.reconciliation import invariants
from pettycash.tasks import operations
from tests import books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.codes import WRONG, newest, request, verify
from tests.factories.evidence import accepted, proven
from tests.factories.people import acting, company_id
from tests.posting import owner, transfer
from tests.servers import Database
from tests.services.reconciliation.test_reconciliation import advance, start

MONTHS = timedelta(days=100)
REAL = uuid_utils.compat.uuid7


@contextmanager
def host_clock_jumps(by: timedelta) -> Iterator[None]:
    """Every key that this process makes is of another time."""
    ticks = int(by.total_seconds() * 1000) << 80

    def uuid7() -> UUID:
        return UUID(int=REAL().int + ticks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uuid_utils.compat, "uuid7", uuid7)
        yield


def partitions(session: Session, table: str) -> set[str]:
    """Where the rows of a partitioned table lie."""
    session.flush()
    found = session.execute(text(f"SELECT DISTINCT tableoid::regclass::text FROM {table}"))
    return set(found.scalars())


def of_this_month(session: Session, table: str) -> str:
    return str(
        session.execute(
            text("SELECT :table || to_char(now() AT TIME ZONE 'UTC', '_YYYY_MM')"), {"table": table}
        ).scalar_one()
    )


def sequences(session: Session, account_id: UUID) -> list[int]:
    """An account's postings in the order of their keys, by their numbers."""
    return list(
        session.execute(
            select(Posting.sequence)
            .where(Posting.account_id == account_id)
            .order_by(Posting.entry_id, Posting.id)
        ).scalars()
    )


@pytest.mark.parametrize("jump", [MONTHS, -MONTHS])
def test_clock_jump_leaves_postings_in_the_month_of_the_database(
    session: Session, jump: timedelta
) -> None:
    with host_clock_jumps(jump):
        posting.post(session, [transfer(session, f"jumped:{n}", "1.00") for n in range(3)])
    posting.post(session, [transfer(session, "after", "1.00")])

    for table in ("journal_entries", "postings"):
        assert partitions(session, table) == {of_this_month(session, table)}
    numbers = sequences(session, books.account(session, AccountKind.SUSPENSE).id)
    assert numbers == sorted(numbers)


@pytest.mark.usefixtures("rail")
@pytest.mark.parametrize("jump", [MONTHS, -MONTHS])
def test_clock_jump_leaves_the_exchange_log_in_the_month_of_the_database(
    session: Session, jump: timedelta
) -> None:
    with host_clock_jumps(jump):
        payment = accepted(session)
    outcome = proven(session, payment)
    making.said(session, payment, outcome, Source.CALLBACK)

    assert partitions(session, "payment_transactions") == {
        of_this_month(session, "payment_transactions")
    }


def test_clock_jump_of_long_ago_holds_an_account_no_longer(live: Database) -> None:
    """Its newest entry has a key of a time to come, as such a host once could give it."""
    with db.scope(company_id=company_id("DEMO"), source="test"):
        with db.transaction() as session:
            suspense = books.account(session, AccountKind.SUSPENSE).id
            posting.post(session, [transfer(session, "before", "1.00")])
        with owner(live) as connection:
            connection.execute(
                text(
                    "UPDATE ledger_accounts SET newest_entry_id ="
                    " uuid_of_instant(now() + interval '100 days') WHERE id = :id"
                ),
                {"id": suspense},
            )

        with db.transaction() as session:
            posting.post(session, [transfer(session, f"after:{n}", "1.00") for n in range(2)])

        with db.transaction() as session:
            assert partitions(session, "postings") == {of_this_month(session, "postings")}
            assert invariants.check_books(session) == []
            numbers = sequences(session, suspense)
            assert numbers == sorted(numbers)


NEXT_MONTH = "to_char(now() AT TIME ZONE 'UTC' + interval '1 month', '_YYYY_MM')"


def tables_of_next_month(connection: Connection) -> set[str]:
    found = connection.execute(
        text(
            "SELECT name FROM partitioned_tables"
            f" WHERE to_regclass(name || {NEXT_MONTH}) IS NOT NULL"
        )
    )
    return set(found.scalars())


@pytest.fixture
def no_next_month(live: Database) -> Callable[[], set[str]]:
    """The partitions of the coming month are not there; gives which are."""
    rails.serve(rails.FakeGateway())
    with owner(live) as connection:
        for table in ("postings", "journal_entries", "payment_transactions"):
            suffix = connection.execute(text(f"SELECT {NEXT_MONTH}")).scalar_one()
            connection.execute(text(f"DROP TABLE {table}{suffix} CASCADE"))

    def there() -> set[str]:
        with owner(live) as connection:
            return tables_of_next_month(connection)

    assert there() == set()
    return there


def put_into_the_rest(live: Database) -> None:
    """A row of a time to come, as a host with a wrong clock once could write it."""
    with db.scope(company_id=company_id("DEMO"), source="test"), db.transaction() as session:
        accepted(session)
    engine = create_engine(live.superuser_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        moved = connection.execute(
            text(
                "UPDATE payment_transactions SET id = key_after(id, uuid_of_instant("
                "date_trunc('month', now() AT TIME ZONE 'UTC') + interval '40 days'))"
            )
        )
        assert moved.rowcount == 1


def test_clock_jump_of_long_ago_does_not_stop_the_upkeep_of_other_partitions(
    live: Database, no_next_month: Callable[[], set[str]]
) -> None:
    put_into_the_rest(live)

    operations.ensure_partitions()

    assert no_next_month() == {"journal_entries", "postings"}
    with db.system_transaction() as system:
        assert invariants.rows_in_rest(system) == {"payment_transactions_rest": 1}
    with db.scope(company_id=company_id("DEMO"), source="test"), db.transaction() as session:
        [found] = invariants.check_books(session)
        assert (found.check, found.object_id) == (
            "months_hold_their_rows",
            "payment_transactions_rest",
        )
        run = advance(session, start(session))
        [case] = session.execute(select(Case).where(Case.object_id == run.id)).scalars()
        assert case.severity is Severity.SEVERE


def test_upkeep_of_partitions_waits_for_no_payment(
    live: Database, no_next_month: Callable[[], set[str]]
) -> None:
    """A statement under way would keep it waiting, and everybody behind it."""
    with db.scope(company_id=company_id("DEMO"), source="test"), db.transaction() as session:
        accepted(session)
        session.flush()
        began = session.execute(text("SELECT clock_timestamp()")).scalar_one()

        operations.ensure_partitions()

        ended = session.execute(text("SELECT clock_timestamp()")).scalar_one()
        assert ended - began < timedelta(seconds=3)
        assert no_next_month() < {"journal_entries", "postings", "payment_transactions"}

    operations.ensure_partitions()
    assert no_next_month() == {"journal_entries", "postings", "payment_transactions"}


@pytest.mark.usefixtures("rail")
class TestNewest:
    def test_clock_jump_leaves_the_code_that_was_asked_for_last_the_one_that_counts(
        self, session: Session
    ) -> None:
        payment = making.pending(session)
        with host_clock_jumps(MONTHS):
            challenge = request(session, payment)
        first = send_ids(session, challenge.id)
        request(session, payment)
        (second,) = send_ids(session, challenge.id) - first

        now = session.info["now"]
        assert releases.make_code(session, send_id=first.pop(), now=now) is None
        assert releases.make_code(session, send_id=second, now=now) is not None

    def test_clock_jump_leaves_the_newest_challenge_the_one_that_is_tried(
        self, session: Session
    ) -> None:
        payment = making.pending(session)
        with host_clock_jumps(MONTHS):
            making.code_for(session, payment)
        for _ in range(5):
            verify(session, payment, WRONG)
        code = making.code_for(session, payment)

        assert newest(session, payment).tries == 0
        assert verify(session, payment, code).refusal is None

    def test_clock_jump_leaves_the_newest_grant_the_one_that_is_spent(
        self, session: Session
    ) -> None:
        payment = making.pending(session)
        with host_clock_jumps(MONTHS):
            making.verified(session, payment)
        making.verified(session, payment)

        payments.execute(Uow.of(session, acting(session, making.EXECUTOR)), payment_id=payment.id)


def send_ids(session: Session, challenge_id: UUID) -> set[UUID]:
    session.flush()
    found = session.execute(
        select(ChallengeSend.id).where(ChallengeSend.challenge_id == challenge_id)
    )
    return set(found.scalars())


@pytest.mark.usefixtures("rail")
def test_clock_jump_of_the_worker_leaves_the_night_and_its_figures_as_they_are(
    session: Session,
) -> None:
    with host_clock_jumps(MONTHS):
        payment = accepted(session)
        outcome = proven(session, payment)
        making.said(session, payment, outcome, Source.CALLBACK)
        run = advance(session, start(session))

    assert run.counts["matched"] == run.counts["success"] == 1
    assert run.mismatches == []
