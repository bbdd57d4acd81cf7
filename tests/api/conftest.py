"""The API on a live database.

api     requests as the personas: `api.as_("treasury").post(path, json=…, key=True)`
common  the same on a database that many tests share: for what is refused, or only read
probe   small views under /api/probe/ on the same application
tune    settings of this test's own: `tune(writes_per_person_per_minute=3)`
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete

from pettycash.app import create_app
from pettycash.models.access import Throttle
from pettycash.runtime import db, settings
from pettycash.runtime.settings import Settings
from pettycash.web import problems
from tests.api.client import ApiClient, Caller
from tests.api.probe import Probe
from tests.servers import Database, Servers, compose_for

_plain: dict[Settings, Flask] = {}
_probed: dict[Settings, tuple[Flask, Probe]] = {}


def _with_probe(database: Database) -> tuple[Flask, Probe]:
    if database.settings not in _probed:
        application = create_app(database.settings)
        _probed[database.settings] = application, Probe(application)
    return _probed[database.settings]


@pytest.fixture
def api(live: Database, request: pytest.FixtureRequest) -> ApiClient:
    """The application on a database of the test's own.

    Applications hold no state of a test, so one serves all that have the same settings.
    """
    return ApiClient(_application(live, request))


def _application(database: Database, request: pytest.FixtureRequest) -> Flask:
    problems._Writes.refused_at = -math.inf  # by a database that another test was on
    if "probe" in request.fixturenames:
        return _with_probe(database)[0]
    if database.settings not in _plain:
        _plain[database.settings] = create_app(database.settings)
    return _plain[database.settings]


@pytest.fixture
def admin(api: ApiClient) -> Caller:
    """An administrator at `api`."""
    return api.as_("admin")


@pytest.fixture(scope="session")
def common_database(servers: Servers, worker_number: int) -> Iterator[Database]:
    """A copy of the seeded database for all tests of this worker that leave no trace in it."""
    name = f"pettycash_common_w{worker_number}"
    yield servers.clone(name, redis_database=(worker_number + 8) % 16)
    servers.drop(name)


@pytest.fixture
def common(common_database: Database, request: pytest.FixtureRequest) -> ApiClient:
    """The application on the shared copy."""
    application = _application(common_database, request)
    compose_for(common_database)
    with db.system_transaction() as session:
        session.execute(delete(Throttle))
    return ApiClient(application)


@pytest.fixture
def probe(request: pytest.FixtureRequest) -> Probe:
    """Views that do as little as a view can."""
    name = "common_database" if "common" in request.fixturenames else "live"
    found = _with_probe(request.getfixturevalue(name))[1]
    found.reset()
    return found


@pytest.fixture
def tune(live: Database) -> Callable[..., None]:
    """Change settings of the process until the next test composes it anew."""

    def change(**values: Any) -> None:
        settings.install(dataclasses.replace(settings.current(), **values))

    return change
