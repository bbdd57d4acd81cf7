"""One's own page: who one is, where one is signed in, password and app."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import marshmallow as ma
import segno
from flask import Response, g, make_response, render_template, request
from werkzeug.datastructures import MultiDict

from pettycash.console import errors as refusals
from pettycash.console import forms, session
from pettycash.console.acts import Act
from pettycash.console.columns import flag, text, when
from pettycash.console.forms import Field, Form, asks
from pettycash.console.pages import Pages
from pettycash.console.reading import read, unit
from pettycash.runtime import errors
from pettycash.services.access.identity import totp
from pettycash.services.foundation.uow import Uow
from pettycash.web import identity
from pettycash.web.admission import current_actor
from pettycash.web.operations.access import sessions
from pettycash.web.schemas.auth import ChangePasswordSchema, ConfirmSchema

blp = Pages("me", __name__, section="You")

SIGNED_IN = (
    text("user_agent", "Browser or program"),
    text("ip_address", "From"),
    when("started_at", "Since"),
    when("last_seen_at", "Last seen"),
    flag("is_current", "This one"),
)

END_ALL = Act(
    operation=sessions.revoke_all,
    verb="end-all",
    label="Sign out everywhere",
    done="",
    tone="danger",
    says="Every sign-in of yours in this company ends at once, this one too.",
    to="/console/sign-in/",
)

PASSWORD = (
    asks("current_password", "Your present password"),
    asks("new_password", "New password", "15 characters or more; 8 where you have an app."),
)
CODE = (asks("code", "First code of the app", autofocus=True),)


@blp.page("/me/", "auth.me")
def me() -> Response:
    """Who one is, and where one is signed in."""
    with unit() as uow:
        found = read(uow, sessions.list_all, limit=200)["items"]
        page = render_template(
            "me.html",
            title="You",
            columns=SIGNED_IN,
            sessions=found,
            roles=[held.role for held in uow.actor.roles],
            has_app=g.user.totp_enrolled_at is not None,
        )
    return make_response(page)


blp.form("/me/end-all/", END_ALL, title="Sign out everywhere")


def _page(
    template: str,
    schema: ma.Schema,
    fields: tuple[Field, ...],
    refusal: Exception | None = None,
    **more: Any,
) -> Response:
    with unit() as uow:
        form = Form(schema=schema, fields=fields, uow=uow, zone=g.zone)
        status = 200
        if isinstance(refusal, ma.ValidationError):
            form.errors, status = forms.messages(refusal), 422
        elif isinstance(refusal, errors.PettycashError):
            form.errors = refusal.errors or {"body": [refusal.detail]}
            status = refusals.status(refusal)
        return make_response(render_template(template, form=form, **more), status)


def _typed(schema: ma.Schema, fields: tuple[Field, ...]) -> Mapping[str, Any]:
    with unit() as uow:
        form = Form(schema=schema, fields=fields, uow=uow, zone=ZoneInfo("UTC"))
        return form.read(MultiDict((n, v) for n, v in request.form.items() if n[:1] != "_"))


@blp.page("/me/password/", "auth.change_password")
def password() -> Response:
    """Ask for the old password and a new one."""
    return _page("me_password.html", ChangePasswordSchema(), PASSWORD)


@blp.page("/me/password/", "auth.change_password", post=True)
def change_password() -> Response:
    """Change the password; every session ends, this one too."""
    schema = ChangePasswordSchema()
    try:
        identity.change_password(**_typed(schema, PASSWORD))
    except (ma.ValidationError, errors.PettycashError) as refusal:
        return _page("me_password.html", schema, PASSWORD, refusal)
    return session.see("/console/sign-in/?done=password")


@blp.page("/me/app/", "auth.mfa_enrol", step_up=True)
def app() -> Response:
    """Say what an app is good for, and begin."""
    return _page("me_app.html", ma.Schema(), (), enrolment=None)


@blp.page("/me/app/", "auth.mfa_enrol", post=True, step_up=True)
def enrol_app() -> Response:
    """Show the seed of an app as a picture and as text, once."""
    with unit() as uow:
        seed = _enrol(uow)
    picture = segno.make(seed.provisioning_uri, error="m").svg_data_uri(scale=5)
    return _page("me_app.html", ConfirmSchema(), CODE, enrolment=seed, picture=picture)


def _enrol(uow: Uow) -> totp.Enrolment:
    return totp.enrol(uow.session, user_id=current_actor().user_id)


@blp.page("/me/app/confirm/", "auth.mfa_confirm", post=True, step_up=True)
def confirm_app() -> Response:
    """Take the app's first code; every session ends, then one signs in with a code."""
    schema = ConfirmSchema()
    try:
        identity.confirm_app(**_typed(schema, CODE))
    except (ma.ValidationError, errors.PettycashError) as refusal:
        return _page("me_app.html", schema, CODE, refusal, enrolment=None, waits=True)
    return session.see("/console/sign-in/?done=app")
