"""The actor: a person (or a machine client on behalf of one) in exactly one company."""

from dataclasses import dataclass, field
from uuid import UUID

from pettycash.models.access import Role, ScopeKind

REPORT = "report"
"""The scope of a key that stands for itself and reads what an auditor reads."""


@dataclass(frozen=True)
class HeldRole:
    """A live role assignment."""

    role: Role
    scope_kind: ScopeKind
    scope_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Actor:
    """The acting person with what audit rows need to know about the request."""

    user_id: UUID
    company_id: UUID
    roles: tuple[HeldRole, ...] = ()
    session_id: UUID | None = None
    client_id: UUID | None = None
    """The API key, where a machine acts on behalf of the person."""
    client_scopes: frozenset[str] = frozenset()
    """Of permissions.CLIENT_SCOPES."""
    ip_address: str | None = None
    user_agent: str | None = None
    branch_id: UUID | None = None
    department_id: UUID | None = None
    region_id: UUID | None = None
    is_escalation_approver: bool = False
    """Whether the company named them: they decide what is escalated, perhaps without a role."""
    role_set: frozenset[Role] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "role_set", frozenset(held.role for held in self.roles))

    @property
    def raises_for_others(self) -> bool:
        """Whether a machine acts here for a person: it has its own rows, and not the person's."""
        return self.client_id is not None and REPORT not in self.client_scopes

    def has(self, *roles: Role) -> bool:
        """Whether any of these roles is held, whatever its scope."""
        return not self.role_set.isdisjoint(roles)

    def scope_ids(self, role: Role) -> frozenset[UUID]:
        """The departments, branches, regions or funds for which a role is held."""
        return frozenset(
            held.scope_id for held in self.roles if held.role is role and held.scope_id is not None
        )
