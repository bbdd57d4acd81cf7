"""What each kind of fault does to a process and to what it was writing."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from pettycash import composition
from pettycash.models.operations import Heartbeat
from pettycash.runtime import config, crash_points, db
from pettycash.runtime.crash_points import Fault, Injected, Order, crash_point
from pettycash.services.operations import heartbeats
from tests.servers import Database

Arm = Callable[[str], None]


@pytest.fixture
def arm(live: Database, tmp_path: Path) -> Arm:
    """Order faults of this very process, which has a database of its own."""

    def order(text: str) -> None:
        settings = replace(live.settings, crash_at=(text,), state_dir=tmp_path)
        composition.compose(settings)

    return order


def beat(name: str, *, and_then: str) -> None:
    with db.scope(source="test"), db.system_transaction() as session:
        heartbeats.beat(session, name=name, now=session.info["now"])
        session.flush()
        crash_point(and_then)


def beaten() -> list[str]:
    with db.scope(source="test"), db.system_transaction() as session:
        return list(session.execute(select(Heartbeat.name).order_by(Heartbeat.name)).scalars())


def backend() -> int:
    """The server's process behind the connection that the pool gives out."""
    with db.engine(system=True).connect() as connection:
        return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def test_an_exception_undoes_what_was_not_committed(arm: Arm) -> None:
    arm("test.written=raise")

    with pytest.raises(Injected, match=r"test\.written"):
        beat("one", and_then="test.written")
    beat("two", and_then="test.written")

    assert beaten() == ["two"]


def test_a_cut_connection_commits_nothing_and_the_next_one_works(arm: Arm) -> None:
    arm("test.written=cut")

    with pytest.raises(OperationalError):
        beat("one", and_then="test.written")
    beat("two", and_then="test.written")

    assert beaten() == ["two"]


def test_connections_that_lie_in_the_pool_are_cut_too(arm: Arm) -> None:
    """The first to use one may find it gone, where nobody asked it just before; nobody else."""
    arm("test.idle=cut")
    before = backend()

    crash_point("test.idle")

    with contextlib.suppress(OperationalError):
        backend()
    assert backend() != before


def test_a_lost_answer_hides_a_commit_that_stands(arm: Arm) -> None:
    arm("test.written=lose")

    with pytest.raises(OperationalError, match="closed the connection"):
        beat("one", and_then="test.written")
    beat("two", and_then="test.written")

    assert beaten() == ["one", "two"]


def test_each_fault_is_written_down_with_its_time(arm: Arm, tmp_path: Path) -> None:
    arm("test.written:2=cut")
    crash_point("test.written")
    crash_point("test.written")

    (line,) = (tmp_path / crash_points.FOLDER / crash_points.STRUCK).read_text().splitlines()
    assert line.split()[:2] == ["test.written", "cut"]
    assert crash_points.reached(tmp_path, "test.written") == 2


def test_orders_may_stand_in_a_file_that_is_read_each_time(arm: Arm, tmp_path: Path) -> None:
    arm("@armed")
    crash_point("test.written")
    folder = tmp_path / crash_points.FOLDER
    folder.mkdir()
    (folder / "armed").write_text("test.other\ntest.written=raise\n", encoding="ascii")

    with pytest.raises(Injected):
        crash_point("test.written")


def test_nobody_has_severable_connections_unless_they_were_ordered(live: Database) -> None:
    live.compose()
    with db.engine().connect() as connection:
        assert type(connection.connection.driver_connection).__module__.startswith("psycopg2")


def test_a_child_leaves_its_parents_connections_alone(arm: Arm) -> None:
    arm("test.written=cut")
    with db.engine().connect() as connection:
        raw = connection.connection.driver_connection
        raw._owner += 1  # as in a process that was forked from the one which connected
        crash_point("test.written")
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("a.b", Order(step="a.b", nth=1, fault=Fault.KILL)),
        ("a.b:3", Order(step="a.b", nth=3, fault=Fault.KILL)),
        ("a.b=lose", Order(step="a.b", nth=1, fault=Fault.LOSE)),
        ("a_c.b:2=cut", Order(step="a_c.b", nth=2, fault=Fault.CUT)),
    ],
    ids=["step", "nth", "fault", "both"],
)
def test_orders_are_read(text: str, order: Order) -> None:
    assert crash_points.order(text) == order


@pytest.mark.parametrize("text", ["ab", "a.b:0", "a.b=explode", "A.b", "a.b:"], ids=str)
def test_what_is_no_order_is_refused_before_anything_starts(database: Database, text: str) -> None:
    with pytest.raises(config.InvalidConfiguration, match="PETTYCASH_CRASH_AT"):
        config.read(database.environ | {"PETTYCASH_CRASH_AT": text})
