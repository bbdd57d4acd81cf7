"""Running an import: a dry run tells every error of a sheet, a change of two people commits it.

The dry run does all that the rows say, through the same services, and undoes it; so nothing is
checked that is not also done, and nothing is done unchecked. Its digest binds file, rows and what
becomes of each: who proposes sends it back, and who confirms commits exactly that, or nothing.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import marshmallow as ma
from sqlalchemy.orm import Session

from pettycash.models.operations import Change
from pettycash.runtime import errors
from pettycash.services.foundation import digests, log_events
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.uow import Uow
from pettycash.services.imports import sheets
from pettycash.services.imports.declared import (
    By,
    DuplicateKey,
    Import,
    InvalidCell,
    KeyExists,
    Outcome,
    Result,
    Row,
    normal,
)
from pettycash.services.operations import changes
from pettycash.services.requisitions.attachments import given_filename

TITLE_SHOWN = 60
"""So many characters of a title that is none of ours are told."""

Progress = Callable[[int, int], None]
"""Called after each row with how many are done, and of how many."""


class ColumnsDiffer(errors.RuleViolation):
    """The sheet's titles are not those of the import; take its template."""

    code = "import.columns"


class NoRows(errors.RuleViolation):
    """The sheet has titles and no row."""

    code = "import.no_rows"


class RowsRefused(errors.RuleViolation):
    """Rows of the sheet can't be taken, so none is; mend them and check the file again."""

    code = "import.rows_refused"


class StaleImport(errors.Conflict):
    """This is not what was checked: the file, or what is there already, is another one now."""

    code = "import.stale"


@dataclass(frozen=True, kw_only=True)
class RowError:
    """An error of a row; `column` is None where it is the row as a whole."""

    row: int
    column: str | None
    code: str
    message: str

    def __str__(self) -> str:
        where = f"row {self.row}" if self.column is None else f"row {self.row}, {self.column}"
        return f"{where}: {self.message} ({self.code})"


@dataclass(frozen=True, kw_only=True)
class ReadRow:
    """A row that its schema takes."""

    number: int
    values: Row


@dataclass(frozen=True, kw_only=True)
class Applied:
    """A row and what became of it."""

    row: ReadRow
    result: Result

    def as_json(self) -> dict[str, Any]:
        """As a proposal keeps it."""
        return {
            "row": self.row.number,
            "values": dict(self.row.values),
            "kind": self.result.kind,
            "outcome": self.result.outcome.value,
            "changed": {name: list(pair) for name, pair in self.result.changed.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Run:
    """A dry run."""

    declared: Import
    filename: str
    file_digest: str
    applied: Sequence[Applied]
    errors: Sequence[RowError]

    @property
    def facts(self) -> dict[str, Any]:
        """The proposal: file, counts, notes and rows."""
        return {
            "import": self.declared.name,
            "file": {"name": self.filename, "sha256": self.file_digest},
            "counts": self.counts,
            "notes": [each.result.note for each in self.applied if each.result.note is not None],
            changes.ROWS: [each.as_json() for each in self.applied],
        }

    @property
    def counts(self) -> list[dict[str, Any]]:
        """How many of each kind are created, updated and left as they are."""
        kinds = dict.fromkeys(each.result.kind for each in self.applied)
        results = [(each.result.kind, each.result.outcome) for each in self.applied]
        return [
            {"kind": kind, **{each.value: results.count((kind, each)) for each in Outcome}}
            for kind in kinds
        ]

    @property
    def digest(self) -> str | None:
        """The digest that a proposal sends back; None where rows are wrong."""
        return None if self.errors else digests.digest(self.facts).hex()


def check(
    session: Session,
    declared: Import,
    *,
    filename: str,
    content: bytes,
    actor: Actor | None,
    progress: Progress | None = None,
) -> Run:
    """Try a sheet and undo it: every error of every row, or what it would do.

    Raises:
        NotASheet, FileTooLarge, TooManyRows, InvalidText: the file can't be read, or its name.
        ColumnsDiffer, NoRows: it is another sheet.
    """
    found = sheets.rows(content, limit=declared.limit)
    read, wrong = _read(declared, found)
    with _undone(session):
        applied, refused = _apply(session, declared, read, By(actor=actor), progress)
    return Run(
        declared=declared,
        filename=given_filename(filename),
        file_digest=hashlib.sha256(content).hexdigest(),
        applied=applied,
        errors=sorted([*wrong, *refused], key=lambda each: each.row),
    )


def propose(
    uow: Uow, declared: Import, *, filename: str, content: bytes, digest: str, reason: str
) -> Change:
    """Propose what was checked, whole; a second person confirms it.

    Raises:
        RowsRefused: it has errors.
        StaleImport: the digest is of another file, or rows would now do something else.
        NotAProposer, ReasonMissing: see `changes.propose`; what the file is refused for: `check`.
    """
    run = check(uow.session, declared, filename=filename, content=content, actor=uow.actor)
    _refuse(run.errors)
    if run.digest is None or not hmac.compare_digest(run.digest, digest.strip().lower()):
        raise StaleImport
    return changes.propose(
        uow,
        kind=declared.kind,
        object_id=None,
        payload=run.facts,
        reason=reason,
        digest=bytes.fromhex(run.digest),
    )


def register(declared: Import) -> Import:
    """Make a declared import known to the changes of two people."""

    def commit(uow: Uow, change: Change) -> None:
        said = change.payload
        read = [ReadRow(number=row["row"], values=row["values"]) for row in said[changes.ROWS]]
        by = By(actor=uow.actor, change=change)
        applied, refused = _apply(uow.session, declared, read, by)
        _refuse(refused)
        run = Run(
            declared=declared,
            filename=said["file"]["name"],
            file_digest=said["file"]["sha256"],
            applied=applied,
            errors=(),
        )
        if change.digest is None or run.digest != change.digest.hex():
            raise StaleImport

    changes.register(
        declared.kind,
        proposers=declared.deciders,
        confirmers=declared.deciders,
        apply=commit,
        alerts=True,
    )
    return declared


def _read(
    declared: Import, found: Sequence[sheets.SheetRow]
) -> tuple[list[ReadRow], list[RowError]]:
    """Rows through their schema, and what it refuses."""
    titles = _titles(declared, found[0].cells)
    if len(found) < 2:
        raise NoRows
    schema = declared.columns()
    read: list[ReadRow] = []
    wrong: list[RowError] = []
    seen: dict[tuple[Any, ...], int] = {}
    for row in found[1:]:
        values, refused = _load(schema, titles, row)
        key = tuple(values.get(name) for name in declared.key)
        earlier = seen.setdefault(key, row.number)
        if not refused and earlier != row.number:
            same = " and ".join(declared.titles[name] for name in declared.key)
            said = f"Row {earlier} has the same {same}."
            refused = [RowError(row=row.number, column=None, code=DuplicateKey.code, message=said)]
        wrong += refused
        if not refused:
            read.append(ReadRow(number=row.number, values=values))
    return sorted(read, key=lambda each: (declared.rank(each.values), each.number)), wrong


def _titles(declared: Import, cells: Sequence[sheets.Cell]) -> list[str]:
    """The titles of the sheet in the spelling of the import, in the sheet's order."""
    known = {normal(title): title for title in declared.titles.values()}
    given = [each if isinstance(each, str) else "" for each in cells]
    found = [known.get(normal(each), each[:TITLE_SHOWN]) for each in given]
    wrong: dict[str, list[str]] = {}
    for each in found:
        if each not in declared.titles.values():
            wrong[each or "blank"] = ["There is no such column."]
        elif found.count(each) > 1:
            wrong[each] = ["The column stands twice."]
    fields = declared.columns().fields
    for name, title in declared.titles.items():
        if fields[name].required and title not in found:
            wrong[title] = ["The column is missing."]
    if wrong:
        raise ColumnsDiffer(errors=wrong)
    return found


def _load(
    schema: ma.Schema, titles: Sequence[str], row: sheets.SheetRow
) -> tuple[dict[str, Any], list[RowError]]:
    wrong: list[RowError] = []
    given: dict[str, str] = {}
    for title, cell in zip(titles, row.cells, strict=False):
        if isinstance(cell, str):
            given |= {title: cell} if cell else {}
        else:
            wrong.append(_error(row.number, title, cell))
    if any(row.cells[len(titles) :]):
        said = "The row has more cells than there are titles."
        wrong.append(RowError(row=row.number, column=None, code=InvalidCell.code, message=said))
    try:
        values: dict[str, Any] = schema.load(given)
    except ma.ValidationError as error:
        reported = {each.column for each in wrong}
        for column, messages in error.messages_dict.items():
            where = None if column == ma.exceptions.SCHEMA else column
            if where in reported:
                continue
            wrong += [
                RowError(row=row.number, column=where, code=InvalidCell.code, message=each)
                for each in messages
            ]
        values = {}
    return values, wrong


def _apply(
    session: Session,
    declared: Import,
    rows: Sequence[ReadRow],
    by: By,
    progress: Progress | None = None,
) -> tuple[list[Applied], list[RowError]]:
    """Do what the rows say, each in a savepoint of its own, so that one error hides no other."""
    work = declared.work(session, by)
    applied: list[Applied] = []
    wrong: list[RowError] = []
    for done, row in enumerate(rows, start=1):
        try:
            with session.begin_nested():
                result = work.apply(row.values)
                if result.outcome is not Outcome.CREATED and not declared.updates:
                    raise KeyExists
        except errors.PettycashError as refusal:
            wrong += _refused(declared, row.number, refusal)
        else:
            applied.append(Applied(row=row, result=result))
        if progress is not None:
            progress(done, len(rows))
    if not wrong:
        work.finish()
    return applied, wrong


def _refused(declared: Import, number: int, refusal: errors.PettycashError) -> Iterable[RowError]:
    """A service's refusal, at the columns that it names."""
    if not refusal.errors:
        yield RowError(row=number, column=None, code=refusal.code, message=refusal.detail)
    titles = declared.titles
    for name, messages in refusal.errors.items():
        column = titles.get(declared.columns_of.get(name, name.removesuffix("_id")))
        for each in messages:
            yield RowError(row=number, column=column, code=refusal.code, message=each)


def _error(number: int, column: str, refusal: type[errors.RuleViolation]) -> RowError:
    return RowError(row=number, column=column, code=refusal.code, message=refusal().detail)


def _refuse(wrong: Sequence[RowError]) -> None:
    if not wrong:
        return
    by_row: dict[str, list[str]] = {}
    for each in wrong:
        where = "" if each.column is None else f"{each.column}: "
        by_row.setdefault(f"row {each.row}", []).append(f"{where}{each.message} ({each.code})")
    raise RowsRefused(errors=by_row)


@contextmanager
def _undone(session: Session) -> Iterator[None]:
    """Undo what is done in the block, and the lines that the log would have of it."""
    before = dict(session.info)
    session.info[log_events.LINES] = []
    trial = session.begin_nested()
    try:
        yield
    finally:
        trial.rollback()
        session.info.clear()
        session.info.update(before)
