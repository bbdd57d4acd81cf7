"""The API's fixtures, and ways to sign in as a person would."""

from collections.abc import Callable, Iterator

import pyotp
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from pettycash.app import create_app
from pettycash.cli.lab.seed import fixed_credentials
from pettycash.runtime import db
from tests.api.client import ADDRESS, ApiClient
from tests.api.conftest import api, common, common_database, probe, tune
from tests.security.population import populate
from tests.security.routes import Route, Samples, routes
from tests.servers import Database, Servers, compose_for

__all__ = ["api", "common", "common_database", "login", "probe", "totp", "tune"]


@pytest.fixture(scope="session")
def populated_database(servers: Servers, worker_number: int) -> Iterator[Database]:
    """A copy of the seeded database with an object behind every route."""
    name = f"pettycash_populated_w{worker_number}"
    yield servers.clone(name, redis_database=(worker_number + 12) % 16)
    servers.drop(name)


@pytest.fixture
def populated(populated_database: Database) -> ApiClient:
    """The application on the populated copy, which tests share: they are refused, or only read.

    Everybody signs in anew for each test, as a sign-in counts as fresh for 5 minutes only.
    """
    compose_for(populated_database)
    if populated_database.name not in _filled:
        application = create_app(populated_database.settings)
        _filled[populated_database.name] = application, populate(ApiClient(application))
    return ApiClient(_filled[populated_database.name][0])


@pytest.fixture
def served(populated: ApiClient) -> list[Route]:
    """Every route that wants a session, from the OpenAPI document."""
    if not _served:
        _served.extend(routes(populated.anonymous.get("/api/openapi.json").json))
    return _served


@pytest.fixture
def samples(populated: ApiClient, populated_database: Database, served: list[Route]) -> Samples:
    """Live ids for their paths."""
    return Samples(populated, served, _filled[populated_database.name][1])


_filled: dict[str, tuple[Flask, dict[str, str]]] = {}
_served: list[Route] = []

Login = Callable[..., TestResponse]


def code_of(secret: str) -> str:
    """The code that an app shows now, by PostgreSQL's clock as the server reads it."""
    with db.system_transaction() as session:
        return pyotp.TOTP(secret).at(session.info["now"])


@pytest.fixture
def totp() -> Callable[[str], str]:
    """The present code of a persona's app."""
    return lambda name: code_of(fixed_credentials(name).totp_secret)


@pytest.fixture
def login(request: pytest.FixtureRequest) -> Login:
    """`login("treasury", password=…, totp_code=…, address=…)`; right where nothing is said."""
    name = "common" if "common" in request.fixturenames else "api"
    api: ApiClient = request.getfixturevalue(name)

    def sign_in(
        username: str,
        *,
        password: str | None = None,
        totp_code: str | None = "right",
        address: str = ADDRESS,
        company: str | None = None,
    ) -> TestResponse:
        right = fixed_credentials(username)
        body = {"username": username, "password": right.password if password is None else password}
        if totp_code == "right":
            body["totp_code"] = code_of(right.totp_secret)
        elif totp_code is not None:
            body["totp_code"] = totp_code
        if company is not None:
            body["company"] = company
        return api.anonymous.post(
            "/api/auth/login/", json=body, environ_base={"REMOTE_ADDR": address}
        )

    return sign_in
