"""The door's knowledge of a view: its sizes, its refusals, its part of the document."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask_smorest.utils import deepupdate
from werkzeug.exceptions import LengthRequired, UnsupportedMediaType

from pettycash.runtime import errors
from pettycash.services.access.identity import api_keys, sessions, throttles
from pettycash.services.foundation import permissions
from pettycash.services.foundation.actors import Actor
from pettycash.web import etags, limits, refusals
from pettycash.web.problems import DatabaseUnavailable, Raced, ReadOnly, TooSlow
from pettycash.web.reading import BrokenJson, GivenTwice, UnreadableText

BODY_MAX_BYTES = 1024 * 1024
UPLOAD_MAX_BYTES = 10 * 1024 * 1024
MULTIPART_OVERHEAD_BYTES = 64 * 1024
"""Boundaries, headers and small fields beside the file."""

ENROLMENT = frozenset(
    {
        "auth.me",
        "auth.logout",
        "auth.mfa_enrol",
        "auth.mfa_confirm",
        "auth.change_password",
        "auth.reauthenticate",
    }
)
"""All that somebody may do who still lacks a second factor or has a temporary password."""

CODE_VERBS = frozenset(
    {"send_otp", "verify_otp", "acknowledge", "reauthenticate", "mfa_confirm", "change_password"}
)
"""Verbs that make or check a secret: counted per person in PostgreSQL."""


ON_BEHALF_OF = {
    "in": "header",
    "name": "On-Behalf-Of",
    "required": False,
    "description": "The user's id or username for whom an API key acts; a key needs it, and only a"
    " key may send it.",
    "schema": {"type": "string"},
    "example": "asha",
}


class SignInFirst(errors.NotAuthenticated):
    """This needs an Authorization header with a Bearer token."""

    code = "auth.required"


class RoleMissing(errors.NotAllowed):
    """None of your roles may do this."""

    code = "auth.forbidden"


class ClientMayNot(errors.NotAllowed):
    """The API key's scopes do not allow this; no key may decide, release or verify codes."""

    code = "api_key.scope_missing"


class EnrolmentRequired(errors.NotAllowed):
    """First enrol a TOTP app, and replace a password that was given to you; then sign in again."""

    code = "auth.enrolment_required"


class AuthenticateAgain(errors.NotAllowed):
    """This needs your password and code once more: POST /api/auth/reauthenticate/."""

    code = "auth.step_up_required"


class BodyTooLarge(errors.PayloadTooLarge):
    """The body is larger than this operation takes: 1 MiB, files 10 MiB."""

    code = "request.too_large"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The facts that a view's decorators give."""

    name: str
    """The operation that it leads to."""
    locations: frozenset[str]
    """Where its arguments come from: json, query, form, files."""
    body_max_bytes: int
    recognises: Callable[..., bool] | None = None
    step_up: bool = False
    by_cookie: bool = False
    """Whether its sender signs in by the console's cookie instead of a header."""
    is_tick: bool = False
    """Whether a page asks by itself, which keeps no session alive."""

    @property
    def is_public(self) -> bool:
        """Whether nobody need be signed in."""
        return self.name in permissions.PUBLIC

    @property
    def counts_codes(self) -> bool:
        """Whether it makes or checks a secret."""
        return self.name.rpartition(".")[2] in CODE_VERBS


def refusal(actor: Actor, name: str) -> errors.NotAllowed | None:
    """Why somebody may not call an operation at all, on whatever it may be."""
    if actor.client_id is not None:
        reach = (permissions.CLIENT_SCOPES.get(each, frozenset()) for each in actor.client_scopes)
        if name not in frozenset[str]().union(*reach):
            return ClientMayNot()
    # Whose last role has ended may still look at themselves and sign out.
    if name in ENROLMENT or permissions.reaches(actor, name):
        return None
    return RoleMissing()


def document(doc: dict[str, Any], described: Entry, method: str) -> dict[str, Any]:
    """Declare what the door asks of an operation's requests, and refuses."""
    manual: dict[str, Any] = {"operationId": described.name}
    parameters = doc.setdefault("arguments", {}).setdefault("parameters", [])
    if described.is_public:
        manual["security"] = []
    else:
        roles = permissions.PERMISSIONS[described.name]
        manual["x-roles"] = sorted(role.value for role in roles)
        if described.name in permissions.ESCALATED:
            manual["x-escalation-approver"] = True
        if described.step_up:
            manual["x-step-up"] = True
        if any(described.name in reach for reach in permissions.CLIENT_SCOPES.values()):
            parameters.append(dict(ON_BEHALF_OF))
    if method == "patch":
        etags.document_change(doc)
    refusals.at_door(doc, refused(described, is_read=method == "get"))
    doc["manual_doc"] = deepupdate(doc.get("manual_doc", {}), manual)
    return doc


def refused(described: Entry, *, is_read: bool) -> Iterator[refusals.Refusal]:
    """All that is refused before the view, or around it."""
    yield from (errors.PettycashError, DatabaseUnavailable, TooSlow)
    yield limits.TooManyReads if is_read else limits.TooManyWrites
    if not is_read:
        yield from (Raced, ReadOnly, BodyTooLarge)
    if described.recognises is None:
        yield from (errors.RuleViolation, GivenTwice)
        if not is_read:
            yield from (errors.BadRequest, BrokenJson, UnsupportedMediaType)
        if described.locations:
            yield UnreadableText
    if described.locations & {"form", "files"}:
        yield LengthRequired
    if not described.is_public:
        yield from (SignInFirst, sessions.SessionEnded)
        yield from (api_keys.KeyRefused, api_keys.KeyUnconfirmed)
        yield from (ClientMayNot, api_keys.OnBehalfOfMissing, api_keys.OnBehalfOfUnknown)
        if described.name not in ENROLMENT:
            yield from (RoleMissing, EnrolmentRequired)
        if described.step_up:
            yield AuthenticateAgain
        if described.counts_codes:
            yield throttles.TooManyAttempts
