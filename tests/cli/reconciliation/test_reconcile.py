"""`reconcile --date`: what operations run by hand, and what its exit code tells a script."""

from collections.abc import Iterator
from datetime import date, timedelta
from uuid import UUID

import pytest

from pettycash.models.payments import Payment
from pettycash.runtime import clock, db
from pettycash.services import payments, reconciliation
from tests import books
from tests.cli.conftest import Command
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.people import company_id
from tests.servers import Database

ALL_MATCHED, MISMATCHES, STILL_WAITING = 0, 1, 2


@pytest.fixture
def demo(live: Database) -> Iterator[UUID]:
    found = company_id("DEMO")
    with db.scope(company_id=found, source="test"):
        yield found


def today() -> date:
    with db.system_transaction() as session:
        return clock.business_date(session.info["now"], "Africa/Nairobi")


def silent() -> Payment:
    with db.transaction() as session:
        payment = making.executing(session)
        making.answered(session, payment, rails.LOST)
        attempt = making.attempt_of(session, payment)
        making.set_attempt(session, attempt, decide_by=attempt.created_at)
        payments.next_question(session, attempt_id=attempt.id, now=session.info["now"])
    return payment


def test_a_quiet_day_of_every_company_matches(command: Command, demo: UUID) -> None:
    ran = command("reconcile", "--json")

    assert ran.exit_code == ALL_MATCHED
    runs = ran.json["runs"]
    assert [run["company"] for run in runs] == ["DEMO", "OTHER"]
    yesterday = (today() - timedelta(days=1)).isoformat()
    assert {run["business_date"] for run in runs} == {yesterday}
    assert {run["status"] for run in runs} == {"closed"}
    assert set(runs[0]) == {
        "company", "id", "business_date", "sequence", "status", "counts", "totals", "mismatches",
    }  # fmt: skip


def test_a_mismatch_is_shown_and_told_by_the_exit_code(command: Command, demo: UUID) -> None:
    with db.transaction() as session:
        payment = books.pay(session, "1500.00")
    options = ("--date", today().isoformat(), "--company", "DEMO")

    as_json = command("reconcile", *options, "--json")
    for_people = command("reconcile", *options)

    assert as_json.exit_code == for_people.exit_code == MISMATCHES
    (run,) = as_json.json["runs"]
    assert run["totals"] == {"KES": "1500.00"}
    assert [each["kind"] for each in run["mismatches"]] == ["success_without_evidence"]
    assert payment.number in for_people.output
    assert "success_without_evidence" in for_people.output
    assert "1500.00" in for_people.output


def test_each_call_is_a_new_numbered_run(command: Command, demo: UUID) -> None:
    options = ("reconcile", "--date", today().isoformat(), "--company", "DEMO", "--json")

    assert [command(*options).json["runs"][0]["sequence"] for _ in range(3)] == [1, 2, 3]


def test_a_rail_that_has_not_answered_yet_has_its_own_exit_code(
    command: Command, demo: UUID
) -> None:
    payment = silent()
    options = ("--date", today().isoformat(), "--company", "DEMO", "--wait", "0")

    ran = command("reconcile", *options, "--json")

    assert ran.exit_code == STILL_WAITING
    (run,) = ran.json["runs"]
    assert (run["status"], run["mismatches"]) == ("waiting", [])
    with db.transaction() as session:
        attempt = making.attempt_of(session, payment)
        assert attempt.next_query_at is not None
        assert attempt.next_query_at <= session.info["now"], "asked now"
        enqueued = making.outbox_message(session, reconciliation.RUN_TOPIC, UUID(run["id"]))
        assert enqueued is not None
        assert enqueued.completed_at is None, "workers go on with it"
    again = command("reconcile", *options, "--json")
    assert again.json["runs"][0]["id"] == run["id"]
    assert again.exit_code == STILL_WAITING


def test_what_can_not_be_run_is_said(command: Command, demo: UUID) -> None:
    tomorrow = (today() + timedelta(days=1)).isoformat()

    unknown = command("reconcile", "--company", "NOBODY")
    future = command("reconcile", "--date", tomorrow, "--company", "DEMO")
    nonsense = command("reconcile", "--date", "yesterday")

    assert unknown.exit_code == 1
    assert "there is no active company NOBODY" in unknown.output
    assert future.refusal is not None
    assert future.refusal.code == "reconciliation.day_not_begun"
    assert nonsense.exit_code == 2
    assert "YYYY" in nonsense.output or "%Y-%m-%d" in nonsense.output
    with db.transaction() as session:
        assert reconciliation.newest(session, today()) is None
