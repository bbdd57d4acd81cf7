"""Duties about one sum of money, and those that one person never has together (control.md §1, §2).

The pairs stand here once; triggers, reads and documents follow from them. A person counts over all
their logins, keys and delegations, and for every round, code and payment of the requisition.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash import db, errors
from pettycash.models.people import Role


class Duty(StrEnum):
    """A part that a person can play in the story of one sum of money."""

    REQUESTER = "requester"
    RECIPIENT = "recipient"
    APPROVER = "approver"
    MAKER = "maker"
    RELEASER = "releaser"
    JUDGE = "judge"
    RECORDER = "recorder"
    MATCHER = "matcher"


D = Duty
PAIRS: Final = frozenset(
    frozenset(pair)
    for pair in (
        *((own, other) for own in (D.REQUESTER, D.RECIPIENT)
          for other in (D.APPROVER, D.MAKER, D.RELEASER, D.JUDGE, D.RECORDER)),
        (D.APPROVER, D.MAKER),
        (D.APPROVER, D.RELEASER),
        (D.MAKER, D.RELEASER),
        (D.MAKER, D.JUDGE),
        (D.RELEASER, D.JUDGE),
        (D.RELEASER, D.MATCHER),
    )
)  # fmt: skip
"""Duties that are never one person's, two at a time."""

APPROVING_ROLES: Final = frozenset(
    {
        Role.DEPARTMENT_HEAD,
        Role.BRANCH_MANAGER,
        Role.REGIONAL_MANAGER,
        Role.GROUP_FINANCE_MANAGER,
        Role.CFO,
        Role.CEO,
    }
)

INCOMPATIBLE_ROLES: Final = frozenset(
    frozenset(pair)
    for pair in (
        *((Role.ADMIN, each) for each in {Role.TREASURY, Role.CUSTODIAN, *APPROVING_ROLES}),
        *((Role.AUDITOR, each) for each in Role if each not in (Role.AUDITOR, Role.STAFF)),
        *((Role.TREASURY, each)
          for each in (Role.CUSTODIAN, Role.CFO, Role.GROUP_FINANCE_MANAGER, Role.CEO)),
        *((Role.CUSTODIAN, each) for each in (Role.CFO, Role.GROUP_FINANCE_MANAGER)),
        *((Role.OPERATOR, each) for each in (Role.TREASURY, Role.CUSTODIAN, Role.CFO)),
    )
)  # fmt: skip
"""Roles that nobody holds at overlapping times in one company."""

PHRASES: Final[Mapping[Duty, str]] = {
    D.REQUESTER: "raised it, or created the key that raised it",
    D.RECIPIENT: "get the money",
    D.APPROVER: "approved it",
    D.MAKER: "made or changed the payment",
    D.RELEASER: "released it, or asked for its code",
    D.JUDGE: "judged a case about it",
    D.RECORDER: "recorded the evidence",
    D.MATCHER: "matched it",
}
"""What the person did, after "You"."""


class NotSeparate(errors.NotAllowed):
    """Requester, recipient, approvers, maker, releaser and judges are different people."""

    code = "release.not_separate"


def apart_from(duty: Duty) -> frozenset[Duty]:
    """The duties that a holder of this one must not have."""
    return frozenset(other for pair in PAIRS if duty in pair for other in pair if other is not duty)


def holders(session: Session, *, requisition_id: UUID) -> Mapping[Duty, frozenset[UUID]]:
    """Everybody who has a duty about the money of a requisition and its payments."""
    found: dict[Duty, set[UUID]] = {duty: set() for duty in Duty}
    for duty, user_id in session.execute(HOLDERS, {"requisition_id": requisition_id}):
        found[Duty(duty)].add(user_id)
    return {duty: frozenset(people) for duty, people in found.items()}


def barred(session: Session, *, duty: Duty, requisition_id: UUID) -> frozenset[UUID]:
    """Everybody who must not take a duty about this money on."""
    known = holders(session, requisition_id=requisition_id)
    return frozenset().union(*(known[other] for other in apart_from(duty)))


def check(session: Session, *, user_id: UUID, duty: Duty, requisition_id: UUID) -> None:
    """Refuse a person a duty that another one of theirs excludes.

    Raises:
        NotSeparate: its detail names the duty that they have.
    """
    known = holders(session, requisition_id=requisition_id)
    for other in Duty:
        if other in apart_from(duty) and user_id in known[other]:
            raise NotSeparate(f"You {PHRASES[other]}: that excludes you as its {duty.value}.")


HOLDERS = text(
    """
    WITH r AS (
        SELECT id, requester_id, client_id, payee_user_id, destination
        FROM requisitions WHERE id = :requisition_id
    ), p AS (
        SELECT id, maker_id, payee_user_id, destination
        FROM payments WHERE requisition_id = :requisition_id
    ), goes AS (
        SELECT destination FROM r UNION SELECT destination FROM p
    )
    SELECT 'requester' AS duty, requester_id AS user_id FROM r
    UNION SELECT 'requester', k.created_by FROM r JOIN api_keys k ON k.id = r.client_id
    UNION SELECT 'recipient', payee_user_id FROM r WHERE payee_user_id IS NOT NULL
    UNION SELECT 'recipient', payee_user_id FROM p WHERE payee_user_id IS NOT NULL
    UNION SELECT 'recipient', m.user_id FROM goes
        JOIN memberships m ON m.phone IN (goes.destination, '+' || goes.destination)
    UNION SELECT 'recipient', m.user_id FROM goes
        JOIN users u ON lower(u.email) = goes.destination JOIN memberships m ON m.user_id = u.id
    UNION SELECT 'approver', d.user_id FROM decisions d
        WHERE d.requisition_id = :requisition_id AND d.verdict IN ('approved', 'urgency_confirmed')
    UNION SELECT 'maker', maker_id FROM p WHERE maker_id IS NOT NULL
    UNION SELECT 'releaser', e.executor_id FROM payment_executions e
        WHERE e.requisition_id = :requisition_id
    UNION SELECT 'releaser', c.executor_id FROM p
        JOIN release_challenges c ON c.payment_id = p.id
    UNION SELECT 'judge', j.user_id FROM p
        JOIN cases c ON c.object_type = 'payment' AND c.object_id = p.id
        CROSS JOIN LATERAL (VALUES (c.proposed_by), (c.resolved_by)) AS j (user_id)
        WHERE j.user_id IS NOT NULL AND c.proposal ->> 'ending' IN ('paid', 'not_paid', 'returned')
    UNION SELECT 'recorder', a.uploaded_by FROM p
        JOIN cases c ON c.object_type = 'payment' AND c.object_id = p.id
        JOIN attachments a ON a.case_id = c.id
    """
).execution_options(**db.PREPARED)
