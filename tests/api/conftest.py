"""The API on a live database.

api     requests as the personas: `api.as_("treasury").post(path, json=…, key=True)`
"""

import pytest

from pettycash.app import create_app
from tests.api.client import ApiClient
from tests.servers import Database


@pytest.fixture
def api(live: Database) -> ApiClient:
    """The application on a database of the test's own."""
    return ApiClient(create_app(live.settings))
