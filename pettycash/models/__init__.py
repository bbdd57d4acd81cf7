"""Every table, so that one import completes the metadata."""

from pettycash.models import (
    access,
    approvals,
    imprest,
    ledger,
    notices,
    operations,
    payments,
    reconciliation,
    releases,
    reports,
    requisitions,
)
from pettycash.models.base import Base

__all__ = [
    "Base",
    "access",
    "approvals",
    "imprest",
    "ledger",
    "notices",
    "operations",
    "payments",
    "reconciliation",
    "releases",
    "reports",
    "requisitions",
]
