"""References of banks and rails, as people copy them."""

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import InstrumentedAttribute


def spelt_like(column: InstrumentedAttribute[str | None], reference: str) -> ColumnElement[bool]:
    """Whether two references are one: people write blanks, hyphens and small letters."""
    return func.upper(func.regexp_replace(column, "[^[:alnum:]]", "", "g")) == func.upper(
        func.regexp_replace(reference, "[^[:alnum:]]", "", "g")
    )
