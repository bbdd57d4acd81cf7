"""The browser's session: cookie, forgery, signing in, proving once more who acts.

A form that meets an ended session, or an act that wants fresh proof, is kept with its key: it goes
on afterwards, once (console.md §3).
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import marshmallow as ma
from flask import Blueprint, Response, g, make_response, redirect, render_template, request
from itsdangerous import BadData, URLSafeSerializer

from pettycash.console import errors as refusals
from pettycash.runtime import errors, settings
from pettycash.runtime.db import system_autocommit, system_transaction
from pettycash.services.access.identity import sessions
from pettycash.services.access.identity.signing_in import (
    CompanyRequired,
    MfaRequired,
    PasswordWrong,
    WrongCredentials,
)
from pettycash.web import identity
from pettycash.web.admission import COOKIE
from pettycash.web.door import BODY_MAX_BYTES, Entry
from pettycash.web.schemas.auth import LoginSchema, ReauthenticateSchema

blp = Blueprint("console_session", __name__, url_prefix="/console")

SIGN_IN = f"{blp.name}.sign_in"

HOME = "/console/"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

AFTERWARDS = {
    "password": "Your password is changed. Sign in with the new one.",
    "app": "The app is enrolled. Sign in with a code of it.",
    "end-all": "You are signed out everywhere.",
}

ENDED = "Your session has ended. Sign in again; what you typed is kept."


class ForgedForm(errors.NotAllowed):
    """This form did not come from this console, or is too old; open the page again."""

    code = "console.forged_form"


def entry(
    name: str,
    *,
    place: str = "query",
    body_max_bytes: int = BODY_MAX_BYTES,
    step_up: bool = False,
    is_tick: bool = False,
) -> Entry:
    """The door of a page that a signed-in person opens by cookie."""
    return Entry(
        name=name,
        locations=frozenset({place}),
        body_max_bytes=body_max_bytes,
        step_up=step_up,
        by_cookie=True,
        is_tick=is_tick,
    )


def see(path: str) -> Response:
    """Send the browser on, by GET."""
    return make_response(redirect(path, 303))


# -- forgery


def form_token() -> str:
    """The hidden token of a form: bound to the sign-in, another one on every page."""
    nonce = secrets.token_urlsafe(9)
    return f"{nonce}.{_signed(nonce)}"


def _signed(nonce: str) -> str:
    said = f"console-form:{g.auth_family_id}:{nonce}".encode()
    return hmac.new(settings.current().cursor_key.encode(), said, hashlib.sha256).hexdigest()


def is_from_here() -> bool:
    """Whether the browser says that the request comes from a page of this console."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin", "")
    return bool(origin) and urlsplit(origin).netloc == request.host


def check_form() -> None:
    """Refuse a form that another site made a browser send.

    Raises:
        ForgedForm: not from here, or without the token of this sign-in.
    """
    if request.method in SAFE:
        return
    if not is_from_here():
        raise ForgedForm
    if g.get("actor") is None:  # who signs in has no session yet that a token could be bound to
        return
    nonce, _, signature = request.form.get("_csrf", "").partition(".")
    if not hmac.compare_digest(signature.encode(), _signed(nonce).encode()):
        raise ForgedForm


# -- what a form says of where it came from


def _kept_signer() -> URLSafeSerializer:
    return URLSafeSerializer(
        settings.current().cursor_key,
        salt="console-read",
        signer_kwargs={"digest_method": hashlib.sha256},
    )


def sealed(value: Any) -> str:
    """A signed copy of what a page showed."""
    return str(_kept_signer().dumps(value))


def unsealed(text: str) -> Any:
    """What a page showed; None where the copy is not ours."""
    try:
        return _kept_signer().loads(text)
    except BadData:
        return None


SECRET = ("password", "code", "token", "secret", "credential")


def kept_fields() -> list[tuple[str, str]]:
    """The fields of the form that has to wait; a secret is asked again, and no file is kept."""
    return [
        (name, value)
        for name, value in request.form.items(multi=True)
        if not any(each in name for each in SECRET)
    ]


def _local(path: str) -> str:
    """A path of this console; home where it is another's."""
    parts = urlsplit(path)
    is_ours = not parts.scheme and not parts.netloc and parts.path.startswith("/console/")
    return path if is_ours and "\\" not in path else HOME


# -- the cookie


def with_cookie(response: Response, token: str) -> Response:
    """Give the browser its session; it ends with the browser."""
    response.set_cookie(COOKIE, token, secure=True, httponly=True, samesite="Strict", path="/")
    return response


def _without_cookie(response: Response) -> Response:
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="Strict", path="/")
    return response


# -- signing in


def ask_to_sign_in(refusal: errors.NotAuthenticated) -> Response:
    """The sign-in page in place of the page that was asked for, its form kept."""
    if request.method in SAFE:
        is_linked = request.headers.get("Sec-Fetch-Site") == "cross-site"
        if is_linked and COOKIE not in request.cookies:
            # A strict cookie stays behind when a link in a mail is followed; on reload it comes.
            return make_response(render_template("reload.html", to=request.full_path.rstrip("?")))
        if COOKIE not in request.cookies:
            return see(sign_in_address(request.full_path.rstrip("?")))
        text = ENDED.partition(";")[0] + "." if isinstance(refusal, sessions.SessionEnded) else ""
        return _without_cookie(_sign_in_page(to=request.full_path.rstrip("?"), notice=text))
    return _sign_in_page(to=request.path, notice=ENDED, kept=kept_fields(), status=401)


def sign_in_address(to: str) -> str:
    """The address of the sign-in page that leads to this path."""
    return f"/console/sign-in/?{urlencode({'to': _local(to)})}"


def _sign_in_page(
    *,
    to: str,
    notice: str = "",
    kept: list[tuple[str, str]] | None = None,
    error: errors.PettycashError | None = None,
    status: int = 200,
) -> Response:
    page = render_template(
        "sign_in.html",
        to=_local(to),
        notice=notice,
        kept=kept or [],
        error=error,
        asks_code=isinstance(error, MfaRequired) or bool(request.form.get("totp_code")),
        asks_company=isinstance(error, CompanyRequired) or bool(request.form.get("company")),
        username=request.form.get("username", "") if error else "",
        company=request.form.get("company", "") if error else "",
    )
    return make_response(page, status)


@blp.get("/sign-in/", endpoint="sign_in_page")
def sign_in_page() -> Response:
    """Ask for name, password and code."""
    done = AFTERWARDS.get(request.args.get("done", ""), "")
    return _sign_in_page(to=request.args.get("to", HOME), notice=done)


@cache
def _login() -> ma.Schema:
    return LoginSchema()


@blp.post("/sign-in/", endpoint="sign_in")
def sign_in() -> Response:
    """Begin a session; a form that waited is shown once more, to be sent or left."""
    to = _local(request.form.get("_to", HOME))
    kept = _waiting_fields()
    typed = {
        name: value
        for name in ("username", "password", "totp_code", "company")
        if (value := request.form.get(name, ""))
    }
    try:
        tokens = identity.sign_in(**_login().load(typed), refreshable=False)
    except ma.ValidationError:
        refusal = WrongCredentials()
        return _sign_in_page(to=to, kept=kept, error=refusal, status=refusals.status(refusal))
    except errors.PettycashError as refusal:
        if isinstance(refusal, errors.Unavailable):
            raise
        return _sign_in_page(to=to, kept=kept, error=refusal, status=refusals.status(refusal))
    if not kept:
        return with_cookie(see(to), tokens.access_token)
    with system_autocommit() as autocommit:
        found = sessions.authenticate(autocommit, access_token=tokens.access_token)
    g.auth_family_id, g.user = found.auth.family_id, found.member.user
    return with_cookie(_send_again(to, kept), tokens.access_token)


def _send_again(to: str, kept: list[tuple[str, str]]) -> Response:
    """The form that waited, with a token of this sign-in, for the person who opened it."""
    by = unsealed(dict(kept).get("_by", ""))
    if by != str(g.user.id):
        return refusals.page(
            409,
            "console.another_person",
            "The form that waited was opened by somebody else. It was not sent.",
        )
    fields = [(name, value) for name, value in kept if name != "_csrf"]
    return make_response(render_template("send_again.html", to=to, kept=fields))


def _waiting_fields() -> list[tuple[str, str]]:
    """The fields of the form that waited behind this one; they carry `_kept.` before their name."""
    return [
        (name.removeprefix("_kept."), value)
        for name, value in request.form.items(multi=True)
        if name.startswith("_kept.")
    ]


@blp.post("/sign-out/", endpoint="sign_out")
def sign_out() -> Response:
    """End this session."""
    identity.sign_out()
    response = _without_cookie(see("/console/sign-in/"))
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@blp.post("/stay/", endpoint="stay")
def stay() -> Response:
    """Go on working: asking at all has kept the session alive."""
    with system_transaction() as session:
        sessions.saw(session, session_id=g.auth.id, now=session.info["now"])
    return make_response("", 204)


# -- proving once more who acts


def ask_again(error: errors.PettycashError | None = None, *, to: str = "") -> Response:
    """The page that asks for password and code, with the form that it holds up."""
    is_form = request.method not in SAFE
    answering = request.endpoint == f"{blp.name}.confirm"
    return make_response(
        render_template(
            "step_up.html",
            to=_local(to or request.full_path.rstrip("?")),
            kept=_waiting_fields() if answering else kept_fields() if is_form else [],
            has_app=g.user.totp_enrolled_at is not None,
            error=error,
        ),
        refusals.status(error) if error else 403,
    )


@cache
def _proof() -> ma.Schema:
    return ReauthenticateSchema()


@blp.post("/confirm/", endpoint="confirm")
def confirm() -> Response:
    """Take password and code, then let the held-up form go on."""
    to = _local(request.form.get("_to", HOME))
    typed = {
        name: value
        for name in ("password", "totp_code")
        if (value := request.form.get(f"_{name}", ""))
    }
    try:
        identity.reauthenticate(**_proof().load(typed))
    except ma.ValidationError:
        return ask_again(PasswordWrong(), to=to)
    except errors.PettycashError as refusal:
        if isinstance(refusal, errors.Unavailable):
            raise
        return ask_again(refusal, to=to)
    with system_transaction() as session:
        token = sessions.replace_token(session, session_id=g.auth.id)
    kept = _waiting_fields()
    return with_cookie(_send_again(to, kept) if kept else see(to), token)


ENTRIES: Mapping[str, Entry] = {
    "sign_in_page": Entry(
        name="console.sign_in",
        locations=frozenset({"query"}),
        body_max_bytes=BODY_MAX_BYTES,
    ),
    "sign_in": Entry(
        name="console.sign_in",
        locations=frozenset({"form"}),
        body_max_bytes=BODY_MAX_BYTES,
    ),
    "sign_out": entry("auth.logout", place="form"),
    "stay": entry("auth.me", place="form"),
    "confirm": entry("auth.reauthenticate", place="form"),
}
