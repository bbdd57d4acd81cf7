"""Choices of forms and filters that are rows of the company; none for whom may not read them."""

from collections.abc import Callable

from flask import g

from pettycash.console.forms import Choices
from pettycash.console.reading import AnyOperation, listed, reaches, read
from pettycash.services.foundation import permissions
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations.access import organisation, users
from pettycash.web.operations.imprest import funds as fund_operations
from pettycash.web.operations.ledger import books
from pettycash.web.operations.payments import provider_accounts
from pettycash.web.operations.requisitions import requisitions

MOST = 200
"""As many as a page of a list has at most."""


def funds(uow: Uow) -> Choices:
    """The funds in scope."""
    return _named(uow, fund_operations.list_all, "code", "name", is_active=True)


def stores(uow: Uow) -> Choices:
    """The stores of those funds."""
    return _named(uow, fund_operations.list_all_stores, "code", "name", is_active=True)


def requisitions_in_payment(uow: Uow) -> Choices:
    """The requisitions that may have something left to pay."""
    if not reaches(requisitions.list_all):
        return []
    rows = listed(uow, requisitions.list_all, status=["in_payment"], limit=str(MOST))["items"]
    return [(str(each["id"]), f"{each['number']} · {each['purpose']}") for each in rows]


def accounts(uow: Uow) -> Choices:
    """The ledger's accounts."""
    return _named(uow, books.list_accounts, "code", "name")


def rail_accounts(uow: Uow) -> Choices:
    """The company's accounts with rails."""
    return _named(uow, provider_accounts.list_all, "name", "method")


def branches(uow: Uow) -> Choices:
    """The company's branches."""
    kind = next(each for each in organisation.KINDS if each.path == "branches")
    return _named(uow, kind.list_all, "code", "name", is_active=True)


def people_who(operation: AnyOperation) -> Callable[[Uow], Choices]:
    """The people whose roles reach an operation."""

    def choices(uow: Uow) -> Choices:
        roles = sorted(permissions.PERMISSIONS[operation.name])
        return _named(uow, users.list_all, "display_name", role=roles, is_active=True)

    return choices


def _named(uow: Uow, operation: AnyOperation, *names: str, **filters: object) -> Choices:
    if not reaches(operation):
        return []
    known: dict[str, Choices] = g.setdefault("choices", {})  # a page asks more than once
    about = f"{operation.name} {sorted(filters.items())}"
    if about not in known:
        rows = read(uow, operation, limit=MOST, **filters)["items"]
        known[about] = [
            (str(each["id"]), " · ".join(str(each[name]) for name in names)) for each in rows
        ]
    return known[about]
