"""Keys of machine clients."""

from typing import Any
from uuid import UUID

from pettycash.models.access import ApiKey
from pettycash.services.access.identity import api_keys
from pettycash.services.access.identity.lists import API_KEYS
from pettycash.services.access.organisation import UnknownUnit
from pettycash.services.foundation import security_log
from pettycash.services.foundation.uow import Uow
from pettycash.web.operations import list_of, one_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import auth as shapes

UUID_EXAMPLE = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0a01"

EXAMPLE = {
    "id": UUID_EXAMPLE,
    "name": "expense app",
    "prefix": "pc_key_5f1d0c9a2b3e",
    "scopes": ["raise", "read"],
    "expires_at": "2027-06-30T00:00:00+00:00",
    "created_at": "2026-11-20T06:00:00+00:00",
    "created_by": UUID_EXAMPLE,
    "confirmed_by": None,
    "confirmed_at": None,
    "branch_id": None,
    "department_id": None,
    "revoked_at": None,
    "revoked_by": None,
    "last_used_at": None,
}

list_all = list_of(
    "api_keys.list",
    API_KEYS,
    "List the company's API keys, revoked ones included, the newest first.",
    answers=shapes.ApiKeySchema,
    example=EXAMPLE,
)

get = one_of(
    "api_keys.get",
    API_KEYS,
    api_keys.KeyNotFound,
    "Read an API key, without its secret.",
    answers=shapes.ApiKeySchema,
    example=EXAMPLE,
)


@operation(
    "api_keys.create",
    takes=shapes.NewApiKeySchema,
    given={
        "name": "expense app",
        "scopes": ["raise", "read"],
        "expires_at": "2027-06-30T00:00:00Z",
    },
    key="secret",
    step_up=True,
    status=201,
    answers=shapes.MadeApiKeySchema,
    example={**EXAMPLE, "key": "pc_key_5f1d0c9a2b3e_…", "change_id": UUID_EXAMPLE},
)
@refuses(
    api_keys.KeyNameTaken,
    api_keys.LifeTooLong,
    api_keys.ScopeUnknown,
    api_keys.TwoUnits,
    UnknownUnit,
)
def create(uow: Uow, /, **facts: Any) -> ApiKey:
    """Make an API key. The answer shows it this once; nobody can show it again.

    It opens nothing until a second administrator or an operator confirms `change_id` at
    `changes/`; the cfo does where there is neither.
    """
    made, text, change = api_keys.create(uow, **facts)
    security_log.record(
        uow.session,
        event="api_key.created",
        outcome="ok",
        detail={"api_key_id": str(made.id), "scopes": made.scopes},
        actor=uow.actor,
    )
    made.key, made.change_id = text, change.id  # type: ignore[attr-defined] # no columns
    return made


@operation("api_keys.revoke", status=204)
@refuses(api_keys.KeyNotFound)
def revoke(uow: Uow, *, api_key_id: UUID) -> None:
    """Revoke an API key at once; its row stays."""
    api_keys.revoke(uow, api_key_id=api_key_id)
    security_log.record(
        uow.session,
        event="api_key.revoked",
        outcome="ok",
        detail={"api_key_id": str(api_key_id)},
        actor=uow.actor,
    )
