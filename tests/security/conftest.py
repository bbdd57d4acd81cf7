"""The API's fixtures, and ways to sign in as a person would."""

from collections.abc import Callable

import pyotp
import pytest
from werkzeug.test import TestResponse

from pettycash import db
from pettycash.cli.seed import fixed_credentials
from tests.api.client import ADDRESS, ApiClient
from tests.api.conftest import api, common, common_database, probe, tune

__all__ = ["api", "common", "common_database", "login", "probe", "totp", "tune"]

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
