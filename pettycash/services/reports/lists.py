"""Lists that a run may take out, by the operation that reads them."""

from collections.abc import Mapping

from pettycash.services.access.identity.lists import SECURITY_EVENTS
from pettycash.services.access.people_lists import ROLE_ASSIGNMENTS, USERS
from pettycash.services.foundation.listings import Listing
from pettycash.services.imprest.replenishments.lists import REPLENISHMENTS
from pettycash.services.imprest.variance_lists import VARIANCES
from pettycash.services.ledger.fund_statements import LEDGER
from pettycash.services.ledger.journal import JOURNAL
from pettycash.services.operations.case_lists import CASES
from pettycash.services.operations.change_lists import CHANGES
from pettycash.services.operations.outbox_lists import OUTBOX_MESSAGES
from pettycash.services.payments.callback_lists import CALLBACKS
from pettycash.services.payments.lists import EXECUTIONS, PAYMENTS, TRANSACTIONS
from pettycash.services.requisitions.reading import REQUISITIONS

LISTS: Mapping[str, Listing] = {
    each.name: each
    for each in (
        *(CALLBACKS, CASES, CHANGES, EXECUTIONS, JOURNAL, LEDGER, OUTBOX_MESSAGES, PAYMENTS),
        *(REPLENISHMENTS, REQUISITIONS, ROLE_ASSIGNMENTS, SECURITY_EVENTS, USERS, VARIANCES),
    )
} | {"gateway_exchanges.list": TRANSACTIONS}
"""Those that grow; any other list is made at once."""
