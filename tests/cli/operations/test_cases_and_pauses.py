"""`cases`, `pause` and `resume` on the host."""

import pytest
from sqlalchemy import select

from pettycash.models.base import new_id
from pettycash.models.operations import CaseKind, PlatformPause, Severity
from pettycash.runtime import db
from pettycash.services.foundation import decisions
from pettycash.services.operations import cases, pauses
from tests.cli.conftest import Command
from tests.factories.people import company_id


def _open(company: str, severity: Severity) -> str:
    with db.scope(company_id=company_id(company)), db.transaction() as session:
        case = cases.open_case(
            session,
            kind=CaseKind.IN_DOUBT,
            object_type="payment",
            object_id=new_id(),
            summary="Was 254712345678 paid?",
            evidence={"payee": "254712345678"},
            severity=severity,
        )
        return str(case.id)


def test_cases_of_every_company_are_listed_and_masked(command: Command) -> None:
    assert "no open case" in command("cases").output
    notice, severe = _open("DEMO", Severity.NOTICE), _open("OTHER", Severity.SEVERE)

    listed = command("cases", "--json").json["cases"]

    assert [(each["company"], each["id"]) for each in listed] == [
        ("OTHER", severe),
        ("DEMO", notice),
    ]
    assert command("cases", "list", "--json").json["cases"] == listed
    only = command("cases", "list", "--company", "DEMO", "--json").json["cases"]
    assert [each["id"] for each in only] == [notice]
    shown = command("cases", "show", severe, "--json")
    assert shown.json["evidence"]["payee"].endswith("678")
    for output in (shown.output, command("cases", "show", severe).output, str(listed)):
        assert "254712345678" not in output
    assert command("cases", "show", str(new_id())).exit_code == 1


def test_everything_is_paused_by_one_and_resumed_by_two(command: Command) -> None:
    paused = command("pause", "--reason", "Fire.", "--json")
    assert paused.json["is_paused"] is True
    assert isinstance(command("pause").refusal, pauses.AlreadyPaused)
    with (
        db.scope(company_id=company_id("OTHER")),
        db.transaction() as session,
        pytest.raises(pauses.Paused),
    ):
        pauses.check(session)

    assert command("resume").exit_code == 2
    assert isinstance(command("resume", "--as", "staff").refusal, pauses.NotAPauser)
    assert isinstance(command("resume", "--as", "nobody").refusal, pauses.NotAPauser)
    first = command("resume", "--all", "--as", "operator", "--json")
    assert first.json["is_paused"] is True
    own = command("resume", "--as", "OPERATOR")
    assert isinstance(own.refusal, decisions.OwnProposal)
    second = command("resume", "--as", "treasury")
    assert "everything goes on" in second.output
    with db.system_transaction() as session:
        row = session.execute(select(PlatformPause)).scalar_one()
    assert (row.resume_requested_by, row.resumed_by) == ("operator", "treasury")


def test_a_company_a_store_and_an_account_are_paused_by_somebody_with_the_role(
    command: Command,
) -> None:
    for target in (("--company",), ("--store", "HQ-MPESA"), ("--account", "MPESA-DEMO")):
        assert command("pause", *target).exit_code == 2
        assert isinstance(command("pause", *target, "--as", "staff").refusal, pauses.NotAPauser)
        assert command("pause", *target, "--as", "cfo", "--json").json["is_paused"] is True
        assert command("resume", *target, "--as", "cfo", "--json").json["is_paused"] is True
        refused = command("resume", *target, "--as", "cfo")
        assert isinstance(refused.refusal, decisions.OwnProposal)
        assert command("resume", *target, "--as", "operator", "--json").json["is_paused"] is False


def test_a_store_of_another_company_is_not_found(command: Command) -> None:
    refused = command("pause", "--store", "KISUMU-DRAWER", "--as", "operator")

    assert refused.exit_code == 1
    assert "there is no store KISUMU-DRAWER" in refused.output
    both = command("pause", "--store", "HQ-MPESA", "--all", "--as", "operator")
    assert both.exit_code == 2
