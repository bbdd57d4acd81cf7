"""Whether a replenishment is ordinary, and who approves it where it is not (control.md §4).

What people judged, an expense above its approval, and variances above the company's materiality
since the last replenishment that filled the float make the next one the cfo's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.models.access import Role, RoleAssignment
from pettycash.models.imprest import Fund, Replenishment
from pettycash.services.foundation import company_settings
from pettycash.services.foundation.live_roles import live_assignments

JUDGED = "two people judged what became of a payment"
ABOVE_APPROVAL = "more was paid than was approved"
VARIANCES = "the variances of a month are above the company's materiality"


@dataclass(frozen=True, kw_only=True)
class Story:
    """The story of a fund's money since the last replenishment that filled the float."""

    reasons: tuple[str, ...]
    """Why it is not ordinary; none: what happened is."""
    judges: frozenset[UUID]
    """The judges of its vouchers neither approve, fund nor receive it."""


SINCE = """
WITH own AS (SELECT id FROM stores WHERE fund_id = :fund_id),
since AS (
    SELECT coalesce(max(decided_at), '-infinity'::timestamptz) AS at FROM replenishments
    WHERE fund_id = :fund_id AND id <> :replenishment_id AND status IN ('funded', 'received')
        AND decided_at < :until
        -- One that did not fill the float leaves vouchers to the next.
        AND approved_amount >= (identity ->> 'float')::numeric - (identity ->> 'stores')::numeric
            + (identity ->> 'held')::numeric - (identity ->> 'in_transit')::numeric
            - (identity ->> 'advances_outstanding')::numeric
)
"""

JUDGES = text(
    f"""{SINCE}
SELECT DISTINCT j.user_id
FROM cases c JOIN payments p ON c.object_type = 'payment' AND p.id = c.object_id
    JOIN own ON own.id = p.store_id, since,
    LATERAL (VALUES (c.proposed_by), (c.decided_by)) AS j (user_id)
WHERE c.status = 'resolved' AND c.decided_by IS NOT NULL AND c.proposed_by IS NOT NULL
    AND c.proposal ->> 'ending' IN ('paid', 'not_paid', 'returned')
    AND c.decided_at > since.at AND c.decided_at <= :until
"""  # noqa: S608 - a constant of ours
)

SURPRISES = text(
    f"""{SINCE}
, moved AS (
    SELECT abs(v.variance_amount) AS amount, v.decided_at,
        date_trunc('month', v.decided_at AT TIME ZONE :timezone) AS month
    FROM variance_adjustments v JOIN own ON own.id = v.store_id WHERE v.status = 'approved'
)
SELECT EXISTS (
    SELECT FROM payments p JOIN own ON own.id = p.store_id
        JOIN requisitions r ON r.id = p.requisition_id, since
    WHERE p.status = 'success' AND p.status_changed_at > since.at
        AND p.status_changed_at <= :until
        AND (p.paid_amount > p.amount OR r.approved_amount < (
            SELECT sum(o.paid_amount) FROM payments o
            WHERE o.requisition_id = r.id AND o.status = 'success'))
) AS above_approval,
EXISTS (
    SELECT FROM moved, since GROUP BY month, since.at
    HAVING sum(amount) > :materiality
        AND bool_or(decided_at > since.at AND decided_at <= :until)
) AS variances
"""  # noqa: S608 - a constant of ours
)


def story(session: Session, found: Replenishment, *, now: datetime) -> Story:
    """The story that a replenishment refills ends with its approval, or else now."""
    session.flush()  # plain SQL below
    about: Mapping[str, Any] = {
        "fund_id": found.fund_id,
        "replenishment_id": found.id,
        "until": found.approved_at or now,
    }
    judges = frozenset(session.execute(JUDGES, about).scalars())
    policy = company_settings.current(session)
    surprises = session.execute(
        SURPRISES,
        {
            **about,
            "timezone": policy.timezone,
            "materiality": policy.materiality(found.currency),
        },
    ).one()
    reasons = (
        *([JUDGED] if judges else []),
        *([ABOVE_APPROVAL] if surprises.above_approval else []),
        *([VARIANCES] if surprises.variances else []),
    )
    return Story(reasons=reasons, judges=judges)


def approving_role(
    session: Session, found: Replenishment, *, judges: frozenset[UUID], now: datetime
) -> Role | None:
    """The cfo approves what is not ordinary, the ceo where no cfo may, and where no ceo may either
    the company's escalation approver (None).

    Nobody may who asked for it, keeps the fund or judged one of its vouchers.
    """
    fund = session.get_one(Fund, found.fund_id)
    out = {found.proposed_by, fund.custodian_id, fund.alternate_custodian_id, *judges}
    for role in (Role.CFO, Role.CEO):
        holders = session.execute(
            live_assignments(now).where(RoleAssignment.role == role)
        ).scalars()
        if {each.user_id for each in holders} - out:
            return role
    return None
