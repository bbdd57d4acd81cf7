"""Requests as one of the personas, over Flask's test client and with real sessions."""

import json as json_module
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from pettycash.models.access import AuthSession, Membership, User
from pettycash.runtime import db
from pettycash.services.access.identity import people, sessions
from pettycash.services.foundation import encryption

ADDRESS = "192.0.2.7"


def rules(application: Flask) -> Iterator[Rule]:
    """The routes of the API; the console's are pages."""
    return (r for r in application.url_map.iter_rules() if not r.rule.startswith("/console/"))


def in_thirty_days() -> str:
    """An instant to come, by PostgreSQL's clock, as requests write it."""
    with db.system_transaction() as session:
        instant: datetime = session.info["now"] + timedelta(days=30)
    return instant.isoformat()


class Caller:
    """Sends requests with one Authorization header."""

    def __init__(self, client: FlaskClient, token: str | None, who: Mapping[str, UUID]) -> None:
        self.client = client
        self.token = token
        self.user_id = who.get("user_id")
        self.company_id = who.get("company_id")

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        key: bool | str | UUID = False,
        headers: Mapping[str, str] | None = None,
        etag: str | None = None,
        **options: Any,
    ) -> TestResponse:
        """One request. `key=True` sends a fresh Idempotency-Key, any other value that one."""
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if key:
            sent["Idempotency-Key"] = str(uuid4()) if key is True else str(key)
        if etag is not None:
            sent["If-Match"] = etag
        if json is not None:
            options["data"] = json_module.dumps(json)
            options["content_type"] = "application/json"
        options.setdefault("environ_base", {"REMOTE_ADDR": ADDRESS})
        return self.client.open(path, method=method, headers=sent, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        """GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        """POST."""
        return self.request("POST", path, **options)

    def patch(self, path: str, **options: Any) -> TestResponse:
        """PATCH; `etag=` becomes If-Match."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        """DELETE."""
        return self.request("DELETE", path, **options)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Act as this person below the API: `with caller.scope(), db.transaction() as session`."""
        with db.scope(company_id=self.company_id, actor_id=self.user_id, source="test"):
            yield


class ApiClient:
    """`api.as_("treasury").post(path, json=…, key=True)`."""

    def __init__(self, application: Flask) -> None:
        self.application = application
        self._callers: dict[str, Caller] = {}

    def client(self) -> FlaskClient:
        """A client of its own; one per thread."""
        return self.application.test_client()

    @property
    def anonymous(self) -> Caller:
        """Nobody."""
        return Caller(self.client(), None, {})

    def with_token(self, token: str) -> Caller:
        """Whoever holds this token."""
        return Caller(self.client(), token, {})

    def with_key(self, *scopes: str, **more: Any) -> Caller:
        """A machine client whose key one administrator made and another one confirmed."""
        body = {"name": f"client {uuid4()}", "scopes": list(scopes), "expires_at": in_thirty_days()}
        made = self.as_("admin").post("/api/api-keys/", json=body | more)
        assert made.status_code == 201, made.json
        where = f"/api/changes/{made.json['change_id']}/confirm/"
        confirmed = self.as_("admin_2").post(where, json={})
        assert confirmed.status_code == 200, confirmed.json
        return self.with_token(made.json["key"])

    def as_(self, username: str) -> Caller:
        """A persona of the demo organisation, signed in just now."""
        if username not in self._callers:
            self._callers[username] = self.sign_in(username)
        return self._callers[username]

    def sign_in(self, username: str, *, ago: timedelta = timedelta(0)) -> Caller:
        """A new session of a person, begun a while ago if asked, without the cost of a login."""
        with db.scope(source="test"), db.system_transaction() as session:
            user_id, company_id = session.execute(
                select(User.id, Membership.company_id)
                .join(Membership, Membership.user_id == User.id)
                .where(User.username == username)
                .order_by(Membership.id)
                .limit(1)
            ).one()
            now = session.info["now"]
            member = people.active_member(session, user_id=user_id, company_id=company_id, now=now)
            assert member is not None, f"{username} is not active"
            tokens = sessions.start(
                session, member=member, client_info=people.ClientInfo(ip_address=ADDRESS), now=now
            )
            if ago:
                session.flush()
                auth = session.execute(
                    select(AuthSession).where(
                        AuthSession.access_digest == encryption.token_digest(tokens.access_token)
                    )
                ).scalar_one()
                auth.authenticated_at = now - ago
        return Caller(
            self.client(), tokens.access_token, {"user_id": user_id, "company_id": company_id}
        )
