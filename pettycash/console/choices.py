"""Choices of forms: people, units, stores and accounts of the company, by name."""

from collections.abc import Callable
from typing import Any

from flask import g

from pettycash.console.forms import Choices
from pettycash.console.reading import AnyOperation, reaches, read
from pettycash.services.foundation.listings import PAGE_SIZE_MAX
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations.access import organisation, users
from pettycash.web.operations.imprest import funds
from pettycash.web.operations.payments import provider_accounts


def of(operation: AnyOperation, *, name: str = "name", **filters: Any) -> Callable[[Uow], Choices]:
    """The rows of a list, as many as it gives at once."""

    def choices(uow: Uow) -> Choices:
        if not reaches(operation):
            return []
        found = read(uow, operation, limit=PAGE_SIZE_MAX, **filters)
        return [(each["id"], each[name]) for each in found["items"]]

    return choices


def people(uow: Uow) -> Choices:
    """Those who work here, oneself first."""
    me = (str(g.user.id), f"{g.user.display_name} (you)")
    return [me, *(each for each in of_people(uow) if each[0] != me[0])]


def yes_or_no(_uow: Uow) -> Choices:
    """Of a fact that is true or not, or left as it is."""
    return [("1", "Yes"), ("0", "No")]


of_people = of(users.list_all, name="display_name", is_active=True)
UNITS = {kind.path: kind for kind in organisation.KINDS}
regions, branches, departments, cost_centers = (
    of(UNITS[path].list_all, is_active=True)
    for path in ("regions", "branches", "departments", "cost-centers")
)
positions = of(UNITS["positions"].list_all, name="title", is_active=True)
stores = of(funds.list_all_stores, is_active=True)
funds_by_code = of(funds.list_all, name="code")
accounts = of(provider_accounts.list_all)
