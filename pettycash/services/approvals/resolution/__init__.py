"""Resolution: the approvers of a subject, in order (domain.md §4, "Resolution").

`core` is the algorithm, a pure function of a snapshot; `loading` takes the snapshot.
"""

from pettycash.services.approvals.resolution.core import (
    ESCALATION_APPROVER,
    RANKS,
    TREASURY_REQUESTER,
    ApprovalSubject,
    Chain,
    ChainStep,
    Holder,
    MissingScope,
    NoApprover,
    OwnUnit,
    People,
    Policy,
    manager,
    next_above,
    resolve,
    resolve_steps,
)
from pettycash.services.approvals.resolution.loading import (
    escalation_approver,
    holds_step_role,
    load_people,
    own_unit,
)

__all__ = [
    "ESCALATION_APPROVER",
    "RANKS",
    "TREASURY_REQUESTER",
    "ApprovalSubject",
    "Chain",
    "ChainStep",
    "Holder",
    "MissingScope",
    "NoApprover",
    "OwnUnit",
    "People",
    "Policy",
    "escalation_approver",
    "holds_step_role",
    "load_people",
    "manager",
    "next_above",
    "own_unit",
    "resolve",
    "resolve_steps",
]
