"""Provider accounts: limits, kill switch, and credentials that only go in."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pettycash.models.imprest import ProviderAccount
from pettycash.services.foundation.listings import detailed
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import provider_accounts
from pettycash.services.payments.provider_accounts import PROVIDER_ACCOUNTS
from pettycash.web.etags import Expected
from pettycash.web.operations import list_of, operation
from pettycash.web.pages import detail_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas import provider_accounts as shapes

list_all = list_of(
    "provider_accounts.list",
    PROVIDER_ACCOUNTS,
    "List provider accounts by code.",
    answers=shapes.ProviderAccountSchema,
    example=shapes.EXAMPLE,
)


@operation(
    "provider_accounts.create",
    takes=shapes.NewProviderAccountSchema,
    given=shapes.EXAMPLE_NEW,
    step_up=True,
    status=201,
    answers=shapes.ProviderAccountSchema,
    example=shapes.EXAMPLE,
    etag=True,
)
@refuses(provider_accounts.InvalidProviderAccount, provider_accounts.ProviderAccountExists)
def create(uow: Uow, /, **facts: Any) -> dict[str, Any]:
    """Open an account with a rail."""
    return _shown(uow, provider_accounts.create(uow, **facts))


@operation(
    "provider_accounts.get",
    answers=detail_of(shapes.ProviderAccountSchema),
    example={**shapes.EXAMPLE, "people": {}},
    etag=True,
)
@refuses(provider_accounts.ProviderAccountNotFound)
def get(uow: Uow, *, account_id: UUID) -> dict[str, Any]:
    """Read an account, without its credentials."""
    shown = _shown(uow, provider_accounts.get(uow.session, account_id=account_id))
    return detailed(uow, PROVIDER_ACCOUNTS, shown)


@operation(
    "provider_accounts.update",
    takes=shapes.ProviderAccountChangeSchema,
    given={"is_active": False},
    key="optional",
    step_up=True,
    answers=shapes.ProviderAccountSchema,
    example={**shapes.EXAMPLE, "is_active": False},
    etag=True,
)
@refuses(provider_accounts.InvalidProviderAccount, provider_accounts.ProviderAccountNotFound)
def update(
    uow: Uow, *, account_id: UUID, changes: Mapping[str, Any], expected: Expected
) -> dict[str, Any]:
    """Change an account, replace its credentials, or switch it off and on."""
    account = provider_accounts.get(uow.session, account_id=account_id, lock=True)
    expected.check(account.version)
    return _shown(uow, provider_accounts.change(uow, account=account, changes=changes))


def _shown(uow: Uow, account: ProviderAccount) -> dict[str, Any]:
    uow.session.flush()  # some of it is the database's
    uow.session.refresh(account)
    (shown,) = provider_accounts.to_response(uow, [account])
    return shown
