"""Approval thresholds: a tier serves `min_amount < amount ≤ max_amount` (domain.md §4)."""

from pettycash.services.approvals.thresholds.coverage import Coverage, Gap, coverage, gaps
from pettycash.services.approvals.thresholds.finding import (
    NoThreshold,
    ThresholdNotFound,
    find,
    get,
    live,
    require,
    serving,
    top_tier,
)
from pettycash.services.approvals.thresholds.publishing import (
    PRIORITY_DEFAULT,
    STEPS_MAX,
    Draft,
    InvalidThreshold,
    RoleCannotApprove,
    ThresholdEnded,
    ThresholdsOverlap,
    ThresholdsOverlapNow,
    draft,
    retire,
)

__all__ = [
    "PRIORITY_DEFAULT",
    "STEPS_MAX",
    "Coverage",
    "Draft",
    "Gap",
    "InvalidThreshold",
    "NoThreshold",
    "RoleCannotApprove",
    "ThresholdEnded",
    "ThresholdNotFound",
    "ThresholdsOverlap",
    "ThresholdsOverlapNow",
    "coverage",
    "draft",
    "find",
    "gaps",
    "get",
    "live",
    "require",
    "retire",
    "serving",
    "top_tier",
]
