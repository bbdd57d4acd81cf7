"""The sweep: every company's funds, once, whoever runs it and however often."""

import pytest
from sqlalchemy import select, text

from pettycash.models.imprest import Replenishment
from pettycash.runtime import db
from pettycash.services.imprest import replenishments as service
from pettycash.tasks import imprest
from pettycash.tasks.schedule import SCHEDULE
from pettycash.worker_app import create_worker
from tests import books
from tests.factories.people import company_id
from tests.races import together
from tests.servers import Database


@pytest.fixture
def low(live: Database) -> None:
    """A fund in each company that nobody has looked at since it fell below its level."""
    for code, store, spent in (
        ("DEMO", "WESTLANDS-MPESA", "12000.00"),
        ("OTHER", "KISUMU-MPESA", "31000.00"),
    ):
        with db.scope(company_id=company_id(code)), db.transaction() as session:
            account = books.store(session, store).account_id
            books.posting.hold(
                session,
                account_id=account,
                source="h",
                currency="KES",
                amount=books.Decimal(spent),
            )


def raised() -> dict[str, list[str]]:
    found = {}
    for code in ("DEMO", "OTHER"):
        with db.scope(company_id=company_id(code)), db.transaction() as session:
            rows = session.execute(select(Replenishment.requested_amount)).scalars()
            found[code] = [str(each) for each in rows]
    return found


def test_every_company_is_swept(low: None) -> None:
    imprest.sweep()

    assert raised() == {"DEMO": ["12000.00"], "OTHER": ["31000.00"]}


def test_sweeping_again_and_at_once_changes_nothing(low: None) -> None:
    assert together([imprest.sweep] * 5) == [None] * 5
    imprest.sweep()

    assert raised() == {"DEMO": ["12000.00"], "OTHER": ["31000.00"]}


def test_one_fund_in_trouble_does_not_keep_the_others_waiting(
    low: None, live: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = service.sweep
    calls = []

    def first_fails(session, **facts):  # type: ignore[no-untyped-def]
        calls.append(facts)
        if len(calls) == 1:
            session.execute(text("SELECT 1 / 0"))
        return real(session, **facts)

    monkeypatch.setattr(service, "sweep", first_fails)

    imprest.sweep()

    assert len(calls) == 5
    assert raised()["OTHER"] == ["31000.00"]


def test_beat_starts_it_and_a_worker_knows_it(live: Database) -> None:
    celery = create_worker(live.settings)
    celery.loader.import_default_modules()

    assert "replenishments.sweep" in celery.tasks
    assert "replenishments.sweep" in {entry["task"] for entry in SCHEDULE.values()}
