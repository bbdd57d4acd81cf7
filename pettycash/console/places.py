"""Where the things stand that an answer names by id: `payment_id` in evidence leads to its page."""

from collections.abc import Mapping
from typing import Any

from pettycash.console.reading import reaches

PLACES: Mapping[str, tuple[str, str]] = {
    "payment": ("payments.get", "/console/payments/{}/"),
    "requisition": ("requisitions.get", "/console/requisitions/{}/"),
    "replenishment": ("replenishments.get", "/console/replenishments/{}/"),
    "variance": ("variances.get", "/console/variances/{}/"),
    "fund": ("funds.get", "/console/funds/{}/"),
    "journal_entry": ("journal.get", "/console/journal/{}/"),
    "entry": ("journal.get", "/console/journal/{}/"),
    "ledger_account": ("accounts.get", "/console/accounts/{}/"),
    "account": ("accounts.get", "/console/accounts/{}/"),
    "reconciliation_run": ("reconciliation.get", "/console/reconciliation/{}/"),
    "run": ("reconciliation.get", "/console/reconciliation/{}/"),
    "provider_account": ("provider_accounts.get", "/console/admin/providers/{}/"),
    "callback": ("callbacks.get", "/console/callbacks/{}/"),
    "outbox_message": ("outbox.get", "/console/outbox/{}/"),
    "case": ("cases.get", "/console/cases/{}/"),
    "change": ("changes.get", "/console/changes/{}/"),
    "user": ("users.get", "/console/admin/users/{}/"),
    "role_assignment": ("role_assignments.get", "/console/admin/roles/{}/"),
    "api_key": ("api_keys.get", "/console/admin/keys/{}/"),
}


def place(kind: Any, key: Any) -> str:
    """The page of a thing, where there is one that this person reaches; else nothing."""
    name = str(kind).removesuffix("_id")
    if not key or name not in PLACES:
        return ""
    operation, path = PLACES[name]
    return path.format(key) if reaches(operation) else ""
