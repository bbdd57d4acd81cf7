"""Roles in plain SQL, as the application role: two people gave each, and some never meet."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.models.access import SCOPE_OF, Role
from pettycash.runtime import db
from pettycash.services.foundation import duties
from tests.factories.people import company_id, user_id
from tests.models.test_duties import refused
from tests.races import together
from tests.servers import Database

INCOMPATIBLE, SEGREGATION, FACTS, CHECK = "PC026", "PC004", "PC009", "23514"

GIVE = """
    INSERT INTO role_assignments (id, company_id, user_id, role, scope_kind, scope_id, valid_from,
        valid_until, is_bootstrap, proposed_by, confirmed_by)
    VALUES (:id, current_company(), :person, :role, :kind, :scope, :start, :until, :bootstrap,
        :proposer, :confirmer)
"""


def give(session: Session, name: str, role: Role, **more: Any) -> str | None:
    """Insert a role of a persona; the SQLSTATE of the refusal."""
    kind = SCOPE_OF[role].value
    values = {
        "id": uuid4(),
        "person": user_id(session, name),
        "role": role.value,
        "kind": kind,
        "scope": None if kind in ("self", "company") else uuid4(),
        "start": session.info["now"],
        "until": None,
        "bootstrap": False,
        "proposer": user_id(session, "admin"),
        "confirmer": user_id(session, "admin_2"),
    }
    return refused(session, GIVE, **(values | more))


@pytest.mark.parametrize(
    ("held", "other"),
    sorted(
        (one, other)
        for pair in duties.INCOMPATIBLE_ROLES
        for one in pair
        for other in pair
        if one != other
    ),
)
def test_two_roles_that_exclude_each_other_are_refused(
    session: Session, held: Role, other: Role
) -> None:
    assert give(session, "escalation", held) is None

    assert give(session, "escalation", other) == INCOMPATIBLE


def test_two_roles_that_fit_are_given(session: Session) -> None:
    assert give(session, "cfo", Role.FPA) is None
    assert give(session, "treasury", Role.STAFF) is None
    assert give(session, "auditor", Role.STAFF) is None


def test_what_does_not_overlap_is_given(session: Session) -> None:
    later = "2100-01-01T00:00:00Z"
    assert give(session, "escalation", Role.TREASURY, until=later) is None

    assert give(session, "escalation", Role.CFO, start="2099-12-31T23:59:59Z") == INCOMPATIBLE
    assert give(session, "escalation", Role.CFO, start=later) is None


@pytest.mark.parametrize(
    "more",
    [{"proposer": None}, {"confirmer": None}, {"proposer": None, "confirmer": None}],
)
def test_a_role_with_nobodys_name_is_refused(session: Session, more: dict[str, Any]) -> None:
    assert give(session, "staff", Role.FPA, **more) == CHECK


def test_a_role_of_one_person_is_refused(session: Session) -> None:
    admin = user_id(session, "admin")

    assert give(session, "staff", Role.FPA, proposer=admin, confirmer=admin) == CHECK


@pytest.mark.parametrize("part", ["proposer", "confirmer"])
def test_nobody_has_a_part_in_a_role_of_their_own(session: Session, part: str) -> None:
    own = user_id(session, "escalation")

    assert give(session, "escalation", Role.FPA, **{part: own}) == SEGREGATION


def test_a_company_begins_once(session: Session) -> None:
    nobody = {"bootstrap": True, "proposer": None, "confirmer": None}

    assert give(session, "staff", Role.FPA, **nobody) == SEGREGATION


@pytest.mark.parametrize(
    "change",
    [
        "role = 'cfo', scope_kind = 'company'",
        "user_id = (SELECT id FROM users WHERE username = 'treasury')",
        "is_bootstrap = true",
        "valid_from = valid_from - interval '1 day'",
        "proposed_by = confirmed_by, confirmed_by = proposed_by",
        "created_at = now() - interval '1 year'",
        "valid_until = '2199-01-01'",
        "valid_until = NULL",
    ],
)
def test_a_role_that_was_given_is_only_ended(session: Session, change: str) -> None:
    given = uuid4()
    assert give(session, "staff", Role.FPA, id=given, until="2100-01-01T00:00:00Z") is None

    assert refused(session, f"UPDATE role_assignments SET {change} WHERE id = :id", id=given) == (
        FACTS
    )
    ended = "UPDATE role_assignments SET valid_until = '2099-01-01' WHERE id = :id"
    assert refused(session, ended, id=given) is None


def test_two_roles_at_once_have_one_winner(live: Database) -> None:
    demo = company_id("DEMO")

    def run(role: Role) -> None:
        with db.scope(company_id=demo), db.transaction() as session:
            session.execute(
                text(GIVE),
                {
                    "id": uuid4(),
                    "person": user_id(session, "escalation"),
                    "role": role.value,
                    "kind": "company",
                    "scope": None,
                    "start": session.info["now"],
                    "until": None,
                    "bootstrap": False,
                    "proposer": user_id(session, "admin"),
                    "confirmer": user_id(session, "admin_2"),
                },
            )

    results = together([lambda: run(Role.TREASURY), lambda: run(Role.CFO)])

    refusals = [db.sqlstate(each) for each in results if isinstance(each, DBAPIError)]
    assert refusals == [INCOMPATIBLE]
