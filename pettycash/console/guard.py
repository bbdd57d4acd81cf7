"""What stands around every page: forms are not forged, content has a policy, refusals are pages."""

from flask import Blueprint, Response, g, request

from pettycash.console import errors, session
from pettycash.runtime.errors import NotAuthenticated
from pettycash.services.access.identity import sessions
from pettycash.web.door import AuthenticateAgain, EnrolmentRequired

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def guard(blueprint: Blueprint) -> Blueprint:
    """Put the console's guards around the pages of a blueprint."""
    blueprint.before_request(session.check_form)
    blueprint.after_request(_secure)
    blueprint.register_error_handler(Exception, _refuse)
    return blueprint


def _refuse(error: Exception) -> Response:
    if isinstance(error, AuthenticateAgain):
        return session.ask_again()
    if isinstance(error, EnrolmentRequired):
        is_given = sessions.has_temporary_password(g.user.password_changed_at)
        return session.see(f"/console/me/{'password' if is_given else 'app'}/")
    if isinstance(error, NotAuthenticated) and request.endpoint != session.SIGN_IN:
        return session.ask_to_sign_in(error)
    return errors.of(error)


def _secure(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
    # Under `no-referrer` browsers send forms with `Origin: null`.
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response


guard(session.blp)
