"""Payments over HTTP: one shared database, a scripted rail, a mail server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pettycash.lab.mailbox.store import Mailbox
from pettycash.models.payments import Payment
from pettycash.runtime import db
from tests.api.client import ApiClient
from tests.factories import mailboxes, rails
from tests.factories.people import company_id


@pytest.fixture
def api(common: ApiClient) -> ApiClient:
    """All tests here share one database: each makes payments of its own and undoes what lasts."""
    return common


@pytest.fixture
def rail(api: ApiClient) -> rails.FakeGateway:
    gateway = rails.FakeGateway()
    rails.serve(gateway)
    return gateway


@pytest.fixture
def mailbox(api: ApiClient, tmp_path: Path) -> Iterator[Mailbox]:
    with mailboxes.listening(tmp_path) as box:
        yield box


@pytest.fixture
def make(rail: rails.FakeGateway) -> Callable[..., str]:
    """Make something of the demo company; answers the id."""

    def made(maker: Callable[..., Payment], *args: Any, **more: Any) -> str:
        with db.scope(company_id=company_id("DEMO"), source="test"), db.transaction() as session:
            return str(maker(session, *args, **more).id)

    return made
