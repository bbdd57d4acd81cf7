"""Signing in, second factors, sessions and API keys over the wire."""

import marshmallow as ma

from pettycash.models.access import Role, ScopeKind, SessionPurpose
from pettycash.services.access.identity import passwords
from pettycash.web.schemas.fields import Choice, Code, Name, Schema, Text, UtcDateTime

CLIENT_SCOPES = ("raise", "read", "upload", "report")


def secret_text(**options: object) -> ma.fields.String:
    """A password or token: as typed, nothing stripped, never given back."""
    return ma.fields.String(
        required=True,
        load_only=True,
        validate=ma.validate.Length(min=1, max=passwords.LENGTH_MAX),
        metadata={"format": "password", **options},
    )


class TotpCode(Code):
    """The six digits of an authenticator app."""

    def __init__(self, *, required: bool = False) -> None:
        super().__init__(required=required, load_only=True)


class LoginSchema(Schema):
    """A person who signs in."""

    username = ma.fields.String(required=True, validate=ma.validate.Length(min=1, max=200))
    password = secret_text()
    totp_code = TotpCode()
    company = ma.fields.String(
        validate=ma.validate.Length(min=1, max=60),
        metadata={"description": "Code of the company, for those who work in several."},
    )


class TokensSchema(Schema):
    """The tokens of a session; shown once."""

    access_token = ma.fields.String(required=True)
    refresh_token = ma.fields.String(required=True)
    token_type = ma.fields.Constant("Bearer")
    expires_in = ma.fields.Integer(
        required=True, metadata={"description": "Seconds until the access token ends."}
    )
    purpose = Choice(
        SessionPurpose,
        required=True,
        metadata={"description": "`enrolment`: good only to set a second factor or a password."},
    )


class RefreshSchema(Schema):
    """The refresh token, which this spends."""

    refresh_token = secret_text()


class ReauthenticateSchema(Schema):
    """The same person, once more."""

    password = secret_text()
    totp_code = TotpCode()


class ChangePasswordSchema(Schema):
    """The old password and the new one."""

    current_password = secret_text()
    new_password = ma.fields.String(
        required=True,
        load_only=True,
        validate=ma.validate.Length(min=1, max=1000),
        metadata={"format": "password", "description": "15 to 128 characters; 8 beside TOTP."},
    )


class LinkSchema(Schema):
    """A one-time link and the password that its owner chose."""

    token = secret_text()
    new_password = ma.fields.String(
        required=True,
        load_only=True,
        validate=ma.validate.Length(min=1, max=1000),
        metadata={"format": "password", "description": "15 to 128 characters; 8 beside TOTP."},
    )


class EnrolmentSchema(Schema):
    """The seed for the authenticator app; shown once."""

    secret = ma.fields.String(required=True)
    provisioning_uri = ma.fields.String(required=True)


class ConfirmSchema(Schema):
    """A first code of the app."""

    code = TotpCode(required=True)


class ResetSchema(Schema):
    """The person whose second factor is reset."""

    user_id = ma.fields.UUID(required=True)


class RoleHeldSchema(Schema):
    """A role and how far it reaches."""

    role = Choice(Role, required=True)
    scope_kind = Choice(ScopeKind, required=True)
    scope_id = ma.fields.UUID(required=True, allow_none=True)


class MeUserSchema(Schema):
    """The person."""

    id = ma.fields.UUID(required=True)
    username = ma.fields.String(required=True)
    display_name = ma.fields.String(required=True)
    email = ma.fields.String(required=True)
    totp_enrolled = ma.fields.Boolean(required=True)


class MeCompanySchema(Schema):
    """The company that the session acts in."""

    id = ma.fields.UUID(required=True)
    code = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    currency = ma.fields.String(required=True)


class MeSchema(Schema):
    """The person who is signed in, with company, roles and units."""

    user = ma.fields.Nested(MeUserSchema, required=True)
    company = ma.fields.Nested(MeCompanySchema, required=True)
    branch_id = ma.fields.UUID(required=True, allow_none=True)
    department_id = ma.fields.UUID(required=True, allow_none=True)
    region_id = ma.fields.UUID(required=True, allow_none=True)
    phone = ma.fields.String(required=True, allow_none=True)
    roles = ma.fields.List(ma.fields.Nested(RoleHeldSchema), required=True)
    purpose = Choice(SessionPurpose, required=True)


class SessionSchema(Schema):
    """One sign-in that is still alive."""

    id = ma.fields.UUID(required=True, attribute="family_id")
    started_at = UtcDateTime(required=True, attribute="family_started_at")
    last_seen_at = UtcDateTime(required=True)
    ends_at = UtcDateTime(required=True)
    purpose = Choice(SessionPurpose, required=True)
    ip_address = ma.fields.String(required=True, allow_none=True)
    user_agent = ma.fields.String(required=True, allow_none=True)
    is_current = ma.fields.Boolean(required=True)


class NewApiKeySchema(Schema):
    """An API key to be made."""

    name = Name(required=True, shortest=1, longest=100)
    scopes = ma.fields.List(
        ma.fields.String(validate=ma.validate.OneOf(CLIENT_SCOPES)),
        required=True,
        validate=ma.validate.Length(min=1, max=3),
    )
    expires_at = UtcDateTime(required=True, metadata={"description": "Within 365 days."})
    branch_id = ma.fields.UUID(load_default=None, allow_none=True)
    department_id = ma.fields.UUID(load_default=None, allow_none=True)
    reason = Text(longest=1000, load_default=None, allow_none=True)


class ApiKeySchema(Schema):
    """An API key, without its secret."""

    id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    prefix = ma.fields.String(required=True, metadata={"description": "How the key begins."})
    scopes = ma.fields.List(ma.fields.String(), required=True)
    expires_at = UtcDateTime(required=True)
    created_at = UtcDateTime(required=True)
    created_by = ma.fields.UUID(required=True)
    confirmed_by = ma.fields.UUID(required=True, allow_none=True)
    confirmed_at = UtcDateTime(required=True, allow_none=True)
    branch_id = ma.fields.UUID(required=True, allow_none=True)
    department_id = ma.fields.UUID(required=True, allow_none=True)
    revoked_at = UtcDateTime(required=True, allow_none=True)
    revoked_by = ma.fields.UUID(required=True, allow_none=True)
    last_used_at = UtcDateTime(required=True, allow_none=True)


class MadeApiKeySchema(ApiKeySchema):
    """A new API key with its secret, which is shown this once."""

    key = ma.fields.String(required=True)
    change_id = ma.fields.UUID(
        required=True, metadata={"description": "What a second person confirms at `changes/`."}
    )
