"""Reading what a simulator says that it has moved."""

from decimal import Decimal
from typing import Any

import requests

from pettycash.services.reconciliation.invariants.movements import Movement

PAGE_SIZE = 1_000
TIMEOUT_SECONDS = 10.0


class LedgerUnreadable(Exception):
    """The simulator does not answer, or not with its ledger."""


def movements(url: str) -> list[Movement]:
    """All of a simulator's ledger, page by page, in the order in which money moved.

    Raises:
        LedgerUnreadable: see the class.
    """
    found: list[Movement] = []
    after = 0
    while True:
        page = _page(url, after)
        found.extend(
            Movement(
                originator_reference=each["originator_reference"],
                provider_reference=each["provider_reference"],
                amount=Decimal(each["amount"]),
                destination=each["phone"],
            )
            for each in page
        )
        if len(page) < PAGE_SIZE:
            return found
        after = page[-1]["id"]


def _page(url: str, after: int) -> list[dict[str, Any]]:
    try:
        answer = requests.get(
            f"{url.rstrip('/')}/_sim/ledger",
            params={"after": after, "limit": PAGE_SIZE},
            timeout=TIMEOUT_SECONDS,
        )
        answer.raise_for_status()
        page: list[dict[str, Any]] = answer.json()["movements"]
    except (requests.RequestException, ValueError, KeyError) as error:
        raise LedgerUnreadable(f"{url} does not show its ledger: {type(error).__name__}") from error
    return page
