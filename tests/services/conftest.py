"""What tests of services share."""

import pytest
from sqlalchemy.orm import Session

from tests.factories import rails


@pytest.fixture
def rail(session: Session) -> rails.FakeGateway:
    """A scripted rail, wired after the session's process was composed."""
    gateway = rails.FakeGateway()
    rails.serve(gateway)
    return gateway
