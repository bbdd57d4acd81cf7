"""A message may hold a list of outbox messages: each is begun, counted and ended by itself."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from pettycash.models.base import new_id
from pettycash.models.operations import OutboxMessage
from pettycash.runtime import db
from pettycash.services.foundation import outbox
from pettycash.tasks import outbox_tasks, payments
from pettycash.tasks.outbox_tasks import Job
from tests.factories import working
from tests.factories.people import company_id
from tests.servers import Database

TOPIC = "payments.submit"


@pytest.fixture(autouse=True)
def company(live: Database) -> Iterator[UUID]:
    found = company_id("DEMO")
    with db.scope(company_id=found, source="test"):
        yield found


@pytest.fixture
def three() -> list[UUID]:
    """Three enqueued messages; their keys."""
    keys = [new_id() for _ in range(3)]
    with db.transaction() as session:
        for key in keys:
            outbox.enqueue(session, topic=TOPIC, key=key)
    return keys


def read(keys: list[UUID]) -> list[OutboxMessage]:
    with db.transaction() as session:
        return [session.get_one(OutboxMessage, working.message_id(TOPIC, key)) for key in keys]


def does(ran: list[UUID], bad: UUID, error: Exception) -> Callable[[Job], None]:
    def work(job: Job) -> None:
        ran.append(job.key)
        if job.key == bad:
            raise error
        with db.transaction() as session:
            outbox.complete(session, topic=TOPIC, key=job.key)

    return work


def test_an_error_of_one_keeps_no_other_from_running(three: list[UUID]) -> None:
    ids, ran = [working.message_id(TOPIC, key) for key in three], list[UUID]()
    work = does(ran, three[1], RuntimeError("the second"))

    with pytest.raises(RuntimeError, match="the second"):
        outbox_tasks.run_all(TOPIC, ids, work)

    assert ran == three
    first, second, third = read(three)
    assert first.completed_at is not None
    assert third.completed_at is not None
    assert (second.completed_at, second.failures) == (None, 1)
    assert second.last_error == "RuntimeError: the second"

    with pytest.raises(RuntimeError, match="the second"):
        outbox_tasks.run_all(TOPIC, ids, work)
    assert ran == [*three, three[1]], "delivered again, only what is still open is run"
    assert read(three)[1].failures == 2


def test_one_that_uses_up_the_time_leaves_the_others_open(three: list[UUID]) -> None:
    ids, ran = [working.message_id(TOPIC, key) for key in three], list[UUID]()

    with pytest.raises(SoftTimeLimitExceeded):
        outbox_tasks.run_all(TOPIC, ids, does(ran, three[1], SoftTimeLimitExceeded()))

    assert ran == three[:2]
    third = read(three)[2]
    assert (third.completed_at, third.failures) == (None, 0)


def test_a_list_of_messages_is_understood_from_a_newer_publisher_too(three: list[UUID]) -> None:
    """Nothing is known of these attempts: their messages are completed."""
    ids = [str(working.message_id(TOPIC, key)) for key in three]

    payments.submit(messages=ids, from_a_newer_publisher=True)

    assert all(each.completed_at is not None for each in read(three))


def test_a_worker_goes_on_in_the_lane_of_its_call(
    three: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_tasks, "STAYS_SECONDS", 60.0)
    elsewhere, later = new_id(), new_id()
    with db.transaction() as session:
        outbox.enqueue(session, topic=TOPIC, key=elsewhere, lane=new_id())
        soon = session.info["now"] + timedelta(minutes=1)
        outbox.enqueue(session, topic=TOPIC, key=later, due_at=soon)

    payments.submit(messages=[str(working.message_id(TOPIC, three[0]))])

    assert all(each.completed_at is not None for each in read(three))
    assert [each.attempts for each in read(three)] == [0, 1, 1], "as the relay would have counted"
    assert [each.completed_at for each in read([elsewhere, later])] == [None, None]


def test_a_worker_lets_others_have_their_turn(three: list[UUID]) -> None:
    payments.submit(messages=[str(working.message_id(TOPIC, three[0]))])

    assert [each.completed_at is not None for each in read(three)] == [True, False, False]
