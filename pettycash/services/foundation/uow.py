"""The unit of work: the first argument of every service in which somebody acts."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from pettycash.services.foundation.actors import Actor


@dataclass(frozen=True, slots=True)
class Uow:
    """One transaction, the person acting in it, and the instant at which all of it happens.

    `now` is PostgreSQL's clock at the beginning of the transaction, in UTC.
    """

    session: Session
    actor: Actor
    now: datetime

    @classmethod
    def of(cls, session: Session, actor: Actor) -> "Uow":
        """The unit of work of an open transaction."""
        return cls(session, actor, session.info["now"])
