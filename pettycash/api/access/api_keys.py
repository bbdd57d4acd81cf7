"""Keys of machine clients."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.models.access import ApiKey
from pettycash.runtime.db import transaction
from pettycash.services.access.identity import api_keys
from pettycash.services.access.identity.api_keys import (
    KeyNameTaken,
    KeyNotFound,
    LifeTooLong,
    ScopeUnknown,
    TwoUnits,
)
from pettycash.services.access.identity.lists import API_KEYS
from pettycash.services.access.organisation import UnknownUnit
from pettycash.services.foundation import security_log
from pettycash.services.foundation.listings import ListPage, page
from pettycash.web.admission import current_actor, operation
from pettycash.web.idempotency import idempotent
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas.auth import (
    ApiKeySchema,
    MadeApiKeySchema,
    NewApiKeySchema,
)

blp = Blueprint(
    "api_keys",
    __name__,
    url_prefix="/api/api-keys",
    description="Keys of machine clients: they raise, read and upload on behalf of people"
    " (`On-Behalf-Of`), and never approve, validate, verify a code or execute.",
)

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


@blp.route("/")
class ApiKeys(MethodView):
    @operation("api_keys.list")
    @blp.arguments(query_of(API_KEYS), location="query")
    @blp.response(200, page_of(ApiKeySchema), example=example_page(EXAMPLE))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List the company's API keys, revoked ones included, the newest first."""
        with transaction() as session:
            return page(session, API_KEYS, current_actor(), arguments)

    @operation("api_keys.create", step_up=True)
    @idempotent(secret=True)
    @blp.arguments(
        NewApiKeySchema,
        example={
            "name": "expense app",
            "scopes": ["raise", "read"],
            "expires_at": "2027-06-30T00:00:00Z",
        },
    )
    @blp.response(
        201,
        MadeApiKeySchema,
        example={**EXAMPLE, "key": "pc_key_5f1d0c9a2b3e_…", "change_id": UUID_EXAMPLE},
    )
    @refuses(KeyNameTaken, LifeTooLong, ScopeUnknown, TwoUnits, UnknownUnit)
    def post(self, body: dict[str, Any]) -> ApiKey:
        """Make an API key. The answer shows it this once; nobody can show it again.

        It opens nothing until a second administrator or an operator confirms `change_id` at
        `changes/`; the cfo does where there is neither.
        """
        actor = current_actor()
        with transaction() as session:
            made, text, change = api_keys.create(
                session, **body, actor=actor, now=session.info["now"]
            )
            security_log.record(
                session,
                event="api_key.created",
                outcome="ok",
                detail={"api_key_id": str(made.id), "scopes": made.scopes},
                actor=actor,
            )
            made.key, made.change_id = text, change.id  # type: ignore[attr-defined] # no columns
            return made


@blp.route("/<uuid:api_key_id>/")
class OneApiKey(MethodView):
    @operation("api_keys.revoke")
    @blp.response(204)
    @refuses(KeyNotFound)
    def delete(self, api_key_id: UUID) -> None:
        """Revoke an API key at once; its row stays."""
        actor = current_actor()
        with transaction() as session:
            api_keys.revoke(session, api_key_id=api_key_id, actor=actor, now=session.info["now"])
            security_log.record(
                session,
                event="api_key.revoked",
                outcome="ok",
                detail={"api_key_id": str(api_key_id)},
                actor=actor,
            )
