"""The auditor beside a running system: the simulator's ledger against ours, by the command."""

import json

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from pettycash.cli import cli
from pettycash.runtime import process
from tests.crash.system import System

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(120)]


@pytest.fixture
def audited(system: System, monkeypatch: pytest.MonkeyPatch) -> System:
    for name, value in system.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(process, "log_as_json", lambda *_: None)
    return system


def broken(system: System) -> set[str]:
    url = system.page("").split("/_sim")[0]
    words = ["audit", "books", "--json", "--simulator", url]
    ran = CliRunner().invoke(cli, words, prog_name="pettycash")
    report = json.loads(ran.stdout)
    assert report["movements"] >= 1
    assert (ran.exit_code == 0) is report["ok"]
    return {each["check"] for each in report["checks"] if not each["ok"]}


def test_the_rails_ledger_and_ours_are_compared(audited: System) -> None:
    paid = audited.payment()
    audited.release(paid)
    audited.await_success(paid)
    assert broken(audited) == set()

    engine = create_engine(audited.database.superuser_url, poolclass=NullPool)
    change = "UPDATE payment_attempts SET originator_reference = {} WHERE payment_id = :payment"
    with engine.connect() as connection:
        for value, found in (
            (
                "'X' || originator_reference",
                {"attempts_are_what_was_released", "movements_are_ours", "successes_moved"},
            ),
            ("substr(originator_reference, 2)", set()),
        ):
            with connection.begin():
                connection.execute(text("SET LOCAL session_replication_role = replica"))
                connection.execute(text(change.format(value)), {"payment": paid.id})
            assert broken(audited) == found
