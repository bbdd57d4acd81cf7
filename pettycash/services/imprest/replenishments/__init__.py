"""Replenishments: asked for below the reorder level, approved, funded, received (domain.md §5)."""

from pettycash.services.imprest.replenishments.creation import (
    AlreadyOpen,
    InvalidReplenishment,
    NothingToReplenish,
    active_funds,
    consider,
    consider_store,
    raise_by_hand,
    sweep,
)
from pettycash.services.imprest.replenishments.deciding import (
    DrawerTooSmall,
    JudgedIt,
    OwnReplenishment,
    RejectionNeedsReason,
    ReplenishmentNeedsCfo,
    approve,
    cancel,
    reject,
)
from pettycash.services.imprest.replenishments.funding import (
    BankReferenceUsed,
    InvalidEvidence,
    check_code,
    fund,
    request_code,
    subject,
    unlock,
)
from pettycash.services.imprest.replenishments.receiving import (
    MoreThanFunded,
    NothingMissing,
    NotTheKeeper,
    receive,
    write_off_rest,
)
from pettycash.services.imprest.replenishments.scope import (
    ReplenishmentNotFound,
    get,
    locked,
    visible,
)

__all__ = [
    "AlreadyOpen",
    "BankReferenceUsed",
    "DrawerTooSmall",
    "InvalidEvidence",
    "InvalidReplenishment",
    "JudgedIt",
    "MoreThanFunded",
    "NotTheKeeper",
    "NothingMissing",
    "NothingToReplenish",
    "OwnReplenishment",
    "RejectionNeedsReason",
    "ReplenishmentNeedsCfo",
    "ReplenishmentNotFound",
    "active_funds",
    "approve",
    "cancel",
    "check_code",
    "consider",
    "consider_store",
    "fund",
    "get",
    "locked",
    "raise_by_hand",
    "receive",
    "reject",
    "request_code",
    "subject",
    "sweep",
    "unlock",
    "visible",
    "write_off_rest",
]
