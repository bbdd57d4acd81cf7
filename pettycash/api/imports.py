"""Imports: a template to fill in, a dry run that tells every error, a proposal of two people."""

from typing import Any

from flask import Response
from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.api.report_files import described
from pettycash.api.routes import serve
from pettycash.runtime.db import transaction
from pettycash.services.foundation.uow import Uow
from pettycash.web import transfers
from pettycash.web.admission import current_actor, operation
from pettycash.web.operations.imports import OPERATIONS, ImportOperations
from pettycash.web.schemas.imports import TemplateQuery

blp = Blueprint(
    "imports",
    __name__,
    url_prefix="/api/imports",
    description="Rows from a sheet (docs/operations.md): CSV in UTF-8, UTF-16 or Windows-1252, or"
    " XLSX; tried first, then proposed by one person and confirmed whole by a second"
    " (`/api/changes/`).",
)


def _serve(of: ImportOperations) -> None:
    """Add the routes of one import to the blueprint."""
    name = of.declared.name

    class Template(MethodView):
        @operation(of.template.name)
        @blp.arguments(TemplateQuery, location="query")
        @blp.doc(**described(), summary=of.template.function.__doc__)
        def get(self, arguments: dict[str, Any]) -> Response:
            with transaction() as session:
                return transfers.sent(*of.template(Uow.of(session, current_actor()), **arguments))

    blp.route(f"/{name}/template/", endpoint=f"{name}_template")(Template)
    serve(blp, f"/{name}/check/", post=of.check)
    serve(blp, f"/{name}/propose/", post=of.propose, location="/api/changes/{id}/")


for _each in OPERATIONS.values():
    _serve(_each)
