"""The relay: what is due is handed on, whatever the broker does."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from redis import Redis
from sqlalchemy import select, text

from pettycash import db
from pettycash.celery_app import create_celery
from pettycash.models.platform import Obligation
from pettycash.relay import Publisher, Relay
from pettycash.services import heartbeats, outbox
from tests.factories.people import company_id
from tests.races import together
from tests.servers import Database, wait_until

TOPIC = "otp.send"


@pytest.fixture
def company(live: Database) -> Iterator[UUID]:
    found = company_id("DEMO")
    with db.scope(company_id=found, source="test"):
        yield found


def owe(count: int = 1, *, later: float = 0.0) -> list[UUID]:
    keys = [uuid4() for _ in range(count)]
    with db.transaction() as session:
        for key in keys:
            due_at = session.info["now"] + timedelta(seconds=later) if later else None
            outbox.owe(session, topic=TOPIC, key=key, due_at=due_at)
    return keys


def rows() -> list[Obligation]:
    with db.transaction() as session:
        return list(session.execute(select(Obligation).order_by(Obligation.id)).scalars())


class Broker:
    """Takes what it is told to take."""

    def __init__(self, takes: int = 1_000_000) -> None:
        self.takes = takes
        self.taken: list[UUID] = []

    def __call__(self, due: Sequence[tuple[UUID, str]]) -> int:
        took = list(due)[: self.takes]
        self.taken += [each for each, _ in took]
        return len(took)


def test_what_is_due_is_published_and_due_again_later(company: UUID) -> None:
    owe(3)
    owe(later=60)
    broker = Broker()
    relay = Relay(broker)

    assert (relay.turn(), relay.turn()) == (3, 0)

    assert len(broker.taken) == 3
    waiting = [row for row in rows() if row.attempts]
    assert {row.attempts for row in waiting} == {1}
    assert {row.done_at for row in waiting} == {None}, "only its effect ends an obligation"
    assert all(row.due_at > row.created_at for row in waiting)


def test_what_is_published_is_committed_before(company: UUID) -> None:
    """A worker that is quicker than the commit would find what it was told of not handed out."""
    (key,) = owe()
    seen: list[int] = []

    def publish(due: Sequence[tuple[UUID, str]]) -> int:
        with db.engine().connect() as elsewhere:
            elsewhere.execute(
                text("SELECT set_config('app.company', :company, false)"), {"company": str(company)}
            )
            seen.append(
                elsewhere.execute(
                    select(Obligation.attempts).where(Obligation.key == key)
                ).scalar_one()
            )
        return len(due)

    Relay(publish).turn()

    assert seen == [1]


def test_a_broker_that_is_away_loses_nothing_and_counts_nothing(company: UUID) -> None:
    owe(5)
    broker = Broker(takes=2)

    Relay(broker).turn()

    left = [row for row in rows() if row.id not in broker.taken]
    assert len(left) == 3
    assert {row.attempts for row in left} == {0}
    with db.transaction() as session:
        now = session.info["now"]
    assert all(row.due_at <= now + timedelta(seconds=3) for row in left)


def test_two_relays_share_what_is_due(company: UUID) -> None:
    owe(100)
    first, second = Broker(), Broker()

    together([Relay(first).turn, Relay(second).turn])

    assert len(first.taken) + len(second.taken) == 100
    assert not set(first.taken) & set(second.taken)


def test_what_is_done_or_parked_is_not_published(company: UUID) -> None:
    done, parked = owe(2)
    with db.transaction() as session:
        outbox.done(session, topic=TOPIC, key=done)
        row = session.execute(select(Obligation).where(Obligation.key == parked)).scalar_one()
        row.parked_at = session.info["now"]
    broker = Broker()

    Relay(broker).turn()

    assert broker.taken == []


def test_done_and_owed_again_is_due_again(company: UUID) -> None:
    (key,) = owe()
    with db.transaction() as session:
        outbox.done(session, topic=TOPIC, key=key)
    with db.transaction() as session:
        outbox.owe(session, topic=TOPIC, key=key)
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

    owe()

    assert wait_until(lambda: broker.taken, 5)
    assert time.monotonic() - started < 0.9, "sooner than the sweep of each second"


def test_it_lives_through_trouble(running: Callable[[Relay], None], live: Database) -> None:
    class Broken(Broker):
        """Fails in a way that nobody foresaw, once."""

        def __call__(self, due: Sequence[tuple[UUID, str]]) -> int:
            if not self.taken:
                self.taken.append(UUID(int=0))
                raise RuntimeError("a bug")
            return super().__call__(due)

    broker = Broken()
    running(Relay(broker))
    owe()
    assert wait_until(lambda: broker.taken, 5)

    assert wait_until(lambda: len(broker.taken) > 1, 20), "due again after its backoff"
    with db.transaction() as session:
        signs = {each.name: each for each in heartbeats.signs(session, now=session.info["now"])}
    assert signs["relay"].is_alive


def test_messages_reach_the_queue_of_their_topic(company: UUID, live: Database) -> None:
    celery = create_celery(live.settings)
    key = uuid4()

    assert Publisher(celery)([(key, "payments.submit"), (key, "otp.send")]) == 2

    with Redis.from_url(live.redis_url) as client:
        queues = {name: client.llen(f"pettycash:{name}") for name in ("payments", "codes")}
        body = client.lindex("pettycash:payments", 0)
    assert queues == {"payments": 1, "codes": 1}
    assert body is not None


def test_publishing_to_nowhere_ends_soon(company: UUID, live: Database) -> None:
    away = type(live.settings)(**{**live.settings.__dict__, "broker_url": "redis://127.0.0.1:1/0"})
    publisher = Publisher(create_celery(away))
    started = time.monotonic()

    assert publisher([(uuid4(), TOPIC), (uuid4(), TOPIC)]) == 0

    assert time.monotonic() - started < 10
