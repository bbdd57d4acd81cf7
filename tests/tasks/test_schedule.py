"""Every topic that is enqueued or scheduled has a task, and every task a queue that is served."""

import re
from pathlib import Path

import pytest
import yaml
from celery.exceptions import QueueNotFound

import pettycash
from pettycash.celery_app import create_celery
from pettycash.lab.bench import noop
from pettycash.runtime import db
from pettycash.runtime.settings import Settings
from pettycash.services.operations import heartbeats
from pettycash.stack.children import WORKERS
from pettycash.tasks import operations
from pettycash.tasks import operations as tasks
from pettycash.tasks.schedule import QUEUES, SCHEDULE
from pettycash.worker_app import create_worker
from tests.factories import working
from tests.servers import Database

ROOT = Path(pettycash.__file__).parent
ENQUEUED = re.compile(
    r"(?:topic=|_?TOPIC(?:: str)? = |SUBMIT, RESOLVE = |outbox_task\()\"([a-z_]+\.[a-z_]+)\"",
    re.ASCII,
)


@pytest.fixture(scope="module")
def registered(database: Database) -> set[str]:
    celery = create_worker(database.settings)
    celery.loader.import_default_modules()
    return {name for name in celery.tasks if not name.startswith("celery.")}


def topics() -> set[str]:
    """Every topic that the services room names."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "services").rglob("*.py"))
    return set(ENQUEUED.findall(text)) | {"payments.submit", "payments.resolve"}


def test_every_topic_has_a_task(registered: set[str]) -> None:
    assert len(topics()) > 5
    assert topics() <= registered


def test_what_is_scheduled_has_a_task(registered: set[str]) -> None:
    assert {entry["task"] for entry in SCHEDULE.values()} <= registered


def test_what_is_measured_against_is_no_task_of_ours(registered: set[str]) -> None:
    assert noop.TASK in noop.celery.tasks
    assert noop.TASK not in registered


def test_every_task_has_a_queue_and_every_queue_a_worker(
    registered: set[str], database: Database
) -> None:
    celery = create_worker(database.settings)
    served = [queue for worker in WORKERS.values() for queue in worker.queues]

    for name in registered - {"heartbeats.beat"}:  # which is always sent to a queue by its name
        route = celery.amqp.router.route({}, name)
        assert route["queue"].name in served, name
    assert sorted(QUEUES) == sorted(set(served))


def test_a_task_without_a_queue_can_not_be_sent(database: Database) -> None:
    with create_celery(database.settings) as celery, pytest.raises(QueueNotFound):
        celery.send_task("nobodys.task")


@pytest.mark.parametrize("queue", ["codes", "callbacks"])
def test_codes_and_callbacks_have_a_process_of_their_own(queue: str) -> None:
    assert (queue,) in [each.queues for each in WORKERS.values()]


def test_one_silent_account_leaves_a_place_for_the_others() -> None:
    cap = Settings().rail_calls_at_once
    services = yaml.safe_load((ROOT.parent / "docker-compose.yml").read_text())["services"]
    pools = {name: each.at_once for name, each in WORKERS.items() if "payments" in each.queues}
    for name in ("worker-payments", "worker-questions"):
        command = services[name]["command"]
        pools[name] = int(command[command.index("--concurrency") + 1])

    assert len(pools) == 3
    assert min(pools.values()) > cap, pools


def test_nothing_but_a_heartbeat_compares_clocks() -> None:
    expiring = {name for name, entry in SCHEDULE.items() if "expires" in entry.get("options", {})}

    assert expiring == {f"heartbeat-{queue}" for queue in QUEUES}


def test_a_heartbeat_leaves_a_sign_of_its_queue(live: Database) -> None:
    for queue in QUEUES:
        tasks.beat(queue=queue)

    with db.system_transaction() as session:
        signs = heartbeats.signs(session, now=session.info["now"])
    alive = {each.name for each in signs if each.is_alive}
    assert alive >= {f"queue:{queue}" for queue in QUEUES}


def test_upkeep_may_run_at_any_time(live: Database) -> None:
    for _ in range(2):
        operations.ensure_partitions()
        operations.sweep_out()
    working.wait(40 * 86400)
    operations.sweep_out()
