"""The algorithm of resolution: pure and deterministic, it sees only what it is given.

Rules and their order: domain.md §4, "Resolution", points 2 to 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from pettycash.models.access import Role
from pettycash.runtime import errors

RANKS: tuple[Role, ...] = (
    Role.DEPARTMENT_HEAD,
    Role.BRANCH_MANAGER,
    Role.REGIONAL_MANAGER,
    Role.GROUP_FINANCE_MANAGER,
    Role.CFO,
    Role.CEO,
)
"""Roles that approve, rising. A step escalates to the right, never to the left."""

ESCALATION_APPROVER = "escalation_approver"
"""The role of a step that the company's escalation approver takes."""

TREASURY_REQUESTER = "treasury_requester"
"""The override that applies where the requester works in treasury."""

_UNIT_OF: Mapping[Role, str] = {
    Role.DEPARTMENT_HEAD: "department_id",
    Role.BRANCH_MANAGER: "branch_id",
    Role.REGIONAL_MANAGER: "region_id",
}


class NoApprover(errors.RuleViolation):
    """No person may approve a step of the chain, not even the company's escalation approver."""

    code = "workflow.no_approver"
    is_logged = True


class MissingScope(errors.RuleViolation):
    """It must name the unit to which a role of its approval chain belongs."""

    code = "workflow.missing_scope"
    is_logged = True


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The facts of a threshold that resolution needs."""

    tier: int
    roles_sequence: Sequence[str]
    requires_cfo: bool = False


@dataclass(frozen=True, kw_only=True)
class OwnUnit:
    """The requester's own unit, and who approves for it."""

    role: Role
    department_id: UUID | None = None
    branch_id: UUID | None = None
    region_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class ApprovalSubject:
    """The subject of an approval: its requester and its units."""

    requester_id: UUID
    barred: frozenset[UUID] = frozenset()
    """People with another duty about it: they get the money, made the key, or pay it."""
    department_id: UUID | None = None
    branch_id: UUID | None = None
    region_id: UUID | None = None
    own_first: OwnUnit | None = None
    """The unit whose approver comes first, where the requester chose another origin."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A live role of an active person; `scope_id` is null for roles of the whole company."""

    user_id: UUID
    role: Role
    scope_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class People:
    """A snapshot of who could decide, and how much already waits for each of them."""

    holders: Sequence[Holder]
    open_approvals: Mapping[UUID, int] = field(default_factory=dict)
    escalation_approver_id: UUID | None = None
    """Null where the company named none, or the one it named is not active."""


@dataclass(frozen=True, kw_only=True)
class ChainStep:
    """One place in the chain and the person who takes it."""

    role: str
    """The rank that decides; `escalation_approver` where the company's own one stands in."""
    original_role: Role
    user_id: UUID
    escalation_reason: str | None = None
    scope_id: UUID | None = None
    """The unit whose approver it is, where that is the requester's and not the subject's."""

    @property
    def auto_escalated(self) -> bool:
        """Whether somebody else than the policy named takes the step."""
        return self.escalation_reason is not None


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The steps in order; what the policy named and was left out; the rule that replaced it."""

    steps: tuple[ChainStep, ...]
    skipped_roles: tuple[str, ...] = ()
    override: str | None = None


def resolve(policy: Policy, subject: ApprovalSubject, people: People) -> Chain:
    """Find the chain: same input, same chain; no step is ever dropped.

    Raises:
        MissingScope: a role of the sequence is scoped to a unit that the subject lacks.
        NoApprover: a step has no candidate at its own or any higher rank and the escalation
            approver is missing, already in the chain, or a party to it.
    """
    skipped: tuple[str, ...] = ()
    override = None
    if any(
        holder.role is Role.TREASURY and holder.user_id == subject.requester_id
        for holder in people.holders
    ):
        override = TREASURY_REQUESTER
        roles = list(_treasury_sequence(policy.tier))
    else:
        roles, skipped = _approving(policy.roles_sequence)
    if policy.requires_cfo:
        roles = _with_cfo(roles)
    if not roles:
        raise NoApprover("The threshold names no role that may approve.")

    steps = resolve_steps(roles, policy=policy, subject=subject, people=people)
    return Chain(steps=steps, skipped_roles=skipped, override=override)


def manager(own: OwnUnit, *, user_id: UUID, people: People) -> ChainStep:
    """Find who approves first for a person's own unit: their manager.

    Raises:
        NoApprover: nobody does, the escalation approver included.
    """
    return _own_step(
        own,
        Policy(tier=1, roles_sequence=()),
        ApprovalSubject(requester_id=user_id),
        people=people,
        taken={user_id},
    )


def resolve_steps(
    roles: Sequence[Role], *, policy: Policy, subject: ApprovalSubject, people: People
) -> tuple[ChainStep, ...]:
    """Find somebody else for each role, as it stands: no rule replaces the sequence any more.

    Raises:
        MissingScope, NoApprover: see `resolve`.
    """
    taken = {subject.requester_id, *subject.barred}
    steps = []
    if subject.own_first is not None:
        first = _own_step(subject.own_first, policy, subject, people=people, taken=taken)
        taken.add(first.user_id)
        steps.append(first)
        roles = [role for role in roles if not _is_own(role, subject.own_first, subject)]
    for role in roles:
        step = _step(role, policy=policy, subject=subject, people=people, taken=taken)
        taken.add(step.user_id)
        steps.append(step)
    return tuple(steps)


def _own_step(
    own: OwnUnit, policy: Policy, subject: ApprovalSubject, *, people: People, taken: set[UUID]
) -> ChainStep:
    """The step of the requester's own unit, which comes before all others."""
    own_units = replace(
        subject,
        department_id=own.department_id,
        branch_id=own.branch_id,
        region_id=own.region_id,
    )
    step = _step(
        own.role,
        policy=replace(policy, requires_cfo=False),
        subject=own_units,
        people=people,
        taken=taken,
    )
    unit = None if step.role == ESCALATION_APPROVER else _UNIT_OF.get(Role(step.role))
    return replace(step, scope_id=getattr(own_units, unit) if unit is not None else None)


def _is_own(role: Role, own: OwnUnit, subject: ApprovalSubject) -> bool:
    """Whether the sequence names the very step that came first already."""
    unit = _UNIT_OF.get(role)
    return role is own.role and (unit is None or getattr(own, unit) == getattr(subject, unit))


def _treasury_sequence(tier: int) -> tuple[Role, ...]:
    """The sequence where treasury asks for money, by the tier's number."""
    if tier <= 1:
        return (Role.DEPARTMENT_HEAD, Role.GROUP_FINANCE_MANAGER)
    if tier <= 3:
        return (Role.GROUP_FINANCE_MANAGER, Role.CFO)
    return (Role.CFO, Role.CEO)


def _approving(sequence: Sequence[str]) -> tuple[list[Role], tuple[str, ...]]:
    """The roles that may approve, and those that an imported policy names and that may not."""
    roles = []
    skipped = []
    for name in sequence:
        role = next((rank for rank in RANKS if rank.value == name.strip().lower()), None)
        if role is None:
            skipped.append(name)
        else:
            roles.append(role)
    return roles, tuple(skipped)


def _with_cfo(roles: Sequence[Role]) -> list[Role]:
    """Put the CFO before the CEO, or last; a sequence that names the CFO keeps its own place."""
    if Role.CFO in roles:
        return list(roles)
    at = roles.index(Role.CEO) if Role.CEO in roles else len(roles)
    return [*roles[:at], Role.CFO, *roles[at:]]


def _step(
    role: Role, *, policy: Policy, subject: ApprovalSubject, people: People, taken: set[UUID]
) -> ChainStep:
    unit = _UNIT_OF.get(role)
    if unit is not None and getattr(subject, unit) is None:
        raise MissingScope(
            f"The step {role} needs its {unit}.",
            errors={unit: [f"A {role} has to approve, so it can't be empty."]},
        )
    chosen = _least_loaded(role, subject=subject, people=people, taken=taken)
    if chosen is not None:
        return ChainStep(role=role.value, original_role=role, user_id=chosen)

    cfo_is_required = role is Role.CFO and policy.requires_cfo
    return next_above(
        role, subject=subject, people=people, taken=taken, cfo_is_required=cfo_is_required
    )


def next_above(
    role: Role,
    *,
    subject: ApprovalSubject,
    people: People,
    taken: set[UUID],
    cfo_is_required: bool = False,
) -> ChainStep:
    """Find the person of a higher rank for a step that nobody of its own rank takes.

    Raises:
        NoApprover: nobody of a higher rank does, and the escalation approver doesn't either.
    """
    if not cfo_is_required:
        for higher in RANKS[RANKS.index(role) + 1 :]:
            chosen = _least_loaded(higher, subject=subject, people=people, taken=taken)
            if chosen is not None:
                return ChainStep(
                    role=higher.value,
                    original_role=role,
                    user_id=chosen,
                    escalation_reason=f"No eligible {role}: escalated to {higher}.",
                )
    stand_in = people.escalation_approver_id
    if stand_in is None or stand_in in taken:
        above = "" if cfo_is_required else " or of a higher rank"
        who = "none is set" if stand_in is None else "is a party to it or in the chain already"
        raise NoApprover(f"No eligible {role}{above}, and of the escalation approver: {who}.")
    reason = f"No eligible {role}" if cfo_is_required else f"No eligible {role} or higher rank"
    return ChainStep(
        role=ESCALATION_APPROVER,
        original_role=role,
        user_id=stand_in,
        escalation_reason=f"{reason}: escalated to the company's escalation approver.",
    )


def _least_loaded(
    role: Role, *, subject: ApprovalSubject, people: People, taken: set[UUID]
) -> UUID | None:
    """The candidate with the fewest open approvals, then the lowest id.

    A role that belongs to a unit has no candidate where the subject names none: nobody from
    elsewhere stands in.
    """
    unit = _UNIT_OF.get(role)
    scope_id = getattr(subject, unit) if unit is not None else None
    if unit is not None and scope_id is None:
        return None
    candidates = {
        holder.user_id
        for holder in people.holders
        if holder.role is role and holder.scope_id == scope_id and holder.user_id not in taken
    }
    return min(
        candidates,
        key=lambda user_id: (people.open_approvals.get(user_id, 0), user_id),
        default=None,
    )
