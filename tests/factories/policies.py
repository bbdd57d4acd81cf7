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


def live_at_noon(session: Session) -> None:
    """Move the company to where it is noon: its last night has come, and the next is far."""
    east = 12 - session.info["now"].hour
    # In the names of these zones the signs are turned around.
    switch(session, timezone=f"Etc/GMT{-east:+d}" if east else "Etc/GMT")
