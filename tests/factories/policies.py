"""Settings of a company, changed for a test."""

from sqlalchemy.orm import Session

from pettycash.services.foundation import company_settings


def switch(session: Session, **values: object) -> None:
    """Write a version of the company's settings with these values."""
    company_settings.update(
        session,
        values=values,
        expected_version=company_settings.current(session).version,
        changed_by=None,
    )
