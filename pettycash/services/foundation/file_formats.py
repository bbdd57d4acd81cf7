"""The two kinds of sheet that leave the house, and their media types."""

from collections.abc import Mapping
from enum import StrEnum


class FileFormat(StrEnum):
    """A sheet as a file."""

    CSV = "csv"
    XLSX = "xlsx"


MEDIA_TYPES: Mapping[FileFormat, str] = {
    FileFormat.CSV: "text/csv",
    FileFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
