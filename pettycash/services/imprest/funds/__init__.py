"""Funds, the stores that their money lies in, and who keeps them (domain.md §5).

A fund is an authority to hold money; each store is one ledger account. A fund's balance is the sum
of its stores, its available money the balance less what is held.
"""

from pettycash.services.foundation.visibility import FundNotFound
from pettycash.services.imprest.funds.balances import (
    FundBalance,
    StoreBalance,
    available,
    balance,
    settle_floors,
    store_account,
    sums,
    watch_floors,
)
from pettycash.services.imprest.funds.custody import InvalidCustodian, is_keeper
from pettycash.services.imprest.funds.keeping import (
    FundInUse,
    InvalidFund,
    check_limits,
    create,
    locked,
    update,
)
from pettycash.services.imprest.funds.opening import propose_opening
from pettycash.services.imprest.funds.stores import (
    StoreNotFound,
    create_store,
    locked_store,
    store,
    update_store,
)

__all__ = [
    "FundBalance",
    "FundInUse",
    "FundNotFound",
    "InvalidCustodian",
    "InvalidFund",
    "StoreBalance",
    "StoreNotFound",
    "available",
    "balance",
    "check_limits",
    "create",
    "create_store",
    "is_keeper",
    "locked",
    "locked_store",
    "propose_opening",
    "settle_floors",
    "store",
    "store_account",
    "sums",
    "update",
    "update_store",
    "watch_floors",
]
