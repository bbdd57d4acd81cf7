"""`security events`: what the host reads of the security log, that of no company too."""

from pettycash.runtime import db
from pettycash.services.foundation import security_log
from tests.cli.conftest import Command


def test_the_newest_events_are_shown_and_filtered(command: Command) -> None:
    command("users", "deactivate", "staff", "--company", "DEMO")
    with db.scope(source="test", request_id="r-nobody"), db.system_transaction() as session:
        security_log.record(
            session, event="auth.login", outcome="refused", detail={"code": "a\nb\tc"}
        )

    found = command("security", "events", "--json").json["events"]
    assert [each["event"] for each in found[:2]] == ["auth.login", "user.updated"]
    assert (found[0]["company"], found[1]["company"]) == (None, "DEMO")
    for words in (
        ("--event", "auth.login"),
        ("--outcome", "refused"),
        ("--request-id", "r-nobody"),
    ):
        (only,) = command("security", "events", *words, "--json").json["events"]
        assert only["id"] == found[0]["id"]
    demo = command("security", "events", "--company", "DEMO", "--json").json["events"]
    assert {each["company"] for each in demo} == {"DEMO"}
    assert command("security", "events", "--since", "2999-01-01", "--json").json == {"events": []}
    assert len(command("security", "events", "-n", "1", "--json").json["events"]) == 1
    header, *rows = command("security", "events").output.splitlines()
    assert header.split("\t")[:3] == ["created_at", "company", "event"]
    assert all(len(row.split("\t")) == 8 for row in rows)


def test_a_person_is_named_however_they_are_spelt(command: Command) -> None:
    assert command("users", "send-link", " STAFF\u200b", "--company", "DEMO").exit_code == 0
    assert command("security", "events", "--user", "Staff ", "--json").exit_code == 0
