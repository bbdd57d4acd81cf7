"""Files that a worker makes: whole or not at all, for whoever asked, with their rights then."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from pettycash.models.access import RoleAssignment
from pettycash.models.operations import OutboxMessage
from pettycash.models.reports import ReportChunk, ReportRun, ReportRunStatus
from pettycash.runtime import db
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports import runs, sheets
from pettycash.tasks import reports
from tests import books
from tests.factories.people import acting, company_id
from tests.servers import Database

S = ReportRunStatus


@pytest.fixture(autouse=True)
def company(live: Database) -> Iterator[UUID]:
    found = company_id("DEMO")
    with db.scope(company_id=found, source="test"):
        yield found


def asked(
    operation: str, file_format: str = "csv", by: str = "cfo", **parameters: Any
) -> ReportRun:
    with db.transaction() as session:
        return runs.start(
            Uow.of(session, acting(session, by)),
            operation=operation, parameters=parameters, file_format=file_format,
        )  # fmt: skip


def make(run: ReportRun) -> ReportRun:
    with db.transaction() as session:
        of_run = select(OutboxMessage.id).where(OutboxMessage.key == run.id)
        message_id = session.scalars(of_run).one()
    reports.make(messages=[str(message_id)])
    with db.transaction() as session:
        return session.get_one(ReportRun, run.id)


def downloaded(run: ReportRun, by: str = "cfo", *, later: timedelta = timedelta()) -> bytes:
    with db.snapshot() as session:
        uow = Uow(session, acting(session, by), session.info["now"] + later)
        return b"".join(runs.content(uow, runs.get(uow, run_id=run.id)))


def test_a_run_makes_the_file_of_the_page_and_keeps_it_for_a_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs, "CHUNK", 100)
    monkeypatch.setattr(runs, "TOLD_EVERY", 2)
    with db.transaction() as session:
        paid = [books.pay(session, f"{amount}.00").number for amount in (100, 200)]
        fund = books.fund(session)
    one = make(asked("cash_book.get", fund_id=fund.id))
    two = make(asked("payments.list", "csv", method=["mpesa"], min_amount="150", order="oldest"))
    three = make(asked("trial_balance.get", "pdf"))
    assert {each.status for each in (one, two, three)} == {S.DONE}

    lines = list(csv.reader(io.StringIO(downloaded(one).decode("utf-8-sig"), newline="")))
    assert ["Fund", "WESTLANDS"] in lines
    assert ["Rows", str(one.rows)] in lines
    assert one.size == len(downloaded(one))
    assert downloaded(two).decode().count(paid[1]) == 1
    assert paid[0] not in downloaded(two).decode()
    assert downloaded(three).startswith(b"%PDF-")
    with pytest.raises(runs.ReportRunNotFound):
        downloaded(one, "treasury")
    with pytest.raises(runs.FileNotThere):
        downloaded(one, later=runs.KEPT)

    make(one)  # a second delivery of the same message
    with db.system_transaction() as session:
        runs.remove_expired(session)
        assert session.scalar(select(func.count(ReportChunk.run_id))) > 2
    with db.transaction() as session:
        past = session.info["now"] - timedelta(seconds=1)
        session.execute(update(ReportRun).where(ReportRun.id == one.id).values(expires_at=past))
    reports.sweep_out()
    with db.system_transaction() as session:
        left = set(session.scalars(select(ReportChunk.run_id)))
    assert left == {two.id, three.id}


def test_rights_are_those_of_the_time_at_which_it_is_made_and_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done, later = (
        make(asked("cash_book.get", by="custodian")),
        asked("cash_book.get", by="custodian"),
    )
    with db.transaction() as session:
        uow = Uow.of(session, acting(session, "custodian"))
        session.execute(
            update(RoleAssignment)
            .where(RoleAssignment.user_id == uow.actor.user_id)
            .values(valid_until=uow.now)
        )
    assert (make(later).status, make(later).failure) == (S.FAILED, "report.right_lost")
    with db.snapshot() as session:
        uow = Uow.of(session, acting(session, "custodian_mombasa"))
        with pytest.raises(runs.ReportRunNotFound):
            runs.get(uow, run_id=done.id)
        former = replace(acting(session, "custodian"), roles=())
        with pytest.raises(runs.RightLost):
            runs.content(Uow.of(session, former), done)

    monkeypatch.setattr(sheets, "ROWS_MAX", 1)
    long = make(asked("trial_balance.get"))
    assert (long.status, long.failure) == (S.FAILED, "report.too_many_rows")


def test_three_are_made_at_once_and_no_half_file_is_left() -> None:
    first, *_ = (asked("trial_balance.get") for _ in range(runs.UNDER_WAY_MAX))
    with pytest.raises(runs.TooManyRuns):
        asked("trial_balance.get")
    with pytest.raises(runs.NotTakenOut):
        asked("requisitions.approve", by="treasury")

    with db.transaction() as session:  # as a worker that dies before its commit
        runs.keep(session, run_id=first.id, out=io.BytesIO(b"half"), rows=1)
        session.flush()
        session.rollback()
    with db.transaction() as session:
        assert session.scalar(select(func.count(ReportChunk.id))) == 0
    assert make(first).status is S.DONE
