"""Imports: a template to fill in, a dry run that tells every error, a proposal of two people.

All declared imports behave alike, so their operations are made from the declarations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from pettycash.models.operations import Change
from pettycash.services import imports
from pettycash.services.foundation.decisions import AboutYourself, NotAProposer, ReasonMissing
from pettycash.services.foundation.file_formats import MEDIA_TYPES, FileFormat
from pettycash.services.foundation.text_validation import InvalidText
from pettycash.services.foundation.uow import Uow
from pettycash.services.imports import Import, Outcome
from pettycash.services.imports.runs import ColumnsDiffer, NoRows, RowsRefused, StaleImport
from pettycash.services.imports.sheets import FileTooLarge, NotASheet, TooManyRows
from pettycash.web.operations import Operation, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import imports as shapes
from pettycash.web.schemas.changes import EXAMPLE_CHANGE, ChangeSchema

UNREADABLE = (ColumnsDiffer, FileTooLarge, InvalidText, NoRows, NotASheet, TooManyRows)
"""Refusals of a file, before its rows are looked at."""


@dataclass(frozen=True, kw_only=True)
class ImportOperations:
    """The operations of one import."""

    declared: Import
    template: Operation[..., Any]
    check: Operation[..., Any]
    propose: Operation[..., Any]


def _declare(declared: Import) -> ImportOperations:
    title = declared.title.lower()

    def template(_uow: Uow, *, format: FileFormat) -> tuple[SimpleNamespace, bytes]:  # noqa: A002
        made = SimpleNamespace(
            filename=f"{declared.name}.{format}", content_type=MEDIA_TYPES[format]
        )
        return made, imports.template(declared, format)

    def check(uow: Uow, *, filename: str, content: bytes) -> dict[str, Any]:
        run = imports.check(
            uow.session, declared, filename=filename, content=content, actor=uow.actor
        )
        return {
            "file_digest": run.file_digest,
            "digest": run.digest,
            "counts": run.counts,
            "updates": [
                {"row": each.row.number, "kind": each.result.kind, "changed": each.result.changed}
                for each in run.applied
                if each.result.outcome is Outcome.UPDATED
            ],
            "errors": run.errors,
        }

    def propose(uow: Uow, /, **facts: Any) -> Change:
        return imports.propose(uow, declared, **facts)

    template.__doc__ = f"Download the template: {title}."
    check.__doc__ = (
        f"Try a sheet: {title}.\n\nTells every error by row and column, or what each row would do,"
        " and writes nothing."
    )
    propose.__doc__ = (
        f"Propose a sheet that was checked: {title}.\n\nA second person confirms it at"
        " `/api/changes/`, whole, with its `decision_digest`."
    )
    change = EXAMPLE_CHANGE | {
        "kind": declared.kind,
        "payload": shapes.EXAMPLE_IMPORT_PAYLOAD,
        "reason": shapes.EXAMPLE_IMPORT_PROPOSAL["reason"],
        "decision_digest": shapes.EXAMPLE_IMPORT_PROPOSAL["digest"],
    }
    return ImportOperations(
        declared=declared,
        template=operation(f"{declared.kind}.template", takes=shapes.TemplateQuery, downloads=True)(
            template
        ),
        check=operation(
            f"{declared.kind}.check",
            takes=shapes.SheetSchema,
            given=shapes.EXAMPLE_SHEET,
            uploads=True,
            answers=shapes.ImportRunSchema,
            example=shapes.EXAMPLE_RUN,
        )(refuses(*UNREADABLE)(check)),
        propose=operation(
            f"{declared.kind}.propose",
            takes=shapes.ImportProposalSchema,
            given=shapes.EXAMPLE_IMPORT_PROPOSAL,
            uploads=True,
            step_up=True,
            status=202,
            answers=ChangeSchema,
            example=change,
        )(
            refuses(
                *UNREADABLE, AboutYourself, NotAProposer, ReasonMissing, RowsRefused, StaleImport
            )(propose)
        ),
    )


OPERATIONS: Mapping[str, ImportOperations] = {
    name: _declare(each) for name, each in imports.ALL.items()
}
"""By the name of the import."""
