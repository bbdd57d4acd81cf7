"""Signs of life of the background parts, and how old each may be.

The relay, beat and one heartbeat task per queue write theirs; `/readyz` reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from pettycash.models.operations import Heartbeat

BOUNDS_SECONDS: Mapping[str, int] = {
    "relay": 30,
    "beat": 120,
    "queue:payments": 180,
    "queue:questions": 180,
    "queue:codes": 180,
    "queue:callbacks": 180,
    "queue:notices": 180,
    "queue:batch": 180,
}
"""Name → the age at which a part counts as dead. A queue's runs each minute."""


@dataclass(frozen=True, kw_only=True)
class Sign:
    """The last sign of life of one part."""

    name: str
    age_seconds: float | None
    """None: never heard of."""

    @property
    def bound_seconds(self) -> int:
        """The age at which it counts as dead."""
        return BOUNDS_SECONDS[self.name]

    @property
    def is_alive(self) -> bool:
        """Whether it was heard of recently enough."""
        return self.age_seconds is not None and self.age_seconds <= self.bound_seconds


def beat(session: Session, *, name: str, now: datetime) -> None:
    """Leave a sign of life (system role)."""
    row = insert(Heartbeat).values(name=name, beaten_at=now)
    session.execute(
        row.on_conflict_do_update(index_elements=[Heartbeat.name], set_={"beaten_at": now})
    )


def signs(session: Session, *, now: datetime) -> list[Sign]:
    """Every part that is expected, alive or not."""
    rows = session.execute(select(Heartbeat.name, Heartbeat.beaten_at))
    beaten = {row.name: row.beaten_at for row in rows}
    return [
        Sign(
            name=name,
            age_seconds=(now - beaten[name]).total_seconds() if name in beaten else None,
        )
        for name in BOUNDS_SECONDS
    ]
