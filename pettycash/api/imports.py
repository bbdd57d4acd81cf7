"""Imports: a template to fill in, a dry run that tells every error, a proposal of two people.

All declared imports behave alike, so their views are made from the declarations.
"""

from typing import Any

from flask import Response
from flask.views import MethodView
from werkzeug.datastructures import FileStorage

from pettycash.api.blueprints import Blueprint
from pettycash.api.report_files import described
from pettycash.models.operations import Change
from pettycash.runtime.db import transaction
from pettycash.services import imports
from pettycash.services.foundation.decisions import AboutYourself, NotAProposer, ReasonMissing
from pettycash.services.foundation.file_formats import MEDIA_TYPES
from pettycash.services.foundation.text_validation import InvalidText
from pettycash.services.foundation.uow import Uow
from pettycash.services.imports import Import, Outcome
from pettycash.services.imports.runs import ColumnsDiffer, NoRows, RowsRefused, StaleImport
from pettycash.services.imports.sheets import FileTooLarge, NotASheet, TooManyRows
from pettycash.web.admission import current_actor, operation
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent
from pettycash.web.refusals import refuses
from pettycash.web.schemas.changes import EXAMPLE_CHANGE, ChangeSchema
from pettycash.web.schemas.imports import (
    EXAMPLE_IMPORT_PAYLOAD,
    EXAMPLE_IMPORT_PROPOSAL,
    EXAMPLE_RUN,
    EXAMPLE_SHEET,
    ImportProposalSchema,
    ImportRunSchema,
    SheetSchema,
    TemplateQuery,
)
from pettycash.web.transfers import taken

blp = Blueprint(
    "imports",
    __name__,
    url_prefix="/api/imports",
    description="Rows from a sheet (docs/operations.md): CSV in UTF-8, UTF-16 or Windows-1252, or"
    " XLSX; tried first, then proposed by one person and confirmed whole by a second"
    " (`/api/changes/`).",
)

UNREADABLE = (ColumnsDiffer, FileTooLarge, InvalidText, NoRows, NotASheet, TooManyRows)
"""Refusals of a file, before its rows are looked at."""


def _serve(declared: Import) -> None:
    """Add the views of one import to the blueprint."""
    example_change = EXAMPLE_CHANGE | {
        "kind": declared.kind,
        "payload": EXAMPLE_IMPORT_PAYLOAD,
        "reason": EXAMPLE_IMPORT_PROPOSAL["reason"],
        "decision_digest": EXAMPLE_IMPORT_PROPOSAL["digest"],
    }

    class Template(MethodView):
        @operation(f"{declared.kind}.template")
        @blp.arguments(TemplateQuery, location="query")
        @blp.doc(**described(), summary=f"Download the template: {declared.title.lower()}.")
        def get(self, arguments: dict[str, Any]) -> Response:
            file_format = arguments["format"]
            name = f"{declared.name}.{file_format}"
            return Response(
                imports.template(declared, file_format),
                mimetype=MEDIA_TYPES[file_format],
                headers={"Content-Disposition": f"attachment; filename={name}"},
            )

    class Check(MethodView):
        @operation(f"{declared.kind}.check", uploads=True)
        @idempotent()
        @blp.arguments(SheetSchema, location="files", example=EXAMPLE_SHEET)
        @blp.response(200, ImportRunSchema, example=EXAMPLE_RUN)
        @refuses(*UNREADABLE)
        @blp.doc(
            summary=f"Try a sheet: {declared.title.lower()}.",
            description="Tells every error by row and column, or what each row would do, and"
            " writes nothing.",
        )
        def post(self, files: dict[str, FileStorage]) -> dict[str, Any]:
            with transaction() as session:
                run = imports.check(session, declared, **taken(files), actor=current_actor())
            return {
                "file_digest": run.file_digest,
                "digest": run.digest,
                "counts": run.counts,
                "updates": [
                    {"row": each.row.number, "kind": each.result.kind}
                    | {"changed": each.result.changed}
                    for each in run.applied
                    if each.result.outcome is Outcome.UPDATED
                ],
                "errors": run.errors,
            }

    class Proposal(MethodView):
        @operation(f"{declared.kind}.propose", uploads=True, step_up=True)
        @idempotent()
        @blp.arguments(ImportProposalSchema, location="files", example=EXAMPLE_IMPORT_PROPOSAL)
        @blp.response(202, ChangeSchema, example=example_change)
        @sends("Location")
        @refuses(*UNREADABLE, AboutYourself, NotAProposer, ReasonMissing, RowsRefused, StaleImport)
        @blp.doc(
            summary=f"Propose a sheet that was checked: {declared.title.lower()}.",
            description="A second person confirms it at `/api/changes/`, whole, with its"
            " `decision_digest`.",
        )
        def post(self, body: dict[str, Any]) -> tuple[Change, dict[str, str]]:
            with transaction() as session:
                change = imports.propose(
                    Uow.of(session, current_actor()),
                    declared,
                    **taken(body),
                    digest=body["digest"],
                    reason=body["reason"],
                )
                return change, {"Location": f"/api/changes/{change.id}/"}

    path = f"/{declared.name}"
    blp.route(f"{path}/template/", endpoint=f"{declared.name}_template")(Template)
    blp.route(f"{path}/check/", endpoint=f"{declared.name}_check")(Check)
    blp.route(f"{path}/propose/", endpoint=f"{declared.name}_propose")(Proposal)


for _declared in imports.ALL.values():
    _serve(_declared)
