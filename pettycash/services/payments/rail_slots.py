"""How many calls to one provider account's rail are under way: never more than the cap.

A sending or a question takes a slot with its claim, in the same commit, and gives it back with what
it learned. A holder that died keeps its slot until its lease has ended, which no call outlives.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.runtime import db, settings
from pettycash.services.foundation import jitter

FULL_SECONDS = (1.0, 3.0)
"""How soon somebody who found no slot free looks again."""


def acquire(session: Session, *, account_id: UUID, holder: UUID, now: datetime) -> bool:
    """Take a slot until `free`, or for as long as a claim lasts; False where none is free."""
    current = settings.current()
    wanted = {
        "account": account_id,
        "holder": holder,
        "cap": current.rail_calls_at_once,
        "now": now,
        "until": now + timedelta(seconds=current.claim_lease_seconds),
    }
    row = session.execute(TAKE, wanted, execution_options=db.PREPARED).one()
    if row.made < current.rail_calls_at_once:
        company_id = session.info["scope"].company_id
        session.execute(MAKE, {**wanted, "company": company_id})
        row = session.execute(TAKE, wanted, execution_options=db.PREPARED).one()
    return bool(row.taken)


def free(session: Session, *, account_id: UUID, holder: UUID) -> int:
    """Give a slot back, and hear how often in a row the account's credentials were refused.

    Nothing is given back where its time was over and somebody else has it.
    """
    row = session.execute(
        FREE, {"account": account_id, "holder": holder}, execution_options=db.PREPARED
    ).one_or_none()
    return 0 if row is None else int(row.refused_in_row)


def next_look(now: datetime) -> datetime:
    """When somebody who found no slot free looks again: not all at once."""
    floor, ceiling = FULL_SECONDS
    return now + jitter.up_to(ceiling, floor=floor)


TAKE = text(
    """
    WITH free AS (
        SELECT number FROM rail_slots
        WHERE provider_account_id = :account AND number <= :cap
            AND (holder IS NULL OR held_until <= :now)
        ORDER BY number LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE rail_slots s SET holder = :holder, held_until = :until FROM free
        WHERE s.provider_account_id = :account AND s.number = free.number RETURNING s.number
    )
    SELECT (SELECT count(*) FROM taken) AS taken, (
        SELECT count(*) FROM rail_slots WHERE provider_account_id = :account AND number <= :cap
    ) AS made
    """
)
"""Without waiting: a slot that is being taken or given back at this moment is not free."""

MAKE = text(
    """
    INSERT INTO rail_slots (provider_account_id, number, company_id, held_until)
    SELECT :account, number, :company, :now FROM generate_series(1, :cap) AS number
    ON CONFLICT DO NOTHING
    """
)

FREE = text(
    """
    UPDATE rail_slots s SET holder = NULL FROM provider_accounts a
    WHERE s.provider_account_id = :account AND s.holder = :holder AND a.id = s.provider_account_id
    RETURNING a.refused_in_row
    """
)
