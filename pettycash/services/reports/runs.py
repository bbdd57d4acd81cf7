"""Runs: a report or list that is too long to be made at once, as a file that a worker makes.

Rows come from one snapshot, in the scope and with the roles that the asking person has then. All
parts of a file are written in the transaction that ends its run: a worker that dies leaves none.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import IO, Any
from uuid import UUID

from sqlalchemy import delete, false, func, insert, select, text, update
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.reports import ReportChunk, ReportRun, ReportRunStatus
from pettycash.runtime import db, errors
from pettycash.runtime.crash_points import crash_point
from pettycash.services.access.identity import people
from pettycash.services.access.identity.people import ClientInfo
from pettycash.services.foundation import listings, outbox, permissions
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.listings import Condition, Find, Listing, exact, many
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports import files, sheets
from pettycash.services.reports.catalogue import BY_PERMISSION
from pettycash.services.reports.lists import LISTS
from pettycash.services.reports.sheets import Sheet

TOPIC = "reports.make"
KEPT = timedelta(hours=24)
UNDER_WAY_MAX = 3
CHUNK = 1024 * 1024
TOLD_EVERY = 10_000
"""Rows after which the run says how many it has."""
UNDER_WAY = (ReportRunStatus.QUEUED, ReportRunStatus.RUNNING)


class ReportRunNotFound(errors.NotFound):
    """You asked for no such file."""

    code = "report.run_not_found"


class TooManyRuns(errors.Conflict):
    """Three of your files are being made; wait for one of them."""

    code = "report.too_many_runs"


class FileNotThere(errors.Conflict):
    """There is no file: it is being made, it failed, or its 24 hours are over; ask again."""

    code = "report.no_file"


class NotTakenOut(errors.RuleViolation):
    """This is neither a report nor a list that is made by a run."""

    code = "report.not_taken_out"


class RightLost(errors.NotAllowed):
    """Whoever asked may no longer read this."""

    code = "report.right_lost"


def own(actor: Actor) -> Condition:
    """Runs are seen by whoever asked, and by no machine."""
    return false() if actor.client_id is not None else ReportRun.asked_by == actor.user_id


RUNS = Listing(
    name="report_runs.list",
    query=select(ReportRun),
    scope=own,
    filters={"status": many(ReportRun.status), "operation": exact(ReportRun.operation)},
    find=Find(exact=(ReportRun.operation,), text="The whole of an operation's name."),
    orders={"newest": (ReportRun.id.desc(),)},
)


def start(
    uow: Uow, *, operation: str, parameters: Mapping[str, Any], file_format: str
) -> ReportRun:
    """Have a file made; `parameters` are those of the page.

    Raises:
        NotTakenOut: there is no report or list of that name.
        TooManyRuns: UNDER_WAY_MAX are not finished.
    """
    if operation not in BY_PERMISSION and operation not in LISTS:
        raise NotTakenOut
    open_runs = select(func.count()).where(own(uow.actor), ReportRun.status.in_(UNDER_WAY))
    if uow.session.execute(open_runs).scalar_one() >= UNDER_WAY_MAX:
        raise TooManyRuns
    run = ReportRun(
        company_id=uow.actor.company_id,
        asked_by=uow.actor.user_id,
        operation=operation,
        parameters={name: _plain(each) for name, each in parameters.items() if each is not None},
        file_format=file_format,
        status=ReportRunStatus.QUEUED,
    )
    uow.session.add(run)
    uow.session.flush()
    uow.session.refresh(run)
    outbox.enqueue(uow.session, topic=TOPIC, key=run.id)
    return run


def get(uow: Uow, *, run_id: UUID) -> ReportRun:
    """One of the actor's runs.

    Raises:
        ReportRunNotFound: they asked for none such.
    """
    found = uow.session.execute(
        select(ReportRun).where(ReportRun.id == run_id, own(uow.actor))
    ).scalar_one_or_none()
    if found is None:
        raise ReportRunNotFound
    return found


def content(uow: Uow, run: ReportRun) -> Iterator[bytes]:
    """The bytes of its file, part by part.

    Raises:
        FileNotThere: it has none, or none any more.
        RightLost: the actor may no longer read what is in it.
    """
    if not permissions.reaches(uow.actor, run.operation):
        raise RightLost
    if run.expires_at is None or run.expires_at <= uow.now:
        raise FileNotThere
    parts = select(ReportChunk.content).where(ReportChunk.run_id == run.id)
    return iter(
        uow.session.scalars(parts.order_by(ReportChunk.number), execution_options={"yield_per": 1})
    )


def write(session: Session, *, run_id: UUID, out: IO[bytes]) -> int | None:
    """Write the file of a run to `out`, in an open snapshot; how many rows it has.

    None where another worker is at it, or it is finished.

    Raises:
        RightLost: whoever asked may no longer read it.
        ReportTooLong, PrintTooLong: it has more rows than such a file may have.
    """
    key = int.from_bytes(run_id.bytes[-8:], signed=True)
    lock = text("SELECT pg_try_advisory_xact_lock(:key)")
    if not session.execute(lock, {"key": key}).scalar_one():
        return None
    run = session.get_one(ReportRun, run_id)
    if run.status not in UNDER_WAY:
        return None
    member = people.active_member(
        session, user_id=run.asked_by, company_id=run.company_id, now=session.info["now"]
    )
    actor = None if member is None else member.actor(ClientInfo())
    if actor is None or not permissions.reaches(actor, run.operation):
        raise RightLost
    written = 0

    def counted(rows: int) -> None:
        nonlocal written
        written = rows
        if rows > sheets.ROWS_MAX:
            raise sheets.ReportTooLong
        if rows % TOLD_EVERY == 1:
            _tell(run_id, rows)

    _tell(run_id, 0)
    files.write(_sheet(Uow.of(session, actor), run, counted), run.file_format, out)
    return written


def keep(session: Session, *, run_id: UUID, out: IO[bytes], rows: int) -> None:
    """Keep the file for a day, and end the run."""
    run = db.lock(session, ReportRun, run_id)
    if run is None or run.status not in UNDER_WAY:
        return
    size = out.seek(0, 2)
    out.seek(0)
    number = 0
    while part := out.read(CHUNK):
        session.execute(
            insert(ReportChunk).values(
                id=new_id(), company_id=run.company_id, run_id=run.id, number=number, content=part
            )
        )
        number += 1
    crash_point("reports.keeping")
    now = session.info["now"]
    run.status, run.rows, run.size = ReportRunStatus.DONE, rows, size
    run.finished_at, run.expires_at = now, now + KEPT
    outbox.complete(session, topic=TOPIC, key=run_id)


def fail(session: Session, *, run_id: UUID, code: str) -> None:
    """End the run without a file, and say why."""
    run = db.lock(session, ReportRun, run_id)
    if run is not None and run.status in UNDER_WAY:
        run.status, run.failure = ReportRunStatus.FAILED, code
        run.finished_at = session.info["now"]
    outbox.complete(session, topic=TOPIC, key=run_id)


def remove_expired(session: Session) -> None:
    """Remove the files whose day is over (system role)."""
    over = select(ReportRun.id).where(ReportRun.expires_at <= session.info["now"])
    session.execute(
        delete(ReportChunk)
        .where(ReportChunk.run_id.in_(over))
        .execution_options(synchronize_session=False)
    )


def _tell(run_id: UUID, rows: int) -> None:
    """Say how far it is, past the snapshot that it is written from."""
    with db.system_autocommit() as session:
        session.execute(
            update(ReportRun)
            .where(ReportRun.id == run_id, ReportRun.status.in_(UNDER_WAY))
            .values(status=ReportRunStatus.RUNNING, rows=rows)
            .execution_options(synchronize_session=False)
        )


def _sheet(uow: Uow, run: ReportRun, counted: sheets.Counter) -> Sheet:
    report = BY_PERMISSION.get(run.operation)
    if report is not None:
        kinds = {each.name: each.kind for each in report.params}
        asked = {name: _parsed(kinds[name], each) for name, each in run.parameters.items()}
        return sheets.sheet_of(uow, report, dict.fromkeys(kinds) | asked, counted)
    listing = LISTS[run.operation]
    filters = {name: each.kind for name, each in listing.filters.items()}
    asked = {name: _parsed(filters.get(name, str), each) for name, each in run.parameters.items()}
    words = {
        name: each if isinstance(each, str) else ", ".join(each)
        for name, each in run.parameters.items()
    }
    title = run.operation.removesuffix(".list").replace("_", " ").capitalize()
    items = listings.export(uow, listing, asked)
    return sheets.list_sheet(uow, listing, title=title, asked=words, items=items, counted=counted)


def _plain(value: Any) -> str | list[str]:
    if isinstance(value, list):
        return [str(each) for each in value]
    return value.isoformat() if isinstance(value, date) else str(value)


def _parsed(kind: type[Any], given: str | Sequence[str]) -> Any:
    if not isinstance(given, str):
        return [_parsed(kind, each) for each in given]
    if kind is bool:
        return given == str(True)
    if kind in (date, datetime):
        return kind.fromisoformat(given)
    return kind(given)
