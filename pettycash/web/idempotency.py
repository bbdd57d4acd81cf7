"""Idempotency-Key: a request that is sent again has its effect once.

The key's row is inserted in the transaction of the effect, so there is no moment at which one
exists without the other (draft-ietf-httpapi-idempotency-key-header-07; reliability.md §1).
"""

import hashlib
import json
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec, cast
from uuid import UUID

from flask import Response, current_app, g, make_response, request
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.operations import IdempotencyKey
from pettycash.runtime import db, errors, settings
from pettycash.runtime.crash_points import crash_point
from pettycash.web import headers, refusals
from pettycash.web.problems import StoredRefusal, from_error
from pettycash.web.reading import parse_json

P = ParamSpec("P")

ATTEMPTS = 5
KEPT_HEADERS = ("Location", "ETag", "Content-Type")

HEADER = {
    "in": "header",
    "name": "Idempotency-Key",
    "description": "A UUID, quoted or bare. The same key and request have one effect; the answer"
    " is kept for 30 days and comes again with `Idempotency-Replayed: true`.",
    "schema": {"type": "string"},
    "example": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0a01",
}


class KeyMissing(errors.BadRequest):
    """This request needs an Idempotency-Key header, a UUID of your own."""

    code = "idempotency.key_missing"


class KeyMalformed(errors.BadRequest):
    """The Idempotency-Key header is not a UUID."""

    code = "idempotency.key_malformed"


class KeyReused(errors.RuleViolation):
    """The Idempotency-Key was used for another request; a new request needs a new key."""

    code = "idempotency.key_reused"


class KeyAtWork(errors.Conflict):
    """The first request with this Idempotency-Key is still running; ask again shortly."""

    code = "idempotency.key_at_work"


class AnswerNotKept(errors.Conflict):
    """This request was carried out; its answer held a secret, which is shown only once."""

    code = "idempotency.answer_not_kept"


def refuse_and_store(refusal: errors.PettycashError) -> StoredRefusal:
    """Raise this where a refusal's own rows must stay: a wrong code, a refused release.

    Under `@idempotent` the transaction is the decorator's, so raising the refusal itself would
    undo its counter. The refusal becomes the answer that is kept for the key. Elsewhere, leave the
    transaction first.
    """
    return StoredRefusal(refusal)


@dataclass(frozen=True, kw_only=True)
class _Claim:
    principal: str
    method: str
    route: str
    key: str
    fingerprint: bytes


def idempotent(
    *, required: bool = False, secret: bool = False
) -> Callable[[Callable[P, Any]], Callable[P, Response]]:
    """Run view and dump in one transaction, and once for each key. Stands under `@operation`.

    `secret` keeps the answer's body out of the database: its replay is a 409.
    The view may run several times where PostgreSQL asks for it (`db.RETRIABLE_SQLSTATES`), always
    from a clean transaction; so it must not talk to the network.
    """

    def decorator(view: Callable[P, Any]) -> Callable[P, Response]:
        @wraps(view)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> Response:
            key = _key(required)
            claim = None if key is None else _claim(key, fingerprint())
            return _run(lambda: make_response(view(*args, **kwargs)), claim, secret)

        wrapper._apidoc = _documented(  # type: ignore[attr-defined]
            deepcopy(getattr(view, "_apidoc", {})), required=required, secret=secret
        )
        wrapper.idempotency_required = required  # type: ignore[attr-defined]
        return wrapper

    return decorator


def once(key: UUID, said: bytes, view: Callable[[], Response], *, secret: bool = False) -> Response:
    """Answer a form once for its hidden key; `said` is the digest of what it says."""
    return _run(view, _claim(str(key), said), secret)


def _run(view: Callable[[], Response], claim: _Claim | None, secret: bool) -> Response:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _once(view, claim, secret)
        except DBAPIError as error:
            if attempt == ATTEMPTS or db.sqlstate(error) not in db.RETRIABLE_SQLSTATES:
                raise
            g.pop("etag", None)
            time.sleep(0.02 * 2**attempt)
    raise AssertionError("unreachable")


def _once(view: Callable[[], Response], claim: _Claim | None, secret: bool) -> Response:
    with db.transaction() as session:
        key_id: UUID | None = None
        if claim is not None:
            found = _take(session, claim)
            if isinstance(found, IdempotencyKey):
                return _replay(found, claim)
            key_id = found
        try:
            answer = view()
        except StoredRefusal as stored:
            answer = from_error(stored.refusal)
        if key_id is not None:
            _store(session, key_id, answer, secret)
        crash_point("api.stored")
    crash_point("api.committed")
    return answer


def _key(required: bool) -> str | None:
    raw = request.headers.get("Idempotency-Key", "").strip()
    if not raw:
        if required:
            raise KeyMissing
        return None
    bare = raw[1:-1] if len(raw) > 1 and raw[0] == raw[-1] == '"' else raw
    try:
        if len(bare) != 36:
            raise KeyMalformed
        return str(UUID(bare))
    except ValueError as error:
        raise KeyMalformed from error


def _claim(key: str, said: bytes) -> _Claim:
    rule = request.url_rule
    return _Claim(
        principal=str(g.get("principal", "")),
        method=request.method,
        route=rule.rule if rule is not None else request.path,
        key=key,
        fingerprint=said,
    )


def fingerprint() -> bytes:
    """SHA-256 of what is asked: path, query and body, however the JSON is spelt."""
    digest = hashlib.sha256()
    query = sorted((name, value) for name, value in request.args.items(multi=True))
    parts: list[object] = [request.path.rstrip("/"), query]
    if request.mimetype == "multipart/form-data":
        parts.append(sorted((name, value) for name, value in request.form.items(multi=True)))
        for name, file in sorted(request.files.items(multi=True), key=lambda item: item[0]):
            content = file.stream.read()
            file.stream.seek(0)
            parts.append([name, file.filename, hashlib.sha256(content).hexdigest()])
    else:
        raw = request.get_data(cache=True)
        parts.append(parse_json(raw) if raw and request.is_json else raw.hex())
    digest.update(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode())
    return digest.digest()


TAKE = text(
    "SELECT idempotency_take(:id, :principal, :method, :route, :key, :fingerprint, :now, :since)"
)
"""Takes a key and returns its row's id; NULL where an earlier request has it. A second request
waits 200 ms for the first (migration 0013)."""

STORE = text(
    "UPDATE idempotency_keys SET status = :status, headers = CAST(:headers AS jsonb), body = :body"
    " WHERE id = :id"
)


def _take(session: Session, claim: _Claim) -> UUID | IdempotencyKey:
    """Take the key, or return what the request that had it first was answered."""
    now = session.info["now"]
    try:
        taken: UUID | None = session.execute(
            TAKE,
            {
                "id": new_id(),
                "principal": claim.principal,
                "method": claim.method,
                "route": claim.route,
                "key": claim.key,
                "fingerprint": claim.fingerprint,
                "now": now,
                "since": now - timedelta(days=settings.current().idempotency_days),
            },
            execution_options=db.PREPARED,
        ).scalar_one()
    except DBAPIError as error:
        if db.sqlstate(error) == "55P03":
            raise KeyAtWork from error
        raise
    if taken is not None:
        return taken
    return session.execute(
        select(IdempotencyKey)
        .filter_by(
            company_id=session.info["scope"].company_id,
            principal=claim.principal,
            method=claim.method,
            route=claim.route,
            key=claim.key,
        )
        .execution_options(populate_existing=True)
    ).scalar_one()


def _replay(stored: IdempotencyKey, claim: _Claim) -> Response:
    if stored.fingerprint != claim.fingerprint:
        raise KeyReused
    if stored.status is None:
        raise KeyAtWork
    if stored.body is None:
        raise AnswerNotKept
    answer = current_app.response_class(
        bytes(stored.body), status=stored.status, headers=cast("dict[str, str]", stored.headers)
    )
    answer.headers[headers.REPLAYED] = "true"
    return answer


def _store(session: Session, key_id: UUID, answer: Response, secret: bool) -> None:
    headers = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
    if g.get("etag"):
        headers["ETag"] = f'"{g.etag}"'
    session.execute(
        STORE,
        {
            "id": key_id,
            "status": answer.status_code,
            "headers": json.dumps(headers),
            "body": None if secret else answer.get_data(),
        },
        execution_options=db.PREPARED,
    )


def _documented(doc: dict[str, Any], *, required: bool, secret: bool) -> dict[str, Any]:
    headers.declare(doc, headers.REPLAYED)
    parameters = doc.setdefault("arguments", {}).setdefault("parameters", [])
    parameters.append(HEADER | {"required": required})
    refusals.at_door(doc, (KeyMalformed, KeyReused, KeyAtWork))
    refusals.at_door(doc, (KeyMissing,) if required else ())
    refusals.at_door(doc, (AnswerNotKept,) if secret else ())
    return doc
