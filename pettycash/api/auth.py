"""Signing in and out, passwords and second factors."""

from collections.abc import Mapping
from typing import Any

from flask import g
from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.api.routes import serve
from pettycash.models.access import SessionPurpose
from pettycash.runtime import errors
from pettycash.runtime.db import system_transaction, transaction
from pettycash.services.access.identity import sessions, totp
from pettycash.services.access.identity.links import LinkRefused
from pettycash.services.access.identity.passwords import (
    PasswordTooCommon,
    PasswordTooLong,
    PasswordTooShort,
    PasswordUnchanged,
)
from pettycash.services.access.identity.sessions import SessionEnded, Tokens
from pettycash.services.access.identity.signing_in import (
    CompanyRequired,
    MfaRequired,
    PasswordWrong,
    WrongCredentials,
)
from pettycash.services.access.identity.throttles import TooManyAttempts
from pettycash.services.access.identity.totp import (
    TotpEnrolled,
    TotpNotBegun,
    TotpWrong,
)
from pettycash.services.foundation.encryption import TooManyHashes
from pettycash.web import identity
from pettycash.web.admission import client_info, current_actor, operation
from pettycash.web.operations.access import second_factors
from pettycash.web.refusals import refuses
from pettycash.web.schemas.auth import (
    ChangePasswordSchema,
    ConfirmSchema,
    EnrolmentSchema,
    LinkSchema,
    LoginSchema,
    MeSchema,
    ReauthenticateSchema,
    RefreshSchema,
    TokensSchema,
)

blp = Blueprint(
    "auth", __name__, url_prefix="/api/auth", description="Signing in, passwords, second factors."
)

UUID_EXAMPLE = "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0a01"

TOKENS_EXAMPLE = {
    "access_token": "pc_at_…",
    "refresh_token": "pc_rt_…",
    "token_type": "Bearer",
    "expires_in": 1800,
    "purpose": "full",
}

ME_EXAMPLE = {
    "user": {
        "id": UUID_EXAMPLE,
        "username": "treasury",
        "display_name": "Treasury",
        "email": "treasury@demo.example",
        "totp_enrolled": True,
    },
    "company": {"id": UUID_EXAMPLE, "code": "DEMO", "name": "Demo", "currency": "KES"},
    "branch_id": UUID_EXAMPLE,
    "department_id": None,
    "region_id": UUID_EXAMPLE,
    "phone": "+254712000100",
    "roles": [{"role": "treasury", "scope_kind": "company", "scope_id": None}],
    "purpose": "full",
}


@blp.route("/login/")
class Login(MethodView):
    @operation("auth.login")
    @blp.arguments(
        LoginSchema,
        example={"username": "treasury", "password": "a long pass phrase", "totp_code": "123456"},
    )
    @blp.response(200, TokensSchema, example=TOKENS_EXAMPLE)
    @refuses(CompanyRequired, MfaRequired, TooManyAttempts, TooManyHashes, WrongCredentials)
    def post(self, body: dict[str, Any]) -> Tokens:
        """Sign in. Without the code of an enrolled app: 401 `auth.mfa_required`."""
        return identity.sign_in(**body)


@blp.route("/refresh/")
class Refresh(MethodView):
    @operation("auth.refresh")
    @blp.arguments(RefreshSchema, example={"refresh_token": "pc_rt_…"})
    @blp.response(200, TokensSchema, example=TOKENS_EXAMPLE)
    @refuses(SessionEnded)
    def post(self, body: dict[str, Any]) -> Tokens:
        """Exchange the refresh token for new tokens.

        Within 10 seconds the same token gets the same ones again; later it ends the session.
        """
        with system_transaction() as session:
            outcome = sessions.refresh(
                session,
                refresh_token=body["refresh_token"],
                client_info=client_info(),
                now=session.info["now"],
            )
        if isinstance(outcome, errors.PettycashError):
            raise outcome
        return outcome


@blp.route("/logout/")
class Logout(MethodView):
    @operation("auth.logout")
    @blp.response(204)
    def post(self) -> None:
        """End this session; its tokens are worthless at once."""
        identity.sign_out()


@blp.route("/me/")
class Me(MethodView):
    @operation("auth.me")
    @blp.response(200, MeSchema, example=ME_EXAMPLE)
    def get(self) -> Mapping[str, Any]:
        """Tell who is signed in, in which company, with which roles."""
        actor = current_actor()
        return {
            "user": {
                "id": g.user.id,
                "username": g.user.username,
                "display_name": g.user.display_name,
                "email": g.user.email,
                "totp_enrolled": g.user.totp_enrolled_at is not None,
            },
            "company": g.company,
            "branch_id": actor.branch_id,
            "department_id": actor.department_id,
            "region_id": actor.region_id,
            "phone": g.membership.phone,
            "roles": actor.roles,
            "purpose": g.get("session_purpose", SessionPurpose.FULL),
        }


@blp.route("/reauthenticate/")
class Reauthentication(MethodView):
    @operation("auth.reauthenticate")
    @blp.arguments(
        ReauthenticateSchema, example={"password": "a long pass phrase", "totp_code": "123456"}
    )
    @blp.response(204)
    @refuses(PasswordWrong, TooManyHashes, TotpWrong)
    def post(self, body: dict[str, Any]) -> None:
        """Give password and code again, for what wants them no older than five minutes."""
        identity.reauthenticate(**body)


@blp.route("/change_password/")
class PasswordChange(MethodView):
    @operation("auth.change_password")
    @blp.arguments(
        ChangePasswordSchema,
        example={"current_password": "the old pass phrase", "new_password": "four words unrelated"},
    )
    @blp.response(204)
    @refuses(
        PasswordTooCommon,
        PasswordTooLong,
        PasswordTooShort,
        PasswordUnchanged,
        PasswordWrong,
        TooManyHashes,
    )
    def post(self, body: dict[str, Any]) -> None:
        """Change one's own password; every session ends, this one too."""
        identity.change_password(**body)


@blp.route("/links/")
class Links(MethodView):
    @operation("auth.use_link")
    @blp.arguments(
        LinkSchema, example={"token": "pc_link_…", "new_password": "four words unrelated"}
    )
    @blp.response(204)
    @refuses(LinkRefused, PasswordTooCommon, PasswordTooLong, PasswordTooShort, TooManyHashes)
    def post(self, body: dict[str, Any]) -> None:
        """Set a password, once, with the token of a link; then sign in with it."""
        identity.use_link(**body)


@blp.route("/mfa/enrol/")
class MfaEnrolment(MethodView):
    @operation("auth.mfa_enrol", step_up=True)
    @blp.response(
        200,
        EnrolmentSchema,
        example={
            "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
            "provisioning_uri": "otpauth://totp/pettycash:treasury?secret=…&issuer=pettycash",
        },
    )
    @refuses(TotpEnrolled)
    def post(self) -> totp.Enrolment:
        """Begin to enrol a TOTP app; asking again replaces a seed that was not confirmed."""
        with transaction() as session:
            return totp.enrol(session, user_id=current_actor().user_id)


@blp.route("/mfa/confirm/")
class MfaConfirmation(MethodView):
    @operation("auth.mfa_confirm", step_up=True)
    @blp.arguments(ConfirmSchema, example={"code": "123456"})
    @blp.response(204)
    @refuses(TotpEnrolled, TotpNotBegun, TotpWrong)
    def post(self, body: dict[str, Any]) -> None:
        """Confirm the app with its first code; every session ends, then sign in with a code."""
        identity.confirm_app(**body)


serve(blp, "/mfa/reset/", post=second_factors.reset)
