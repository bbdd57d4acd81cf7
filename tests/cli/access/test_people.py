"""`users` and `company`: whoever runs the host admits, deactivates and begins companies."""

import pytest
from sqlalchemy import func, select

from pettycash.models.access import Company, RoleAssignment, SecurityEvent, SignInLink, User
from pettycash.runtime import db
from pettycash.services.access import onboarding, people
from pettycash.services.access.identity import sessions, totp, usernames
from pettycash.services.foundation import company_settings
from tests.cli.conftest import Command
from tests.factories.people import company_id
from tests.servers import Database


def _user(username: str) -> User:
    with db.system_transaction() as session:
        return session.execute(select(User).where(User.username == username)).scalar_one()


def _listed(command: Command, company: str = "DEMO") -> dict[str, dict[str, object]]:
    found = command("users", "list", "--company", company, "--json").json["users"]
    return {each["username"]: each for each in found}


def test_people_are_listed_by_company(command: Command) -> None:
    demo = _listed(command)

    assert demo["treasury"]["roles"] == ["treasury"]
    assert demo["treasury"]["mfa_enrolled"] is True
    assert "other_company" not in demo
    assert "other_company" in _listed(command, "OTHER")
    table = command("users", "list", "--company", "DEMO")
    assert table.exit_code == 0
    assert "treasury_2" in table.output


def test_a_company_is_named_where_there_are_two(command: Command) -> None:
    refused = command("users", "list")
    unknown = command("users", "list", "--company", "NOWHERE")

    assert refused.exit_code != 0
    assert "DEMO, OTHER" in refused.output
    assert "no active company NOWHERE" in unknown.output


def test_somebody_is_admitted_and_nobody_knows_their_password(command: Command) -> None:
    done = command(
        "users", "create", "Cashier.One", "--name", "Cashier", "--email", "c@demo.example",
        "--company", "DEMO", "--json",
    )  # fmt: skip

    assert done.json == {"username": "cashier.one", "link_sent_to": "c@demo.example"}
    user = _user("cashier.one")
    assert _links_owed(user) == 1
    assert sessions.has_temporary_password(user.password_changed_at)
    assert _listed(command)["cashier.one"]["roles"] == []
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        event = session.execute(
            select(SecurityEvent).where(SecurityEvent.event == "user.created")
        ).scalar_one()
    assert event.request_id is not None
    assert event.request_id.startswith("cli:")
    again = command(
        "users", "create", "cashier.one", "--name", "C", "--email", "c@demo.example",
        "--company", "DEMO",
    )  # fmt: skip
    assert isinstance(again.refusal, people.UsernameTaken)


def test_an_address_is_one_on_the_command_line_too(command: Command) -> None:
    for email in ("nobody", "a@demo.example,b@demo.example"):
        refused = command("users", "create", "new.one", "--name", "New", "--email", email,
                          "--company", "DEMO")  # fmt: skip
        assert isinstance(refused.refusal, usernames.InvalidPerson), email


def test_somebody_is_deactivated(command: Command) -> None:
    assert command("users", "deactivate", "staff", "--company", "DEMO").exit_code == 0

    assert _listed(command)["staff"]["is_active"] is False
    last = command("users", "deactivate", "cfo", "--company", "DEMO")
    assert last.exit_code == 0
    assert "warning: Nobody else is cfo:" in last.output
    assert "(leaving.last_approver)" in last.output
    unknown = command("users", "deactivate", "other_company", "--company", "DEMO")
    assert isinstance(unknown.refusal, totp.UserNotFound)


def test_a_second_factor_is_reset(command: Command) -> None:
    assert command("users", "reset-mfa", "admin", "--company", "DEMO").exit_code == 0

    assert _user("admin").totp_seed is None
    assert _listed(command)["admin"]["mfa_enrolled"] is False


@pytest.mark.parametrize("who", ["treasury", "cfo", "custodian"])
def test_whoever_runs_the_host_resets_no_releasers_factor_alone(command: Command, who: str) -> None:
    """Two people do that; the command line was a way round them."""
    refused = command("users", "reset-mfa", who, "--company", "DEMO")

    assert isinstance(refused.refusal, people.ResetNeedsTwoPeople)
    assert _user(who).totp_seed is not None


def _links_owed(user: User) -> int:
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        return session.execute(
            select(func.count())
            .select_from(SignInLink)
            .where(SignInLink.user_id == user.id, SignInLink.used_at.is_(None))
        ).scalar_one()


def test_who_forgot_a_password_gets_a_link(command: Command) -> None:
    for _ in range(2):
        done = command("users", "send-link", "STAFF", "--company", "DEMO")
        assert done.exit_code == 0

    assert _links_owed(_user("staff")) == 1, "the newest alone counts"
    unknown = command("users", "send-link", "nobody", "--company", "DEMO")
    assert isinstance(unknown.refusal, totp.UserNotFound)


BEGIN = (
    "company", "create", "THIRD", "--name", "Third organisation", "--currency", "UGX",
    "--timezone", "Africa/Kampala",
)  # fmt: skip
ADMINS = ("--admin", "first.admin", "a@third.example", "--admin", "Second.Admin", "b@third.example")


def test_a_company_begins_with_two_administrators(command: Command) -> None:
    done = command(*BEGIN, *ADMINS, "--json")

    assert done.json["administrators"] == ["first.admin", "second.admin"]
    listed = _listed(command, "THIRD")
    assert {name: each["roles"] for name, each in listed.items()} == {
        "first.admin": ["admin"],
        "second.admin": ["admin"],
    }
    with db.scope(company_id=company_id("THIRD")), db.transaction() as session:
        policy = company_settings.current(session)
        assert (policy.version, policy.timezone, policy.currency) == (1, "Africa/Kampala", "UGX")
        assert session.execute(select(Company.bootstrapped_at)).scalar_one() is not None
        proposers = session.execute(select(RoleAssignment.proposed_by)).scalars().all()
        assert proposers == [None, None]
        recorded = session.execute(
            select(SecurityEvent.detail).where(SecurityEvent.event == "company.bootstrapped")
        ).scalar_one()
        assert recorded["people"] == {"first.admin": ["admin"], "second.admin": ["admin"]}
    assert isinstance(command(*BEGIN, *ADMINS).refusal, onboarding.CompanyExists)


@pytest.mark.parametrize(
    "admins",
    [
        ("--admin", "first.admin", "a@third.example"),
        ("--admin", "one.admin", "a@third.example", "--admin", "ONE.admin", "b@third.example"),
    ],
)
def test_one_administrator_is_not_enough(command: Command, admins: tuple[str, ...]) -> None:
    refused = command(*BEGIN, *admins)

    assert refused.exit_code == 2
    assert "two different administrators" in refused.output


def test_a_beginning_that_failed_is_taken_up_again(command: Command) -> None:
    taken = command(
        *BEGIN, "--admin", "admin", "a@third.example", "--admin", "x.admin", "b@third.example"
    )
    assert isinstance(taken.refusal, people.UsernameTaken)

    assert command(*BEGIN, *ADMINS).exit_code == 0
    assert set(_listed(command, "THIRD")) == {"first.admin", "second.admin"}


def test_a_company_is_set_up_once(live: Database) -> None:
    with (
        db.scope(company_id=company_id("DEMO")),
        db.transaction() as session,
        pytest.raises(onboarding.AlreadyBootstrapped),
    ):
        onboarding.bootstrap(
            session,
            company_id=company_id("DEMO"),
            people=[],
            settings={},
            now=session.info["now"],
        )
