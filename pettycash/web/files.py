"""Reports and lists as files, from the same operations as their pages."""

import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Any

from pettycash.services.foundation import listings
from pettycash.services.foundation.listings import Listing
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports import ROWS_AT_ONCE, ReportNeedsRun, files, sheets
from pettycash.services.reports.sheets import Sheet
from pettycash.web.operations import Operation


def written(
    operation: Operation[..., Any],
    uow: Uow,
    file_format: str,
    sent: Mapping[str, Any],
    path: Mapping[str, Any],
) -> IO[bytes]:
    """A file that is open at its end, with all rows of a report or list; whoever asked closes it.

    Raises:
        ReportNeedsRun: it has more rows than are made at once.
    """
    sheet = _sheet(operation, uow, sent, path)
    out = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        files.write(sheet, file_format, out)
    except BaseException:
        out.close()
        raise
    return out


def title(operation: Operation[..., Any]) -> str:
    """What the file of a report or list is called."""
    if operation.report is not None:
        return operation.report.name
    return operation.name.removesuffix(".list").replace(".", "-").replace("_", "-")


def _sheet(
    operation: Operation[..., Any], uow: Uow, sent: Mapping[str, Any], path: Mapping[str, Any]
) -> Sheet:
    counted = sheets.up_to(ROWS_AT_ONCE, ReportNeedsRun)
    if operation.report is not None:
        operation.admit(uow)
        return sheets.sheet_of(uow, operation.report, sent, counted)
    listing = operation.listing
    if listing is None:
        raise AssertionError(f"{operation.name} is neither a report nor a list")
    asked = {name: value for name, value in {**path, **sent}.items() if value is not None}
    asked = {name: value for name, value in asked.items() if name not in ("limit", "cursor")}
    rows = _rows(operation, listing, uow, {**asked, **path})
    name = title(operation).replace("-", " ").capitalize()
    return sheets.list_sheet(
        uow, listing, title=name, asked=_words(asked), items=rows, counted=counted
    )


def _rows(
    operation: Operation[..., Any], listing: Listing, uow: Uow, asked: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """All rows, page by page, of the operation itself: whatever it refuses and masks, it does."""
    cursor: str | None = None
    while True:
        found = operation(uow, **asked, cursor=cursor, limit=listings.PAGE_SIZE_MAX)
        yield from listings.exported_rows(listing, found.items, found.people)
        cursor = found.next_cursor
        if cursor is None:
            return


def _words(asked: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in asked.items()
    }
