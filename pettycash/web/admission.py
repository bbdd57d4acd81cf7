"""Access to views: every route stands under `@operation` with a row in the permission table.

The decorator admits (401, 403), limits, refuses what the operation does not take, logs refusals and
auditors' reads, and documents all that. Which *objects* a person sees is
`services.foundation.visibility`.
"""

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import Flask, current_app, g, request
from werkzeug.exceptions import LengthRequired, UnsupportedMediaType

from pettycash.models.access import Role, SessionPurpose
from pettycash.runtime import db, errors, settings
from pettycash.services.access.identity import api_keys, sessions, throttles
from pettycash.services.access.identity.people import ClientInfo
from pettycash.services.foundation import permissions, security_log
from pettycash.services.foundation.actors import Actor
from pettycash.web import etags, limits
from pettycash.web.door import (
    BODY_MAX_BYTES,
    ENROLMENT,
    MULTIPART_OVERHEAD_BYTES,
    UPLOAD_MAX_BYTES,
    AuthenticateAgain,
    BodyTooLarge,
    EnrolmentRequired,
    Entry,
    SignInFirst,
    document,
)
from pettycash.web.door import refusal as refusal_of
from pettycash.web.reading import given_twice, parse_json

P = ParamSpec("P")
R = TypeVar("R")

STEP_UP = timedelta(minutes=5)

COOKIE = "__Host-pettycash"
"""The browser's session: Secure, HttpOnly, SameSite=Strict, gone with the browser."""

NOT_TAKEN = "The request carries fields that this operation does not know."

TAKEN_ONCE = ("Authorization", "Idempotency-Key", "On-Behalf-Of")
"""Headers of which a request has one. If-Match and If-None-Match are lists by nature (RFC 9110)."""


def operation(
    name: str,
    *,
    uploads: bool = False,
    recognises: Callable[..., bool] | None = None,
    step_up: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Put a view under the permission table; stands above all other decorators.

    `uploads` takes 10 MiB instead of 1; `step_up` wants password and code again where they were
    given more than 5 minutes ago. `recognises` says of the path's arguments that their sender may
    not be refused: nothing is counted, and body and query string are left to the view, whatever
    they are. Everybody else has an allowance for this operation alone.
    """
    if name not in permissions.PERMISSIONS and name not in permissions.PUBLIC:
        raise ValueError(f"{name} has no row in the permission table")

    def decorator(view: Callable[P, R]) -> Callable[P, R]:
        doc = deepcopy(getattr(view, "_apidoc", {}))
        parameters = doc.get("arguments", {}).get("parameters", [])
        described = Entry(
            name=name,
            locations=frozenset(each["in"] for each in parameters if isinstance(each, dict)),
            body_max_bytes=(
                UPLOAD_MAX_BYTES + MULTIPART_OVERHEAD_BYTES if uploads else BODY_MAX_BYTES
            ),
            recognises=recognises,
            step_up=step_up,
        )

        @wraps(view)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            if g.get("admitted") != name:
                raise AssertionError(f"{name} was reached past the door")
            if described.counts_codes and not described.is_public:
                _count_codes(described)
            _refuse_what_is_not_taken(described)
            if request.method == "PATCH":
                etags.require_if_match()
            return view(*args, **kwargs)

        wrapper._apidoc = document(doc, described, view.__name__)  # type: ignore[attr-defined]
        wrapper.operation = described  # type: ignore[attr-defined]
        return wrapper

    return decorator


def admit() -> None:
    """Stand at the door, before every request: the view's operation says who may come in.

    The body is read here, whole, before the first transaction: whoever sends it slowly must not
    keep one open.

    Raises:
        SignInFirst, RoleMissing, ClientMayNot, EnrolmentRequired, AuthenticateAgain, BodyTooLarge,
        GivenTwice.
    """
    if request.endpoint is None:
        return  # no such path or method: Flask answers 404 or 405
    described = operation_of(current_app, request.endpoint, request.method)
    if described is None:
        return  # HEAD and OPTIONS that Flask answers itself
    _limit_body(described)
    if described.recognises is not None:
        g.unlimited = described.recognises(**(request.view_args or {}))
        g.limited_for = described.name
    else:
        _refuse_headers_given_twice()
    token = "" if described.is_public else _token(described)
    _read_body(described)
    if token:
        _admit(described, token)
    if described.by_cookie and described.counts_codes and request.method not in limits.READS:
        _count_codes(described)
    g.admitted = described.name


def operation_of(application: Flask, endpoint: str, method: str) -> Entry | None:
    """The operation that a method of an endpoint is; None where the view has none."""
    function: Any = application.view_functions[endpoint]
    view_class = getattr(function, "view_class", None)
    if view_class is not None:
        wanted = "get" if method == "HEAD" else method.lower()
        function = getattr(view_class, wanted, None)
    found: Entry | None = getattr(function, "operation", None)
    return found


def current_actor() -> Actor:
    """The actor of this request."""
    actor: Actor | None = g.get("actor")
    if actor is None:
        raise SignInFirst
    return actor


def reads_are_logged(actor: Actor) -> bool:
    """Whether each read of somebody is in the security log."""
    return actor.has(Role.AUDITOR)


def client_info() -> ClientInfo:
    """Where this request comes from; behind proxies as far as they are trusted."""
    return ClientInfo(
        ip_address=request.remote_addr,
        user_agent=(request.user_agent.string or "")[:400] or None,
    )


def _limit_body(described: Entry) -> None:
    limit = described.body_max_bytes
    request.max_content_length = limit
    if (request.content_length or 0) > limit:
        raise BodyTooLarge
    if request.content_length is None and "Transfer-Encoding" in request.headers:
        if described.locations & {"form", "files"}:
            raise LengthRequired
        # werkzeug would cut such a body at the limit without a word.
        request.max_content_length = limit + 1


def _refuse_headers_given_twice() -> None:
    """A server joins two headers of one name by a comma, which none of these can contain."""
    twice = [name for name in TAKEN_ONCE if "," in request.headers.get(name, "")]
    if twice:
        raise given_twice(*twice)


def _token(described: Entry) -> str:
    if not described.by_cookie:
        return _bearer()
    token = request.cookies.get(COOKIE, "")
    if not token or token.startswith(api_keys.PREFIX):
        raise SignInFirst
    return token


def _bearer() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise SignInFirst
    return token


def _read_body(described: Entry) -> None:
    if described.locations & {"form", "files"}:
        _ = request.files  # parsed now; large ones lie on disk
    elif len(request.get_data(cache=True)) > described.body_max_bytes:
        raise BodyTooLarge


def _admit(described: Entry, token: str) -> None:
    if token.startswith(api_keys.PREFIX):
        actor = _admit_client(token)
        refusal = refusal_of(actor, described.name)
    else:
        actor, refusal = _admit_person(token, described)
    g.actor = actor
    g.principal = f"{actor.client_id or 'person'}:{actor.user_id}"
    # A machine client has one allowance, for however many people it acts.
    g.limited_as = f"client:{actor.client_id}" if actor.client_id else f"person:{actor.user_id}"
    db.set_scope(company_id=actor.company_id, actor_id=actor.user_id, api_key_id=actor.client_id)
    is_audited = reads_are_logged(actor) and request.method == "GET"
    if refusal is not None or is_audited:
        # In a transaction of its own: what the view does must not undo it.
        with db.transaction() as session:
            security_log.record(
                session,
                event="access.refused" if refusal else "access.audited_read",
                outcome="refused" if refusal else "ok",
                detail={
                    "operation": described.name,
                    "path": request.path[:200],
                    **({"code": refusal.code} if refusal else {}),
                },
                actor=actor,
            )
    if refusal is not None:
        raise refusal


def _admit_person(token: str, described: Entry) -> tuple[Actor, errors.NotAllowed | None]:
    with db.system_autocommit() as autocommit:
        found = sessions.authenticate(autocommit, access_token=token)
    if found.is_stale and not described.is_tick:
        with db.system_transaction() as session:
            sessions.saw(session, session_id=found.auth.id, now=found.at)
    actor = found.member.actor(client_info(), session_id=found.auth.id)
    purpose = max(found.auth.purpose, sessions.purpose_of(found.member), key=_how_narrow)
    g.auth = found.auth
    g.auth_family_id = found.auth.family_id
    g.company = found.member.company
    g.user = found.member.user
    g.membership = found.member.membership
    g.session_purpose = purpose
    if purpose is SessionPurpose.ENROLMENT and described.name not in ENROLMENT:
        return actor, EnrolmentRequired()
    refusal = refusal_of(actor, described.name)
    if refusal is None and described.step_up and found.at - found.auth.authenticated_at > STEP_UP:
        refusal = AuthenticateAgain()
    return actor, refusal


def _how_narrow(purpose: SessionPurpose) -> int:
    return [SessionPurpose.FULL, SessionPurpose.ENROLMENT].index(purpose)


def _admit_client(token: str) -> Actor:
    with db.system_transaction() as session:
        client = api_keys.authenticate(
            session,
            text=token,
            on_behalf_of=_on_behalf_of(),
            now=session.info["now"],
        )
        g.company = client.company
        return client.actor(client_info())


def _on_behalf_of() -> str:
    """The person for whom the client acts, by header or body."""
    by_header, by_body = request.headers.get("On-Behalf-Of", ""), _on_behalf_of_in_body()
    if by_header and by_body and by_header != by_body:
        raise given_twice("on_behalf_of")
    return by_header or by_body


def _on_behalf_of_in_body() -> str:
    if not request.is_json:
        return ""
    body = parse_json(request.get_data(cache=True) or b"null")
    value = body.get("on_behalf_of", "") if isinstance(body, dict) else ""
    return value if isinstance(value, str) else ""


def _count_codes(described: Entry) -> None:
    verb = described.name.rpartition(".")[2]
    with db.system_transaction() as session:
        count = throttles.add(
            session,
            subject=f"codes:{verb}:{current_actor().user_id}",
            window=throttles.MINUTE,
            now=session.info["now"],
        )
    if count.attempts > settings.current().otp_per_person_per_minute:
        raise throttles.TooManyAttempts(retry_after_seconds=60)


def _refuse_what_is_not_taken(described: Entry) -> None:
    if described.recognises is not None:
        return
    if request.args and not described.locations & {"query", "querystring"}:
        raise errors.RuleViolation(
            NOT_TAKEN, errors={name: ["Unknown field."] for name in request.args}
        )
    if "On-Behalf-Of" in request.headers and not _is_client():
        raise errors.RuleViolation(
            NOT_TAKEN, errors={"On-Behalf-Of": ["It is for machine clients."]}
        )
    if request.method in limits.READS:
        return
    has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
    if described.locations & {"form", "files"}:
        if has_body and request.mimetype != "multipart/form-data":
            raise UnsupportedMediaType("This operation takes multipart/form-data.")
        return
    if not has_body:
        return
    # Also what keeps forms of other sites out: a browser sends JSON across sites only if asked.
    if not request.is_json:
        raise UnsupportedMediaType("This operation takes application/json.")
    if "json" not in described.locations:
        body = parse_json(request.get_data(cache=True) or b"{}")
        if body not in ({}, None):
            names = list(body) if isinstance(body, dict) else ["body"]
            raise errors.RuleViolation(
                NOT_TAKEN, errors={str(name): ["Unknown field."] for name in names}
            )


def _is_client() -> bool:
    actor: Actor | None = g.get("actor")
    return actor is not None and actor.client_id is not None
