"""The kinds of file in which figures leave the house, and their media types."""

from collections.abc import Mapping
from enum import StrEnum


class FileFormat(StrEnum):
    """A sheet as a file."""

    CSV = "csv"
    XLSX = "xlsx"


class PrintFormat(StrEnum):
    """The same for what people print."""

    CSV = "csv"
    XLSX = "xlsx"
    PDF = "pdf"


MEDIA_TYPES: Mapping[str, str] = {
    PrintFormat.CSV: "text/csv",
    PrintFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    PrintFormat.PDF: "application/pdf",
}
