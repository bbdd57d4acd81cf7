"""An import of people and units: tried, told row by row, proposed and confirmed whole."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash.models.access import (
    Branch,
    Department,
    Membership,
    Region,
    Role,
    RoleAssignment,
    ScopeKind,
    SecurityEvent,
    SignInLink,
    User,
)
from pettycash.models.operations import Change, ChangeStatus
from pettycash.services import imports
from pettycash.services.access import organisation, people
from pettycash.services.foundation import decisions, log_events, outbox
from pettycash.services.foundation.file_formats import FileFormat
from pettycash.services.foundation.uow import Uow
from pettycash.services.imports import PEOPLE, By, Outcome, Result, RowError
from pettycash.services.imports.declared import Row
from pettycash.services.imports.runs import ColumnsDiffer, NoRows, RowsRefused, StaleImport
from pettycash.services.operations import changes
from tests.factories.people import acting, user_id
from tests.factories.sheets import company_of_40_branches, row, sheet

REGION = row("region", "LAKE", "Lake")
BRANCH = row("branch", "KISUMU", "Kisumu", region="LAKE")
PERSON = row(
    "person", "amina", "Amina", branch="KISUMU", department="OPS", email="amina@example.org",
    phone="0712345678", roles="Staff; Branch Manager",
)  # fmt: skip


def tried(session: Session, content: bytes, **more: Any) -> imports.Run:
    actor = acting(session, "admin")
    return imports.check(
        session, PEOPLE, filename="people.csv", content=content, actor=actor, **more
    )


def proposed(session: Session, content: bytes, digest: str | None = None) -> Change:
    run = tried(session, content)
    assert run.errors == [], [str(each) for each in run.errors]
    return imports.propose(
        Uow.of(session, acting(session, "admin")),
        PEOPLE,
        filename="people.csv",
        content=content,
        digest=digest or str(run.digest),
        reason="The lake.",
    )


def confirmed(session: Session, change: Change, by: str = "admin_2") -> Change:
    assert change.digest is not None
    return changes.confirm(
        Uow.of(session, acting(session, by)), change_id=change.id, digest=change.digest.hex()
    )


def imported(session: Session, *rows: dict[str, str]) -> list[dict[str, Any]]:
    change = confirmed(session, proposed(session, sheet(*rows)))
    found: list[dict[str, Any]] = change.payload["counts"]
    return found


def told(run: imports.Run) -> list[tuple[int, str | None, str]]:
    return [(each.row, each.column, each.code) for each in run.errors]


def written(session: Session) -> list[int]:
    """How many rows there are of all that an import writes."""
    tables = (Region, Branch, Department, User, Membership, RoleAssignment, SignInLink)
    tables += (SecurityEvent, Change)
    return [session.execute(select(func.count()).select_from(each)).scalar_one() for each in tables]


def test_forty_branches_and_two_hundred_people_with_errors_in_three_rows(
    session: Session,
) -> None:
    rows = company_of_40_branches()
    rows[16] |= {"phone": "0712"}
    rows[99] |= {"branch": "B77"}
    rows[150] |= {"roles": "staff, treasury, cfo"}
    before, done = written(session), []

    run = tried(session, sheet(*rows), progress=lambda *each: done.append(each))

    assert [str(each) for each in run.errors] == [
        "row 18, Phone: This phone number can't exist. (user.invalid)",
        "row 101, Branch: There is no active branch with this code. (organisation.unknown_unit)",
        (
            "row 152, Roles: One person can't hold cfo and treasury at one time."
            " (role_assignment.incompatible)"
        ),
    ]
    assert run.digest is None
    assert (done[0], done[-1], len(done)) == ((1, 250), (250, 250), 250)
    assert written(session) == before

    assert [(each["kind"], each["created"]) for each in run.counts] == [
        ("region", 4), ("branch", 40), ("department", 6), ("person", 197),
    ]  # fmt: skip


def test_the_log_has_nothing_of_what_was_only_tried(session: Session) -> None:
    log_events.log_event(session, "before")
    lines = list(session.info[log_events.LINES])

    assert tried(session, sheet(REGION, BRANCH, PERSON)).errors == []

    assert session.info[log_events.LINES] == lines
    assert outbox.ENQUEUED not in session.info


def test_who_is_imported_has_place_roles_and_a_link(session: Session) -> None:
    imported(session, PERSON, BRANCH, REGION)

    user, member = session.execute(
        select(User, Membership).join(Membership).where(User.username == "amina")
    ).one()
    branch = session.execute(select(Branch).where(Branch.code == "KISUMU")).scalar_one()
    assert (user.display_name, user.email, member.phone) == (
        "Amina", "amina@example.org", "+254712345678",
    )  # fmt: skip
    assert member.branch_id == branch.id
    held = session.execute(
        select(RoleAssignment).where(RoleAssignment.user_id == user.id)
    ).scalars()
    assert {(each.role, each.scope_kind, each.scope_id) for each in held} == {
        (Role.STAFF, ScopeKind.SELF, None),
        (Role.BRANCH_MANAGER, ScopeKind.BRANCH, branch.id),
    }
    link = session.execute(select(SignInLink).where(SignInLink.user_id == user.id)).scalar_one()
    assert link.made_by == user_id(session, "admin_2")


def test_roles_name_both_persons(session: Session) -> None:
    imported(session, PERSON | {"branch": "WESTLANDS"})

    held = session.execute(
        select(RoleAssignment.proposed_by, RoleAssignment.confirmed_by)
        .join(User, User.id == RoleAssignment.user_id)
        .where(User.username == "amina")
    ).all()
    assert set(held) == {(user_id(session, "admin"), user_id(session, "admin_2"))}


def test_the_same_sheet_again_changes_nothing(session: Session) -> None:
    imported(session, REGION, BRANCH, PERSON)
    before = written(session)

    run = tried(session, sheet(REGION, BRANCH, PERSON))

    assert [each["unchanged"] for each in run.counts] == [1, 1, 1]
    confirmed(session, proposed(session, sheet(REGION, BRANCH, PERSON)))
    assert written(session)[:-2] == before[:-2]


def test_the_same_key_changes_names_places_and_roles(session: Session) -> None:
    imported(session, REGION, BRANCH, PERSON)
    moved = PERSON | {"name": "Amina O.", "branch": "WESTLANDS", "roles": "department head"}
    renamed = BRANCH | {"name": "Kisumu Town"}

    run = tried(session, sheet(moved, renamed))

    assert [each.result.changed for each in run.applied] == [
        {"name": ("Kisumu", "Kisumu Town")},
        {
            "display_name": ("Amina", "Amina O."),
            "branch": ("KISUMU", "WESTLANDS"),
            "roles": (None, "department_head"),
        },
    ]
    imported(session, moved, renamed)
    person = people.find(session, user_id=user_id(session, "amina"))
    assert person.user.display_name == "Amina O."


def test_a_blank_cell_changes_nothing(session: Session) -> None:
    imported(session, REGION, BRANCH, PERSON)

    run = tried(session, sheet(row("person", "amina", "Amina")))

    assert [each["unchanged"] for each in run.counts] == [1]


def test_an_import_changes_no_contact_and_wakes_nobody(session: Session) -> None:
    imported(session, REGION, BRANCH, PERSON)
    person = people.find(session, user_id=user_id(session, "amina"), lock=True)
    other = PERSON | {"email": "thief@example.org", "phone": "0722000000"}

    assert told(tried(session, sheet(other))) == [
        (2, "E-mail", "import.contact_stands"),
        (2, "Phone", "import.contact_stands"),
    ]
    people.update(session, person, values={"is_active": False}, actor=None, now=session.info["now"])
    assert told(tried(session, sheet(PERSON))) == [(2, None, "import.deactivated")]
    branch = session.execute(select(Branch).where(Branch.code == "KISUMU")).scalar_one()
    organisation.update(session, branch, values={"is_active": False}, actor=None)
    assert told(tried(session, sheet(BRANCH))) == [(2, None, "import.deactivated")]


def test_nobody_is_imported_by_themselves(session: Session) -> None:
    """The proposer is told at once; a change about who confirms waits for somebody else."""
    own, other = row("person", "admin", "Me"), row("person", "admin_2", "Other name")

    assert told(tried(session, sheet(own))) == [(2, None, "decision.about_yourself")]
    change = proposed(session, sheet(other))
    with pytest.raises(RowsRefused) as refused, session.begin_nested():
        confirmed(session, change)
    assert list(refused.value.errors) == ["row 2"]
    assert "decision.about_yourself" in str(refused.value.errors)
    with pytest.raises(decisions.OwnProposal), session.begin_nested():
        confirmed(session, change, by="admin")
    assert confirmed(session, change, by="cfo").status is ChangeStatus.EFFECTIVE


def test_what_is_proposed_is_what_was_checked(session: Session) -> None:
    checked = tried(session, sheet(REGION)).digest
    assert checked is not None
    with pytest.raises(StaleImport):
        proposed(session, sheet(REGION | {"name": "Lakes"}), digest=checked)
    with pytest.raises(StaleImport):
        proposed(session, sheet(REGION, separator=";"), digest=checked)
    organisation.create(
        session, Region, values={"code": "LAKE", "name": "Lake"}, actor=acting(session, "admin")
    )
    with pytest.raises(StaleImport):
        proposed(session, sheet(REGION), digest=checked)


def test_what_is_confirmed_is_what_was_proposed_or_nothing(session: Session) -> None:
    change = proposed(session, sheet(REGION, BRANCH))
    organisation.create(
        session, Region, values={"code": "LAKE", "name": "Lake"}, actor=acting(session, "admin")
    )

    with pytest.raises(StaleImport), session.begin_nested():
        confirmed(session, change)

    assert session.execute(select(Branch).where(Branch.code == "KISUMU")).first() is None
    with pytest.raises(decisions.DigestMissing):
        changes.confirm(Uow.of(session, acting(session, "admin_2")), change_id=change.id)


def test_one_wrong_row_keeps_the_others_out(session: Session) -> None:
    content = sheet(REGION, row("branch", "X", "X", region="NOWHERE"))

    with pytest.raises(RowsRefused) as refused:
        imports.propose(
            Uow.of(session, acting(session, "admin")),
            PEOPLE,
            filename="a.csv",
            content=content,
            digest="0" * 64,
            reason="R",
        )

    assert refused.value.errors == {
        "row 3": ["Region: There is no active region with this code. (organisation.unknown_unit)"]
    }
    assert session.execute(select(Region).where(Region.code == "LAKE")).first() is None


def test_lists_and_logs_have_no_rows(session: Session) -> None:
    change = proposed(session, sheet(PERSON | {"branch": "WESTLANDS"}))

    assert set(changes.without_rows(change)) == {"import", "file", "counts", "notes"}
    event = session.execute(
        select(SecurityEvent.detail).where(SecurityEvent.event == "change.proposed")
    ).scalar_one()
    for value in ("Amina", "amina@example.org", "712345678"):
        assert value not in str(event)
    assert event["payload"]["notes"] == ["amina: staff, branch_manager"], "who gets which role"


def test_rows_are_read_by_those_who_decide_them(session: Session) -> None:
    change = proposed(session, sheet(PERSON | {"branch": "WESTLANDS"}))

    readers = ("admin", "admin_2", "cfo", "treasury", "auditor", "operator")
    whole = [who for who in readers if changes.is_read_whole(change, acting(session, who))]

    assert whole == ["admin", "admin_2", "cfo"]
    key = replace(acting(session, "admin"), client_id=uuid4())  # a reporting key's, who made it
    assert not changes.is_read_whole(change, key)


@pytest.mark.parametrize(
    ("wrong", "errors"),
    [
        (row("planet", "X"), [("Kind", "import.invalid_cell")]),
        (row("region", ""), [("Code", "import.invalid_cell")]),
        (row("region", "a b"), [("Code", "import.invalid_cell")]),
        (row("region", "X" * 33), [("Code", "import.invalid_cell")]),
        (row("region", "X", ""), [("Name", "import.invalid_cell")]),
        (row("region", "X", "a\u202eb"), [("Name", "import.invalid_cell")]),
        (row("region", "X", "a\nb"), [("Name", "import.invalid_cell")]),
        (row("region", "X", "a" * 201), [("Name", "import.invalid_cell")]),
        (row("region", "X", email="x@y.zz"), [("E-mail", "import.invalid_cell")]),
        (row("branch", "X"), [("Region", "import.invalid_cell")]),
        (row("branch", "X", region="Z"), [("Region", "organisation.unknown_unit")]),
        (row("person", "Ab"), [("Code", "import.invalid_cell")]),
        (row("person", "new.one"), [("E-mail", "user.invalid")]),
        (PERSON | {"branch": "", "email": "a@b"}, [("E-mail", "user.invalid")]),
        (PERSON | {"roles": "custodian"}, [("Roles", "import.invalid_cell")]),
        (PERSON | {"branch": "", "roles": "branch manager"},
         [("Roles", "role_assignment.invalid")]),
        (PERSON | {"branch": "", "code": "other_treasury", "roles": "staff"},
         [("Code", "user.username_taken")]),
        (PERSON | {"branch": "", "position": "NONE"}, [("Position", "organisation.unknown_unit")]),
    ],
)  # fmt: skip
def test_a_wrong_row_is_told_at_its_column(
    session: Session, wrong: dict[str, str], errors: list[tuple[str, str]]
) -> None:
    assert told(tried(session, sheet(REGION, wrong))) == [(3, *each) for each in errors]


def test_a_key_stands_once_in_a_sheet(session: Session) -> None:
    run = tried(session, sheet(PERSON | {"branch": ""}, REGION, PERSON | {"code": "AMINA"}))

    assert [str(each) for each in run.errors if each.code == "import.duplicate_key"] == [
        "row 4: Row 2 has the same Kind and Code. (import.duplicate_key)"
    ]


@pytest.mark.parametrize(
    ("titles", "errors"),
    [
        ("Kind,Code", {"Name": ["The column is missing."]}),
        ("Kind,Code,Name,Name", {"Name": ["The column stands twice."]}),
        ("Kind,Code,Name,Salary", {"Salary": ["There is no such column."]}),
        ("Kind,Code,Name,,Phone", {"blank": ["There is no such column."]}),
        ("Ki\u200bnd,Code,Name", {"Ki\u200bnd": ["There is no such column."],
                                  "Kind": ["The column is missing."]}),
        ("region,LAKE,Lake", {"LAKE": ["There is no such column."],
                                "Lake": ["There is no such column."],
                                **{each: ["The column is missing."]
                                   for each in ("Kind", "Code", "Name")}}),
    ],
)  # fmt: skip
def test_other_columns_are_refused(
    session: Session, titles: str, errors: dict[str, list[str]]
) -> None:
    with pytest.raises(ColumnsDiffer) as refused:
        tried(session, f"{titles}\nregion,LAKE,Lake\n".encode())

    assert refused.value.errors == errors


def test_titles_are_known_in_any_spelling_and_order(session: Session) -> None:
    run = tried(session, b"NAME,kind,e mail,Cost_Centre,CODE,,\r\nLake,Region,,,LAKE,,\r\n")

    assert run.errors == []
    assert run.counts == [{"kind": "region", "created": 1, "updated": 0, "unchanged": 0}]


def test_a_sheet_has_a_row_and_not_one_too_many(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoRows):
        tried(session, sheet())
    with pytest.raises(imports.sheets.TooManyRows):
        tried(session, sheet(*[REGION] * (PEOPLE.limit + 1)))
    assert tried(session, b"Kind,Code,Name\nregion,A,B,more\n").errors == [
        RowError(
            row=2,
            column=None,
            code="import.invalid_cell",
            message="The row has more cells than there are titles.",
        )
    ]


class Regions:
    """Makes a region, then refuses those that are called Wrong; tells how many there are."""

    def __init__(self, session: Session, by: By) -> None:
        self.session = session
        self.by = by

    def apply(self, row: Row) -> Result:
        if row["name"] == "There":
            return Result(kind="region", outcome=Outcome.UNCHANGED)
        values = {"code": row["code"], "name": row["name"]}
        made = organisation.create(self.session, Region, values=values, actor=self.by.actor)
        if row["name"] == "Wrong":
            raise organisation.UnitInUse
        found = written(self.session)[0]
        return Result(
            kind=made.name, outcome=Outcome.CREATED, changed={"regions": ("", str(found))}
        )

    def finish(self) -> None:
        pass


def test_what_a_refused_row_did_is_undone_and_its_key_may_have_to_be_new(session: Session) -> None:
    declared = replace(PEOPLE, name="regions", updates=False, work=Regions)
    before = written(session)[0]
    content = sheet(row("region", "A", "Wrong"), row("region", "B"), row("region", "C", "There"))

    run = imports.check(
        session, declared, filename="a.csv", content=content, actor=acting(session, "admin")
    )

    assert told(run) == [
        (2, None, "organisation.unit_in_use"), (4, None, "import.key_exists"),
    ]  # fmt: skip
    assert [each.result.changed for each in run.applied] == [{"regions": ("", str(before + 1))}]


@pytest.mark.parametrize("kind", FileFormat)
def test_the_template_is_a_sheet_that_can_be_imported(session: Session, kind: FileFormat) -> None:
    run = tried(session, imports.template(PEOPLE, kind))

    assert [str(each) for each in run.errors] == []
    assert [(each["kind"], each["created"]) for each in run.counts] == [
        ("region", 1), ("branch", 1), ("department", 1), ("person", 1),
    ]  # fmt: skip
