"""The relay: what is due is handed on, whatever the broker does."""

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis import Redis
from sqlalchemy import Connection, create_engine, select, text

from pettycash.celery_app import create_celery
from pettycash.models.imprest import ProviderAccount
from pettycash.models.operations import OutboxMessage
from pettycash.relay import Publisher, Relay
from pettycash.runtime import db, settings
from pettycash.services.foundation import outbox
from pettycash.services.operations import heartbeats, lanes, outbox_messages
from pettycash.services.operations.lanes import Due, Queue
from pettycash.services.reconciliation import invariants
from tests.factories import working
from tests.factories.people import company_id
from tests.patience import budget
from tests.races import together
from tests.servers import Database, wait_until

TOPIC = "otp.send"


@pytest.fixture
def company(live: Database) -> Iterator[UUID]:
    found = company_id("DEMO")
    with db.scope(company_id=found, source="test"):
        yield found


def enqueue(count: int = 1, *, later: float = 0.0) -> list[UUID]:
    keys = [uuid4() for _ in range(count)]
    with db.transaction() as session:
        for key in keys:
            due_at = session.info["now"] + timedelta(seconds=later) if later else None
            outbox.enqueue(session, topic=TOPIC, key=key, due_at=due_at)
    return keys


def rows() -> list[OutboxMessage]:
    with db.transaction() as session:
        return list(session.execute(select(OutboxMessage).order_by(OutboxMessage.id)).scalars())


class Broker:
    """Takes what it is told to take; its workers are so quick that nothing lies in a queue."""

    def __init__(self, takes: int = 1_000_000) -> None:
        self.takes = takes
        self.taken: list[UUID] = []

    def look(self, topics: Iterable[str]) -> Mapping[str, Queue]:
        return dict.fromkeys(topics, Queue(out={}))

    def publish(self, due: Sequence[Due]) -> int:
        took = list(due)[: self.takes]
        self.taken += [each.id for each in took]
        return len(took)


def hint(topic: str) -> Due:
    return Due(id=uuid4(), topic=topic, lane=uuid4(), handed_at=datetime.now(UTC))


def messages(live: Database, queue: str) -> list[dict[str, Any]]:
    """What lies in a queue of Redis."""
    with Redis.from_url(live.redis_url) as client:
        return [json.loads(each) for each in client.lrange(f"pettycash:{queue}", 0, -1)]


def test_what_is_due_is_published_and_due_again_later(company: UUID) -> None:
    enqueue(3)
    enqueue(later=60)
    broker = Broker()
    relay = Relay(broker)

    assert (relay.turn(), relay.turn()) == (3, 0)

    assert len(broker.taken) == 3
    waiting = [row for row in rows() if row.attempts]
    assert {row.attempts for row in waiting} == {1}
    assert {row.completed_at for row in waiting} == {None}, "only its effect ends an outbox message"
    assert all(row.due_at > row.created_at for row in waiting)


def test_what_is_published_is_committed_before(company: UUID) -> None:
    """A worker that is quicker than the commit would find what it was told of not handed out."""
    (key,) = enqueue()
    seen: list[int] = []

    class Witness(Broker):
        def publish(self, due: Sequence[Due]) -> int:
            with db.engine().connect() as elsewhere:
                elsewhere.execute(
                    text("SELECT set_config('app.company', :company, false)"),
                    {"company": str(company)},
                )
                seen.append(
                    elsewhere.execute(
                        select(OutboxMessage.attempts).where(OutboxMessage.key == key)
                    ).scalar_one()
                )
            return len(due)

    Relay(Witness()).turn()

    assert seen == [1]


def test_a_broker_that_is_away_loses_nothing_and_counts_nothing(company: UUID) -> None:
    enqueue(5)
    broker = Broker(takes=2)

    Relay(broker).turn()

    left = [row for row in rows() if row.id not in broker.taken]
    assert len(left) == 3
    assert {row.attempts for row in left} == {0}
    with db.transaction() as session:
        now = session.info["now"]
    assert all(row.due_at <= now + timedelta(seconds=3) for row in left)


def test_two_relays_share_what_is_due(company: UUID) -> None:
    enqueue(100)
    first, second = Broker(), Broker()

    together([Relay(first).turn, Relay(second).turn])

    assert len(first.taken) + len(second.taken) == 100
    assert not set(first.taken) & set(second.taken)


def test_completed_messages_and_dead_letters_are_not_published(company: UUID) -> None:
    done, dead = enqueue(2)
    with db.transaction() as session:
        outbox.complete(session, topic=TOPIC, key=done)
        row = session.execute(select(OutboxMessage).where(OutboxMessage.key == dead)).scalar_one()
        row.dead_lettered_at = session.info["now"]
    broker = Broker()

    Relay(broker).turn()

    assert broker.taken == []


def test_completed_and_enqueued_again_is_due_again(company: UUID) -> None:
    (key,) = enqueue()
    with db.transaction() as session:
        outbox.complete(session, topic=TOPIC, key=key)
    with db.transaction() as session:
        outbox.enqueue(session, topic=TOPIC, key=key)
    broker = Broker()

    Relay(broker).turn()

    assert len(broker.taken) == 1


@pytest.fixture
def running(company: UUID) -> Iterator[Callable[[Relay], None]]:
    threads: list[tuple[Relay, threading.Thread]] = []

    def run(relay: Relay) -> None:
        thread = threading.Thread(target=relay.run)
        thread.start()
        threads.append((relay, thread))

    yield run
    for relay, thread in threads:
        relay.stop()
        thread.join(10)
        assert not thread.is_alive()


def test_a_commit_wakes_it(running: Callable[[Relay], None]) -> None:
    broker = Broker()
    running(Relay(broker))
    time.sleep(0.5)  # listening by now
    started = time.monotonic()

    enqueue()

    assert wait_until(lambda: broker.taken, 5)
    assert time.monotonic() - started < budget(0.9), "sooner than the sweep of each second"


def test_it_lives_through_trouble(running: Callable[[Relay], None], live: Database) -> None:
    class Broken(Broker):
        """Fails in a way that nobody foresaw, once."""

        def publish(self, due: Sequence[Due]) -> int:
            if not self.taken:
                self.taken.append(UUID(int=0))
                raise RuntimeError("a bug")
            return super().publish(due)

    broker = Broken()
    settings.install(replace(live.settings, relay_backoff_seconds=1.0))
    running(Relay(broker))
    enqueue()
    assert wait_until(lambda: broker.taken, 5)

    assert wait_until(lambda: len(broker.taken) > 1, 20), "due again after its backoff"
    with db.transaction() as session:
        signs = {each.name: each for each in heartbeats.signs(session, now=session.info["now"])}
    assert signs["relay"].is_alive


def test_messages_reach_the_queue_of_their_topic(company: UUID, live: Database) -> None:
    celery = create_celery(live.settings)
    topics = ("payments.submit", TOPIC)
    due = [hint(topic) for topic in topics]

    assert Publisher(celery).publish(due) == 2

    for topic, each in zip(topics, due, strict=True):
        queue = celery.amqp.router.route({}, topic)["queue"].name
        (message,) = messages(live, queue)
        arguments = json.loads(base64.b64decode(message["body"]))[1]
        assert arguments == {"messages": [str(each.id)]}


def test_publishing_to_nowhere_ends_soon(company: UUID, live: Database) -> None:
    away = type(live.settings)(**{**live.settings.__dict__, "broker_url": "redis://127.0.0.1:1/0"})
    publisher = Publisher(create_celery(away))
    started = time.monotonic()

    assert publisher.look([TOPIC]) == {TOPIC: Queue(out={})}
    assert publisher.publish([hint(TOPIC), hint(TOPIC)]) == 0

    assert time.monotonic() - started < budget(10)


# -- lanes


def crowd(lane_sizes: Mapping[UUID, int], *, topic: str = TOPIC, company: UUID) -> None:
    """So much that is due in each lane, the largest lane first of all."""
    with db.scope(company_id=company), db.transaction() as session:
        now = session.info["now"]
        for number, (lane, size) in enumerate(lane_sizes.items()):
            due_at = now - timedelta(seconds=30 - number)
            outbox.enqueue_all(
                session,
                [
                    outbox.NewMessage(topic=topic, key=uuid4(), due_at=due_at, lane=lane)
                    for _ in range(size)
                ],
            )


def lanes_of(message_ids: Sequence[UUID]) -> Counter[UUID]:
    with db.scope(source="test"), db.system_transaction() as session:
        found = session.execute(select(OutboxMessage.lane).where(OutboxMessage.id.in_(message_ids)))
        return Counter(found.scalars())


def test_companies_take_turns(company: UUID) -> None:
    """500 of one are due before the only ones of two others."""
    other = company_id("OTHER")
    third = uuid4()
    crowd({company: 500}, company=company)
    crowd({other: 1}, company=other)
    crowd({third: 1}, company=company)
    broker = Broker()
    relay = Relay(broker)

    first = relay.turn()

    taken = lanes_of(broker.taken)
    assert set(taken) == {company, other, third}
    assert set(lanes_of(broker.taken[:3])) == {company, other, third}, "in the first round"
    assert first <= settings.current().relay_batch_size
    while relay.turn():
        pass
    assert len(broker.taken) == len(set(broker.taken)) == 502


def hold_slots(account: UUID, company: UUID, *, held: int, seconds: float = 45.0) -> None:
    with db.scope(company_id=company), db.transaction() as session:
        for number in range(1, held + 1):
            session.execute(
                text(
                    "INSERT INTO rail_slots"
                    " (provider_account_id, number, company_id, holder, held_until)"
                    " VALUES (:account, :number, :company, :holder, :until)"
                    " ON CONFLICT (provider_account_id, number) DO UPDATE SET held_until = :until"
                ),
                {
                    "account": account,
                    "number": number,
                    "company": company,
                    "holder": uuid4(),
                    "until": session.info["now"] + timedelta(seconds=seconds),
                },
            )


@pytest.fixture
def account(company: UUID) -> UUID:
    with db.transaction() as session:
        return session.execute(select(ProviderAccount.id)).scalar_one()


@pytest.mark.parametrize("held", [0, 3, 4])
def test_an_account_is_given_what_it_has_slots_for(company: UUID, account: UUID, held: int) -> None:
    """Sendings and questions together; others go on."""
    cap = settings.current().rail_calls_at_once
    hold_slots(account, company, held=held)
    for topic in lanes.CALLS:
        crowd({account: 10}, topic=topic, company=company)
    crowd({company: 5}, company=company)
    broker = Broker()

    Relay(broker).turn()

    assert lanes_of(broker.taken) == Counter({company: 5, account: max(cap - held, 0)})
    left = [row for row in rows() if row.lane == account and not row.attempts]
    with db.transaction() as session:
        now = session.info["now"]
    assert all(row.due_at < now for row in left), "what is not taken stays due"


def test_it_looks_soon_again_where_more_is_due_than_there_are_slots(
    running: Callable[[Relay], None], company: UUID, account: UUID
) -> None:
    cap = settings.current().rail_calls_at_once
    crowd({account: 5 * cap}, topic="payments.submit", company=company)
    broker = Broker()
    started = time.monotonic()
    running(Relay(broker))

    assert wait_until(lambda: len(broker.taken) >= 5 * cap, 20)
    assert time.monotonic() - started < budget(3.5), "sooner than the sweep of each second"


def test_a_slot_whose_time_is_over_is_free(company: UUID, account: UUID) -> None:
    hold_slots(account, company, held=4, seconds=-1.0)
    crowd({account: 10}, topic="payments.submit", company=company)
    broker = Broker()

    Relay(broker).turn()

    assert len(broker.taken) == settings.current().rail_calls_at_once


def test_a_backlog_costs_the_claim_nothing(company: UUID, live: Database) -> None:
    """100,000 due in one lane: both statements read no more than they hand out."""
    db.dispose()  # what tests before this one have read is told now, not while this one counts
    live.compose()
    engine = create_engine(live.superuser_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # Whatever they have left, the table begins as one that was small for long.
        connection.execute(text("VACUUM (FULL, ANALYZE) outbox_messages"))
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO outbox_messages"
                " (id, company_id, topic, key, lane, due_at, attempts, failures)"
                " SELECT gen_random_uuid(), :company, :topic, gen_random_uuid(), :company,"
                " now() - interval '1 hour' + number * interval '10 ms', 0, 0"
                " FROM generate_series(1, 100000) AS number"
            ),
            {"company": company, "topic": TOPIC},
        )
    crowd({uuid4(): 1}, company=company)
    read: list[float] = []
    broker = Broker()
    relay = Relay(broker)
    for statistics in (None, "ANALYZE outbox_messages"):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if statistics:
                connection.execute(text(statistics))
            before = rows_read(connection)
            taken = relay.turn()
            assert taken >= 100
            db.dispose()  # whoever has worked tells what it read when it ends
            live.compose()
            time.sleep(0.5)
            read.append((rows_read(connection) - before) / taken)
    engine.dispose()
    assert max(read) < 10, read
    assert min(read) >= 1, "it was not seen"


def rows_read(connection: Connection) -> int:
    """Rows of the table that were looked at so far."""
    found: int = connection.execute(
        text(
            "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0)"
            " FROM pg_stat_user_tables WHERE relname = 'outbox_messages'"
        )
    ).scalar_one()
    return found


# -- hints that are not repeated


@pytest.fixture
def publisher(live: Database) -> Publisher:
    return Publisher(create_celery(live.settings))


def waiting(live: Database, publisher: Publisher) -> int:
    """Messages in the queue of TOPIC."""
    queue = publisher._celery.amqp.router.route({}, TOPIC)["queue"].name
    return len(messages(live, queue))


def test_what_nobody_takes_is_not_said_twice(
    company: UUID, live: Database, publisher: Publisher
) -> None:
    """No worker runs for ten minutes; then Redis forgets everything."""
    enqueue(170)
    relay = Relay(publisher)
    for _ in range(60):
        relay.turn()
        working.wait(10)
    assert waiting(live, publisher) == 170

    with Redis.from_url(live.redis_url) as client:
        client.flushdb()
    relay.turn()
    relay.turn()

    assert waiting(live, publisher) == 170
    assert len({row.id for row in rows() if row.due_at}) == 170


def test_what_was_taken_and_came_to_no_end_is_said_again(
    company: UUID, live: Database, publisher: Publisher
) -> None:
    """The queue never runs dry: what lies in it was said after what a worker took and lost."""
    relay = Relay(publisher)
    enqueue(3)
    relay.turn()
    working.wait(5)
    lost = {row.id for row in rows()}
    enqueue(2)
    relay.turn()
    queue = publisher._celery.amqp.router.route({}, TOPIC)["queue"].name
    with Redis.from_url(live.redis_url) as client:
        for _ in lost:
            client.rpop(f"pettycash:{queue}")
    working.wait(11)

    relay.turn()

    again = [json.loads(base64.b64decode(each["body"]))[1] for each in messages(live, queue)[:3]]
    assert {UUID(each["messages"][0]) for each in again} == lost
    assert waiting(live, publisher) == 5


def test_a_new_relay_says_nothing_again_that_may_lie_in_a_queue(
    company: UUID, live: Database, publisher: Publisher
) -> None:
    enqueue(3)
    Relay(publisher).turn()
    working.wait(60)

    Relay(Publisher(create_celery(live.settings))).turn()

    assert waiting(live, publisher) == 3


def test_a_full_queue_is_given_nothing(company: UUID, live: Database, publisher: Publisher) -> None:
    settings.install(replace(live.settings, relay_batch_size=10))
    enqueue(100)
    relay = Relay(publisher)
    for _ in range(30):
        relay.turn()

    assert waiting(live, publisher) == 20
    assert late() == [], "the relay says that it waits for room"


def test_a_broker_that_was_away_for_long_is_given_everything_soon(
    company: UUID, live: Database, publisher: Publisher
) -> None:
    enqueue(10)
    relay = Relay(publisher)
    relay.turn()
    before = rows()
    away = type(live.settings)(**{**live.settings.__dict__, "broker_url": "redis://127.0.0.1:1/0"})
    cut_off = Relay(Publisher(create_celery(away)))
    enqueue(5)
    for _ in range(4):
        cut_off.turn()
        working.wait(150)
    with Redis.from_url(live.redis_url) as client:
        client.flushdb()

    for _ in range(30):
        relay.turn()
        working.wait(2)

    assert waiting(live, publisher) == len(before) + 5
    assert {row.attempts for row in rows()} <= {1, 2}, "nothing was counted that was not taken"


def late() -> list[str]:
    """What the auditor finds overdue."""
    with db.transaction() as session:
        (result,) = invariants.check_all(
            session,
            now=session.info["now"],
            only=frozenset({"outbox_is_on_time"}),
        )
    return [each.object_id for each in result.findings]


def test_what_waits_for_a_slot_is_not_late(company: UUID, account: UUID) -> None:
    """As long as its account's slots are taken, now or a moment ago."""
    crowd({account: 1}, topic="payments.submit", company=company)
    working.wait(70)
    stuck = late()
    hold_slots(account, company, held=4)

    assert len(stuck) == 1
    assert late() == []
    with db.system_transaction() as session:
        (count,) = outbox_messages.counts(session)
    assert (count.due, count.late_seconds) == (1, 0.0)

    working.wait(120)
    assert late() == stuck, "its slots have been free for a minute"
    with db.system_transaction() as session:
        (count,) = outbox_messages.counts(session)
    assert count.late_seconds > 120
