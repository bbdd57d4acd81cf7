"""Alive, ready and measured."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from pettycash.models.base import new_id
from pettycash.runtime import db
from pettycash.services.foundation import outbox
from pettycash.services.operations import cases, heartbeats
from tests.api.client import ApiClient
from tests.factories.people import company_id
from tests.servers import Database, Servers


def beat_all(but: str = "", ago: timedelta = timedelta(0)) -> None:
    with db.system_transaction() as session:
        for name in heartbeats.BOUNDS_SECONDS:
            if name != but:
                heartbeats.beat(session, name=name, now=session.info["now"] - ago)


def checks(api: ApiClient) -> tuple[int, dict[str, bool]]:
    answer = api.anonymous.get("/readyz")
    return answer.status_code, {each["name"]: each["ok"] for each in answer.json["checks"]}


def test_alive_without_a_database(api: ApiClient, servers: Servers, live: Database) -> None:
    db.dispose()
    servers.drop(live.name)

    answer = api.anonymous.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_not_ready_without_a_database(api: ApiClient, servers: Servers, live: Database) -> None:
    db.dispose()
    servers.drop(live.name)

    assert checks(api) == (503, {"database": False})


def test_ready_when_everything_was_heard_of(api: ApiClient) -> None:
    beat_all()
    status, found = checks(api)

    assert status == 200
    assert set(found) == {"database", "migrations", "books", *heartbeats.BOUNDS_SECONDS}
    assert all(found.values())
    assert api.anonymous.get("/readyz").json["status"] == "ready"


@pytest.mark.parametrize("silent", heartbeats.BOUNDS_SECONDS)
def test_not_ready_while_a_part_is_silent(api: ApiClient, silent: str) -> None:
    beat_all(but=silent)
    status, found = checks(api)

    assert status == 503
    assert [name for name, well in found.items() if not well] == [silent]


def test_an_old_sign_of_life_is_none(api: ApiClient) -> None:
    beat_all(ago=timedelta(seconds=31))
    status, found = checks(api)

    assert status == 503
    assert not found["relay"]
    assert found["beat"]


def test_not_ready_on_another_schema(api: ApiClient, servers: Servers, live: Database) -> None:
    beat_all()
    connection = servers.postgres.connect(database=live.name)
    try:
        connection.cursor().execute("UPDATE alembic_version SET version_num = '0000'")
    finally:
        connection.close()
    status, found = checks(api)

    assert status == 503
    assert [name for name, well in found.items() if not well] == ["migrations"]


@pytest.mark.parametrize("company", ["DEMO", "OTHER"])
def test_not_ready_while_the_books_of_any_company_are_broken(api: ApiClient, company: str) -> None:
    beat_all()
    with db.scope(company_id=company_id(company)), db.transaction() as session:
        overdue = session.info["now"] - timedelta(seconds=61)
        outbox.enqueue(session, topic=cases.ALERT_TOPIC, key=new_id(), due_at=overdue)

    answer = api.anonymous.get("/readyz")

    assert answer.status_code == 503
    (books,) = [each for each in answer.json["checks"] if not each["ok"]]
    assert books == {"name": "books", "ok": False, "detail": "outbox_is_on_time"}


def test_a_heartbeat_is_the_system_s_to_write(api: ApiClient) -> None:
    with (
        pytest.raises(Exception, match="permission denied"),
        api.as_("staff").scope(),
        db.transaction() as session,
    ):
        session.execute(text("INSERT INTO heartbeats VALUES ('relay', now())"))


def test_metrics_count_operations_and_statuses(common: ApiClient) -> None:
    def count(line: str) -> float:
        for each in common.anonymous.get("/metrics").text.splitlines():
            if each.startswith(line + " "):
                return float(each.rpartition(" ")[2])
        return 0.0

    line = 'pettycash_http_requests_total{operation="health.live",status="200"}'
    before = count(line)
    common.anonymous.get("/healthz")
    answer = common.anonymous.get("/metrics")

    assert count(line) == before + 1
    assert answer.content_type.startswith("text/plain")


def test_metrics_name_no_paths(common: ApiClient) -> None:
    common.anonymous.get("/api/secret-looking-path/")
    common.as_("staff").get("/api/auth/me/")

    assert "secret-looking" not in common.anonymous.get("/metrics").text


def test_metrics_count_open_messages_and_signs_of_life(api: ApiClient) -> None:
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        now = session.info["now"]
        for due_at in (now - timedelta(seconds=90), now + timedelta(days=1)):
            outbox.enqueue(session, topic=cases.ALERT_TOPIC, key=new_id(), due_at=due_at)
    with db.system_transaction() as session:
        heartbeats.beat(session, name="relay", now=session.info["now"])

    numbers = dict(
        line.rsplit(" ", 1)
        for line in api.anonymous.get("/metrics").text.splitlines()
        if line.startswith("pettycash_")
    )

    assert numbers["pettycash_database_up"] == "1.0"
    assert numbers['pettycash_outbox_messages{state="due",topic="notifications.alert"}'] == "1.0"
    assert (
        numbers['pettycash_outbox_messages{state="waiting",topic="notifications.alert"}'] == "1.0"
    )
    assert (
        numbers['pettycash_outbox_messages{state="dead_lettered",topic="notifications.alert"}']
        == "0.0"
    )
    assert 90 <= float(numbers['pettycash_outbox_late_seconds{topic="notifications.alert"}']) < 300
    assert 0 <= float(numbers['pettycash_heartbeat_age_seconds{part="relay"}']) < 60
