"""`audit books`: what it prints, and what its exit code tells a script."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from pettycash.services.reconciliation.invariants import CHECKS, Holds
from tests.cli.conftest import Command
from tests.servers import Database

HOLD, BROKEN, UNREADABLE, USAGE = 0, 1, 2, 2


@contextmanager
def superuser(live: Database, *statements: str) -> Iterator[None]:
    engine = create_engine(live.superuser_url, poolclass=NullPool)
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            assert connection.execute(text(statement)).rowcount != 0
    yield


def test_books_that_hold(command: Command) -> None:
    ran = command("audit", "books", "--json")

    report = ran.json
    assert (ran.exit_code, report["ok"]) == (HOLD, True), [
        each for each in report["checks"] if not each["ok"]
    ]
    assert {each["check"] for each in report["checks"]} == {
        name for name, check in CHECKS.items() if check.holds is not Holds.SETTLED
    }
    assert set(report["checks"][0]) == {"invariant", "check", "ok", "rows", "seconds"}
    assert (report["companies"], report["simulator"], report["movements"]) == (2, None, None)
    assert command("audit", "books", "--json", "--company", "DEMO").json["companies"] == 1


def test_what_runs_late_or_in_vain_is_asked_alone(command: Command, live: Database) -> None:
    in_vain = (
        "INSERT INTO cases (id, company_id, kind, severity, status, object_type, object_id,"
        " summary, evidence, version, owner_id) SELECT new_key(), m.company_id, 'below_floor',"
        " 'warning', 'open', 'store', m.id, 'x', '{}', 1, m.user_id FROM memberships m"
        " JOIN users u ON u.id = m.user_id WHERE u.username = 'staff'"
    )
    with superuser(live, in_vain):
        ran = command("audit", "books", "--running", "--json")

    assert {each["check"] for each in ran.json["checks"]} == {
        name for name, check in CHECKS.items() if check.holds is Holds.RUNNING
    }
    (found,) = [each for each in ran.json["checks"] if not each["ok"]]
    assert (ran.exit_code, found["check"]) == (BROKEN, "nothing_waits_for_who_left")
    assert [row["what"] for row in found["rows"]] == ["case"]


def test_what_is_broken_is_named_with_its_company(command: Command, live: Database) -> None:
    with superuser(
        live, "UPDATE ledger_accounts SET held = held + 1 WHERE code LIKE '%WESTLANDS%'"
    ):
        ran = command("audit", "books", "--json")

    (found,) = [each for each in ran.json["checks"] if not each["ok"]]
    assert (ran.exit_code, ran.json["ok"]) == (BROKEN, False)
    assert (found["invariant"], found["check"]) == ("I3", "held_is_sum_of_open_holds")
    assert {row["company"] for row in found["rows"]} == {"DEMO"}
    assert command("audit", "books", "--company", "OTHER").exit_code == HOLD
    lines = command("audit", "books").output.splitlines()
    (line,) = [line for line in lines if "BROKEN" in line]
    assert line.startswith("I3\theld_is_sum_of_open_holds\t")


def test_a_guard_that_is_gone_is_told_once_for_all_companies(
    command: Command, live: Database
) -> None:
    with superuser(live, "ALTER TABLE postings DISABLE TRIGGER append_only"):
        ran = command("audit", "books", "--fast", "--json")

    (found,) = [each for each in ran.json["checks"] if not each["ok"]]
    assert found["rows"] == [
        {"object_type": "table", "object_id": "postings", "trigger": "append_only", "state": "D"}
    ]


@pytest.mark.parametrize(
    "words",
    [("--company", "NOBODY"), ("--simulator", "http://127.0.0.1:9", "--no-simulator")],
    ids=["no-such-company", "which-simulator"],
)
def test_what_can_not_be_meant_is_refused(command: Command, words: tuple[str, ...]) -> None:
    assert command("audit", "books", *words).exit_code in (1, USAGE)


def test_a_ledger_that_can_not_be_read_is_neither_well_nor_broken(command: Command) -> None:
    ran = command("audit", "books", "--simulator", "http://127.0.0.1:9")

    assert ran.exit_code == UNREADABLE
    assert "does not show its ledger" in ran.output
