"""Duties about one sum of money, and those that one person never has together (control.md §1, §2).

The pairs stand here once: the tables that triggers join are a copy, which a test compares. A person
counts over all their logins and keys, and for every round, code and payment of the requisition.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.models.access import Role
from pettycash.runtime import db, errors


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


REMADE = "remade"
"""`override` of the trail's row that keeps whose payment somebody else has changed."""

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
"""Roles that nobody holds at overlapping times in one company; the database refuses it too."""

PHRASES: Final[Mapping[Duty, str]] = {
    D.REQUESTER: "raised or adopted it, or made the key that raised it",
    D.RECIPIENT: "get the money: you are its payee, or it goes to your phone or e-mail",
    D.APPROVER: "approved it",
    D.MAKER: "made or changed the payment",
    D.RELEASER: "released it, or asked for its code",
    D.JUDGE: "judged a case about it",
    D.RECORDER: "recorded the evidence",
    D.MATCHER: "matched it with its proof",
}
"""Acts of a person, to follow "You"."""


class NotSeparate(errors.KeptApart):
    """Requester, recipient, approvers, maker, releaser and judges must be different people."""

    code = "release.not_separate"


class ApprovalVoid(errors.Conflict):
    """An approver requested this money or gets it; another person must approve it first."""

    code = "approval.void"


Holders = Mapping[Duty, frozenset[UUID]]


def apart_from(duty: Duty) -> frozenset[Duty]:
    """The duties that a holder of this one must not have."""
    return frozenset(other for pair in PAIRS if duty in pair for other in pair if other is not duty)


def refusal(own: Duty, wanted: Duty) -> NotSeparate:
    """Why somebody with a duty can't take another one on."""
    return NotSeparate(f"You {PHRASES[own]}: a {own.value} is never its {wanted.value}.")


def holders(session: Session, *, requisition_id: UUID) -> Holders:
    """Everybody who has a duty about the money of a requisition and its payments."""
    session.flush()  # plain SQL reads what stands in the tables
    found: dict[Duty, set[UUID]] = {duty: set() for duty in Duty}
    for duty, user_id in session.execute(HOLDERS, {"requisition_id": requisition_id}):
        found[Duty(duty)].add(user_id)
    return {duty: frozenset(people) for duty, people in found.items()}


def others(known: Holders, duty: Duty) -> Mapping[UUID, Duty]:
    """Everybody who must not take a duty on, and why."""
    return {
        user_id: other
        for other in reversed(Duty)  # of several duties the first one is told
        if other in apart_from(duty)
        for user_id in known[other]
    }


def barred(session: Session, *, duty: Duty, requisition_id: UUID) -> frozenset[UUID]:
    """Everybody who must not take a duty about this money on."""
    return frozenset(others(holders(session, requisition_id=requisition_id), duty))


def check(session: Session, *, user_id: UUID, duty: Duty, requisition_id: UUID) -> None:
    """Refuse a person a duty that another one of theirs excludes.

    Raises:
        NotSeparate: its detail names the duty that they have.
    """
    own = others(holders(session, requisition_id=requisition_id), duty).get(user_id)
    if own is not None:
        raise refusal(own, duty)


def conflicted(session: Session, known: Holders, *, subject_id: UUID) -> frozenset[UUID]:
    """Approvers whose approval counts no more: it turned out that they ask for the money or get it.

    What was void already is not told again.
    """
    both = known[Duty.APPROVER] & (known[Duty.REQUESTER] | known[Duty.RECIPIENT])
    if not both:
        return both
    return both.intersection(session.execute(STANDING, {"subject_id": subject_id}).scalars())


def reached_at(session: Session, *, destination: str) -> frozenset[UUID]:
    """Members whose phone or e-mail a destination is now, or whom a payment to it has named."""
    return frozenset(session.execute(REACHED_AT, {"destination": destination}).scalars())


def incompatible(roles: Iterable[Role]) -> tuple[Role, Role] | None:
    """Two of these roles that one person never holds together, if there are such."""
    held = sorted(set(roles))
    for one in held:
        for other in held:
            if one < other and frozenset((one, other)) in INCOMPATIBLE_ROLES:
                return one, other
    return None


def check_recipients(session: Session, *, people: Collection[UUID], requisition_id: UUID) -> None:
    """Refuse a destination that reaches somebody whose duty excludes them as recipient.

    Raises:
        NotSeparate: its detail names that duty.
    """
    if not people:
        return
    known = holders(session, requisition_id=requisition_id)
    for other in Duty:
        if other in apart_from(Duty.RECIPIENT) and not known[other].isdisjoint(people):
            raise NotSeparate(
                f"The money would reach its {other.value}: that excludes them as its recipient."
            )


HOLDERS = text(
    "SELECT duty, user_id FROM duty_holders(CAST(:requisition_id AS uuid))"
).execution_options(**db.PREPARED)
"""The triggers ask the same function."""

STANDING = text(
    """
    SELECT d.user_id FROM decisions d
        JOIN approval_steps s ON s.id = d.step_id AND s.status = 'approved'
        JOIN approval_rounds o ON o.id = d.round_id
            AND o.status IN ('open', 'approved', 'handed_over')
    WHERE d.subject_id = :subject_id AND d.verdict IN ('approved', 'urgency_confirmed')
    """
).execution_options(**db.PREPARED)
"""Approvers whose approval counts."""

REACHED_AT = text(
    """
    WITH goes AS (SELECT ltrim(lower(CAST(:destination AS text)), '+') AS value)
    SELECT c.user_id FROM goes
        JOIN contacts c ON c.company_id = current_company() AND c.value = goes.value
        WHERE c.held_until IS NULL
    UNION SELECT n.payee_user_id FROM goes
        JOIN payments n ON n.company_id = current_company()
            AND n.destination IN (goes.value, '+' || goes.value) AND n.payee_user_id IS NOT NULL
    """
).execution_options(**db.PREPARED)
