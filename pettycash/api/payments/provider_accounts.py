"""Provider accounts: limits, kill switch, and credentials that only go in."""

from typing import Any
from uuid import UUID

import marshmallow as ma
from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.models.imprest import ProviderAccount
from pettycash.runtime.db import transaction
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.payments import provider_accounts
from pettycash.services.payments.provider_accounts import (
    PROVIDER_ACCOUNTS,
    InvalidProviderAccount,
    ProviderAccountExists,
    ProviderAccountNotFound,
)
from pettycash.web.admission import current_actor, operation
from pettycash.web.etags import check_etag, set_etag
from pettycash.web.headers import sends
from pettycash.web.idempotency import idempotent
from pettycash.web.pages import example_page, page_of, query_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas.fields import (
    Amount,
    Choice,
    Name,
    Schema,
    Text,
    UtcDateTime,
)

blp = Blueprint(
    "provider_accounts",
    __name__,
    url_prefix="/api/provider-accounts",
    description="A company's accounts with rails.",
)

CREDENTIAL_LONGEST = 10_000
ENVIRONMENTS = ("sandbox", "production")


class _Limits(Schema):
    amount_min = Amount(allow_none=True)
    amount_max = Amount(allow_none=True)
    options = ma.fields.Dict(
        keys=ma.fields.String(validate=ma.validate.Length(min=1, max=40)),
        validate=ma.validate.Length(max=20),
        metadata={
            "description": "`callback_sources`: the networks that callbacks come from, as a list;"
            " an empty one takes them from anywhere. Without it the rail's published list counts."
        },
    )


class ProviderAccountSchema(Schema):
    """An account with a rail. Its credentials are never read back."""

    id = ma.fields.UUID(dump_only=True)
    code = ma.fields.String(dump_only=True)
    name = ma.fields.String(dump_only=True)
    method = Choice(Method, dump_only=True)
    currency = ma.fields.String(dump_only=True)
    environment = ma.fields.String(dump_only=True)
    base_url = ma.fields.String(dump_only=True)
    shortcode = ma.fields.String(dump_only=True)
    options = ma.fields.Dict(dump_only=True)
    amount_min = Amount(dump_only=True, allow_none=True)
    amount_max = Amount(dump_only=True, allow_none=True)
    is_active = ma.fields.Boolean(dump_only=True)
    credentials_key_id = ma.fields.String(
        dump_only=True, metadata={"description": "Which key encrypted the credentials."}
    )
    created_by_id = ma.fields.UUID(attribute="created_by", dump_only=True, allow_none=True)
    created_at = UtcDateTime(dump_only=True)
    version = ma.fields.Integer(dump_only=True)


def _credentials(**kwargs: Any) -> ma.fields.Dict:
    return ma.fields.Dict(
        keys=ma.fields.String(validate=ma.validate.Length(min=1, max=60)),
        values=ma.fields.String(validate=ma.validate.Length(min=1, max=CREDENTIAL_LONGEST)),
        validate=ma.validate.Length(min=1, max=20),
        load_only=True,
        metadata={"description": "Write-only; the rail's documentation names them."},
        **kwargs,
    )


class NewProviderAccountSchema(_Limits):
    """A new account with a rail."""

    code = Text(shortest=1, longest=40, required=True)
    name = Name(shortest=1, longest=100, required=True)
    method = Choice(Method, required=True)
    currency = Choice(Currency, required=True)
    environment = ma.fields.String(required=True, validate=ma.validate.OneOf(ENVIRONMENTS))
    base_url = Text(shortest=1, longest=300, required=True)
    shortcode = Text(shortest=1, longest=40, required=True)
    credentials = _credentials(required=True)


class ProviderAccountChangeSchema(_Limits):
    """The fields of an account that can be changed; `is_active: false` is the kill switch."""

    name = Name(shortest=1, longest=100)
    environment = ma.fields.String(validate=ma.validate.OneOf(ENVIRONMENTS))
    base_url = Text(shortest=1, longest=300)
    credentials = _credentials()
    is_active = ma.fields.Boolean()


EXAMPLE: dict[str, Any] = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b01",
    "code": "MPESA-NAIROBI",
    "name": "M-Pesa 600992",
    "method": "mpesa",
    "currency": "KES",
    "environment": "sandbox",
    "base_url": "https://sandbox.safaricom.co.ke",
    "shortcode": "600992",
    "options": {},
    "amount_min": None,
    "amount_max": None,
    "is_active": True,
    "credentials_key_id": "5f0c2d9f1a7b3e44",
    "created_by_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0b02",
    "created_at": "2026-11-20T08:00:00+00:00",
    "version": 1,
}

EXAMPLE_NEW: dict[str, Any] = {
    "code": "MPESA-NAIROBI",
    "name": "M-Pesa 600992",
    "method": "mpesa",
    "currency": "KES",
    "environment": "sandbox",
    "base_url": "https://sandbox.safaricom.co.ke",
    "shortcode": "600992",
    "credentials": {
        "consumer_key": "…",
        "consumer_secret": "…",
        "initiator_name": "testapi",
        "initiator_password": "…",
        "certificate_pem": "-----BEGIN CERTIFICATE-----…",
    },
}


@blp.route("/")
class ProviderAccounts(MethodView):
    @operation("provider_accounts.list")
    @blp.arguments(query_of(PROVIDER_ACCOUNTS), location="query")
    @blp.response(200, page_of(ProviderAccountSchema), example=example_page(EXAMPLE))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List provider accounts by code."""
        with transaction() as session:
            return page(session, PROVIDER_ACCOUNTS, current_actor(), arguments)

    @operation("provider_accounts.create", step_up=True)
    @idempotent()
    @blp.arguments(NewProviderAccountSchema, example=EXAMPLE_NEW)
    @blp.response(201, ProviderAccountSchema, example=EXAMPLE)
    @refuses(InvalidProviderAccount, ProviderAccountExists)
    @sends("Location", "ETag")
    def post(self, body: dict[str, Any]) -> tuple[ProviderAccount, dict[str, str]]:
        """Open an account with a rail."""
        with transaction() as session:
            made = provider_accounts.create(session, **body, actor=current_actor())
            set_etag(made.version)
            return made, {"Location": f"/api/provider-accounts/{made.id}/"}


@blp.route("/<uuid:account_id>/")
class OneProviderAccount(MethodView):
    @operation("provider_accounts.get")
    @blp.response(200, ProviderAccountSchema, example=EXAMPLE)
    @refuses(ProviderAccountNotFound)
    @sends("ETag")
    def get(self, account_id: UUID) -> ProviderAccount:
        """Read an account, without its credentials."""
        with transaction() as session:
            found = provider_accounts.get(session, account_id=account_id)
            set_etag(found.version)
            return found

    @operation("provider_accounts.update", step_up=True)
    @idempotent()
    @blp.arguments(ProviderAccountChangeSchema, example={"is_active": False})
    @blp.response(200, ProviderAccountSchema, example={**EXAMPLE, "is_active": False})
    @refuses(InvalidProviderAccount, ProviderAccountNotFound)
    def patch(self, body: dict[str, Any], account_id: UUID) -> ProviderAccount:
        """Change an account, replace its credentials, or switch it off and on."""
        with transaction() as session:
            account = provider_accounts.get(session, account_id=account_id, lock=True)
            check_etag(account.version)
            changed = provider_accounts.change(
                session, account=account, changes=body, actor=current_actor()
            )
            set_etag(changed.version)
            return changed
