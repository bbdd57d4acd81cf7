"""Everything comes twice, and at once: messages, workers, callbacks. The effect comes once."""

from collections.abc import Iterator

import pytest
import requests
from celery import Celery
from sqlalchemy import func, select

from pettycash.celery_app import create_celery
from pettycash.models.payments import Callback
from pettycash.runtime import config
from pettycash.services.payments import callback_addresses
from tests.crash.system import System
from tests.races import together
from tests.servers import wait_until

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(120)]

MESSAGES, CALLBACKS = 5, 20
BUSY = ("-P", "prefork", "-c", "2")


@pytest.fixture
def sender(system: System) -> Iterator[Celery]:
    """What publishes beside the relay."""
    made = create_celery(config.read(system.environ))
    yield made
    made.close()


def test_one_message_five_times_to_two_workers_is_sent_once(system: System, sender: Celery) -> None:
    system.kill("worker")
    system.kill("relay")
    all_paid = [system.payment() for _ in range(4)]
    system.release(*all_paid)
    for paid in all_paid:
        enqueued = system.outbox_message("payments.submit", system.attempt(paid).id)
        for _ in range(MESSAGES):
            sender.send_task("payments.submit", kwargs={"messages": [str(enqueued)]})

    system.restart("worker", pool=BUSY)
    system.restart("worker-2", pool=BUSY)
    for paid in all_paid:
        system.await_state(paid, "accepted", "settled")
    system.restart("relay")

    system.await_success(*all_paid)
    system.assert_paid_once(*all_paid)
    assert [system.attempt(paid).tries for paid in all_paid] == [1] * len(all_paid)
    assert [system.sendings(paid) for paid in all_paid] == [1] * len(all_paid)


def test_a_callback_twenty_times_at_once_settles_once(system: System, sender: Celery) -> None:
    """The same bytes are stored once; what differs by a blank is stored, and settles nothing."""
    paid = system.payment()
    system.misbehave(paid, f"callback_times:{CALLBACKS}")
    system.restart("worker", crash_at="payments.recorded")
    system.release(paid)
    system.await_death("worker")
    attempt = system.attempt(paid)

    def stored() -> list[Callback]:
        with system.session() as session:
            return list(
                session.execute(select(Callback).where(Callback.attempt_id == attempt.id)).scalars()
            )

    assert wait_until(lambda: sum(each.deliveries for each in stored()) > 1, 15)
    (kept,) = stored()
    url = callback_addresses.urls_of(attempt.id, attempt.provider_account_id).result
    answers = together(
        [
            lambda blanks=blanks: requests.post(url, data=kept.body + b" " * blanks, timeout=10)
            for blanks in range(CALLBACKS)
        ]
    )
    assert [answer.status_code for answer in answers] == [200] * CALLBACKS
    assert len(stored()) == CALLBACKS
    for each in stored():
        enqueued = str(system.outbox_message("callbacks.process", each.id))
        sender.send_task("callbacks.process", kwargs={"messages": [enqueued]})

    before = len(system.raised("worker", "worker-2"))
    system.restart("worker", pool=BUSY)
    system.restart("worker-2", pool=BUSY)

    system.await_success(paid)
    system.assert_paid_once(paid)
    # They took turns; it was not the journal's unique source that stopped the second one.
    assert len(system.raised("worker", "worker-2")) == before
    with system.session() as session:
        verdicts = session.execute(
            select(Callback.verdict, func.count())
            .where(Callback.attempt_id == attempt.id, Callback.purpose == "result")
            .group_by(Callback.verdict)
        ).all()
    assert sorted(map(tuple, verdicts)) == [("ignored", CALLBACKS - 1), ("settled", 1)]
