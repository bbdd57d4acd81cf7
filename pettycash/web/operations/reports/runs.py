"""Runs: files that a worker makes, of whatever report or list is too long to be made at once."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import marshmallow as ma

from pettycash.models.reports import ReportRun
from pettycash.runtime import errors
from pettycash.services.foundation import permissions
from pettycash.services.foundation.file_formats import PrintFormat
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports import runs
from pettycash.services.reports.runs import RUNS
from pettycash.web.operations import Operation, by_name, list_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas.report_runs import EXAMPLE_REQUEST, EXAMPLE_RUN, ReportRunSchema


class ParametersInvalid(errors.RuleViolation):
    """The page does not take these parameters, or is not printed."""

    code = "report.parameters_invalid"


list_all = list_of(
    "report_runs.list",
    RUNS,
    "List the files that you asked for, the newest first.",
    answers=ReportRunSchema,
    example=EXAMPLE_RUN,
)


@operation(
    "report_runs.create",
    takes=ReportRunSchema,
    given=EXAMPLE_REQUEST,
    status=202,
    answers=ReportRunSchema,
    example=EXAMPLE_RUN
    | {"status": "queued", "rows": 0, "size": None, "finished_at": None, "expires_at": None},
)
@refuses(ParametersInvalid, runs.NotTakenOut, runs.RightLost, runs.TooManyRuns)
def create(
    uow: Uow, /, *, operation: str, parameters: Mapping[str, Any], file_format: PrintFormat
) -> ReportRun:
    """Have a report or list made as a file; a worker makes it, you alone see it, for 24 hours."""
    if operation not in permissions.PERMISSIONS:
        raise runs.NotTakenOut
    if not permissions.reaches(uow.actor, operation):
        raise runs.RightLost
    values = _values(by_name(operation), parameters, file_format)
    return runs.start(uow, operation=operation, parameters=values, file_format=file_format)


@operation("report_runs.get", answers=ReportRunSchema, example=EXAMPLE_RUN)
@refuses(runs.ReportRunNotFound)
def get(uow: Uow, *, run_id: UUID) -> ReportRun:
    """Read how far it is."""
    return runs.get(uow, run_id=run_id)


def _values(
    asked: Operation[..., Any], parameters: Mapping[str, Any], file_format: PrintFormat
) -> dict[str, Any]:
    if not asked.comes_as_file or asked.takes is None:
        raise runs.NotTakenOut
    schema = asked.takes() if isinstance(asked.takes, type) else asked.takes
    given = {
        name: [each] if isinstance(schema.fields.get(name), ma.fields.List) else each
        for name, each in parameters.items()
        if not isinstance(each, list)
    }
    try:
        values: dict[str, Any] = schema.load({**parameters, **given, "format": file_format.value})
    except ma.ValidationError as error:
        raise ParametersInvalid(
            errors={f"parameters.{name}": _flat(each) for name, each in error.messages_dict.items()}
        ) from error
    return {name: each for name, each in values.items() if name not in _OF_PAGES}


_OF_PAGES = ("format", "limit", "cursor")


def _flat(messages: Any) -> list[str]:
    found = messages.values() if isinstance(messages, dict) else messages
    return [each for more in found for each in ([more] if isinstance(more, str) else _flat(more))]
