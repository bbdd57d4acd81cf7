"""A company's settings of consequence, as if two people had agreed."""

from typing import Any

from sqlalchemy.orm import Session

from pettycash.services.foundation import company_settings


def agree(session: Session, **values: Any) -> None:
    """Let settings hold from now on, past what their change would check."""
    company_settings.update(
        session,
        values=values,
        expected_version=company_settings.current(session).version,
        changed_by=None,
        known=company_settings.OF_CONSEQUENCE,
    )
