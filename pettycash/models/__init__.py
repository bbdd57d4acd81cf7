"""Every table, so that one import completes the metadata."""

from pettycash.models import (
    attempts,
    funds,
    identity,
    imprest,
    ledger,
    organisation,
    payments,
    people,
    platform,
    reconciliation,
    releases,
    requisitions,
    workflow,
)
from pettycash.models.base import Base

__all__ = [
    "Base",
    "attempts",
    "funds",
    "identity",
    "imprest",
    "ledger",
    "organisation",
    "payments",
    "people",
    "platform",
    "reconciliation",
    "releases",
    "requisitions",
    "workflow",
]
