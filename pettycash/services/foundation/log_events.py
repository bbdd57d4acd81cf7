"""Lines of the log about what has happened: after the commit, so none tells of what was undone.

Ids and words of ours only, never names, texts or numbers of people (security.md row 19).
"""

import logging
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.runtime import db

logger = logging.getLogger("pettycash.events")

LINES = "pettycash_lines"
"""Mark in session.info: what is to be written once it is true."""


def log_event(session: Session, event: str, *, level: int = logging.INFO, **facts: Any) -> None:
    """Write a line when the unit of work has been committed; facts that are None are left out."""
    known = {
        name: str(value) if isinstance(value, UUID) else value
        for name, value in facts.items()
        if value is not None
    }
    session.info.setdefault(LINES, []).append((level, event, known))


def _write(session: Session) -> None:
    for level, event, facts in session.info.pop(LINES, ()):
        logger.log(level, event, extra=facts)


db.after_commit(_write)
