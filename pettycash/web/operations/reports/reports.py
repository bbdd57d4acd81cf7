"""Every declared report, as it is read at once."""

from typing import Any

from pettycash.services import reports
from pettycash.services.foundation.uow import Uow
from pettycash.services.foundation.visibility import FundNotFound
from pettycash.services.reports import Report
from pettycash.web.operations import Operation, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas.reports import answer_of, example_of, query_of


def _of(report: Report) -> Operation[..., Any]:
    def read(uow: Uow, /, **values: Any) -> dict[str, Any]:
        return reports.page(uow, report, values)

    read.__doc__ = f"{report.summary}\n\nWith `format` it comes as a file, with head and totals."
    if any(each.name == "fund_id" and each.words for each in report.params):
        refuses(FundNotFound)(read)
    declare = operation(
        report.permission,
        report=report,
        takes=query_of(report),
        answers=answer_of(report),
        example=example_of(report),
    )
    return declare(read)


REPORTS = {each.name: _of(each) for each in reports.ALL}
