"""Imports over HTTP: one administrator proposes what was checked, a second one confirms it."""

import csv
import io
from typing import Any

from openpyxl import load_workbook
from sqlalchemy import select
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from pettycash.models.access import SignInLink, User
from pettycash.models.operations import OutboxMessage
from pettycash.runtime.db import transaction
from pettycash.services.access.identity import links
from pettycash.services.reconciliation.invariants import check_all
from tests.api.client import ApiClient, Caller
from tests.factories.sheets import row, sheet

ROWS = (
    row("region", "LAKE", "Lake"),
    row("branch", "KISUMU", "Kisumu", region="LAKE"),
    row("person", "amina", "Amina", branch="KISUMU", email="amina@example.org",
        roles="staff, branch manager"),
    row("person", "baraka", "Baraka", branch="KISUMU", email="baraka@example.org", roles="staff"),
)  # fmt: skip


def sent(caller: Caller, verb: str, content: bytes, **fields: str) -> TestResponse:
    data: dict[str, Any] = {"file": (io.BytesIO(content), "people.csv"), **fields}
    path = f"/api/imports/people/{verb}/"
    return caller.post(path, data=data, content_type="multipart/form-data", key=True)


def proposed(caller: Caller, content: bytes) -> TestResponse:
    digest = sent(caller, "check", content).json["digest"]
    return sent(caller, "propose", content, digest=digest, reason="The lake.")


def confirmed(api: ApiClient, content: bytes) -> None:
    asked = proposed(api.as_("admin"), content).json
    body = {"decision_digest": asked["decision_digest"]}
    done = api.as_("admin_2").post(f"/api/changes/{asked['id']}/confirm/", json=body)
    assert done.status_code == 200, done.json


def test_a_sheet_is_checked_proposed_and_confirmed_whole(api: ApiClient) -> None:
    first, second = api.as_("admin"), api.as_("admin_2")

    checked = sent(first, "check", sheet(*ROWS))
    assert checked.status_code == 200, checked.json
    assert checked.json["errors"] == checked.json["updates"] == []
    assert [(each["kind"], each["created"]) for each in checked.json["counts"]] == [
        ("region", 1), ("branch", 1), ("person", 2),
    ]  # fmt: skip
    assert first.get("/api/regions/?code=LAKE").json["items"] == []

    asked = proposed(first, sheet(*ROWS))
    assert asked.status_code == 202, asked.json
    assert asked.json["decision_digest"] == checked.json["digest"]
    assert set(asked.json["payload"]) == {"import", "file", "counts", "notes"}
    assert asked.json["payload"]["notes"][0] == "amina: staff, branch_manager"
    path = f"/api/changes/{asked.json['id']}/"
    assert asked.headers["Location"] == path
    [listed] = second.get("/api/changes/?kind=people_import").json["items"]
    assert listed["payload"] == asked.json["payload"]
    whole = second.get(path).json["payload"]["rows"]
    assert [(each["row"], each["outcome"]) for each in whole] == [
        (2, "created"), (3, "created"), (4, "created"), (5, "created"),
    ]  # fmt: skip
    assert whole[2]["values"]["roles"] == ["staff", "branch_manager"]
    assert "rows" in api.as_("cfo").get(path).json["payload"]
    for reader in ("auditor", "treasury", "operator"):  # who see no phones in lists of people
        assert api.as_(reader).get(path).json["payload"] == asked.json["payload"]

    body = {"decision_digest": asked.json["decision_digest"]}
    own = first.post(f"{path}confirm/", json=body)
    assert (own.status_code, own.json["code"]) == (403, "decision.own")
    done = second.post(f"{path}confirm/", json=body, key=True)
    assert (done.status_code, done.json["status"]) == (200, "effective"), done.json

    amina = first.get("/api/users/?username=amina").json["items"][0]
    assert [each["role"] for each in amina["roles"]] == ["staff", "branch_manager"]
    assert amina["must_change_password"] is True
    with first.scope(), transaction() as session:
        found = session.execute(
            select(OutboxMessage.topic)
            .join(SignInLink, SignInLink.id == OutboxMessage.key)
            .join(User, User.id == SignInLink.user_id)
            .where(User.username.in_(("amina", "baraka")))
        ).scalars()
        assert list(found) == [links.TOPIC] * 2
        audited = check_all(session, now=session.info["now"])
        assert [each for each in audited if not each.ok] == []


def test_a_second_sheet_changes_what_the_first_one_made(api: ApiClient) -> None:
    admin = api.as_("admin")
    moved = (
        row("region", "LAKE", "Lake Victoria"),
        row("person", "amina", "Amina", branch="WESTLANDS", roles="department head"),
        row("person", "baraka", "Baraka", department="OPS", roles="department head"),
    )
    confirmed(api, sheet(*ROWS))
    refused = sent(admin, "check", sheet(*moved)).json["errors"]
    assert [(each["row"], each["code"]) for each in refused] == [
        (3, "role_assignment.invalid")  # she works in no department
    ]
    moved[1]["department"] = "OPS"

    assert sent(admin, "check", sheet(*moved)).json["updates"] == [
        {"row": 2, "kind": "region", "changed": {"name": ["Lake", "Lake Victoria"]}},
        {"row": 3, "kind": "person", "changed": {
            "branch": ["KISUMU", "WESTLANDS"], "department": [None, "OPS"],
            "roles": [None, "department_head"]}},
        {"row": 4, "kind": "person", "changed": {
            "department": [None, "OPS"], "roles": [None, "department_head"]}},
    ]  # fmt: skip
    confirmed(api, sheet(*moved))

    baraka = admin.get("/api/users/?username=baraka").json["items"][0]
    assert [each["role"] for each in baraka["roles"]] == ["staff", "department_head"]


def test_nothing_is_proposed_that_was_not_checked(common: ApiClient) -> None:
    admin = common.as_("admin")
    digest = sent(admin, "check", sheet(*ROWS)).json["digest"]

    other = sent(admin, "propose", sheet(*ROWS[:2]), digest=digest, reason="Another file.")
    assert (other.status_code, other.json["code"]) == (409, "import.stale")
    wrong = sent(admin, "propose", sheet(ROWS[1]), digest=digest, reason="Without its region.")
    assert (wrong.status_code, wrong.json["code"]) == (422, "import.rows_refused")
    assert list(wrong.json["errors"]) == ["row 2"]
    unsaid = sent(admin, "propose", sheet(*ROWS))
    assert (unsaid.status_code, set(unsaid.json["errors"])) == (422, {"digest", "reason"})


def test_what_is_wrong_is_told_by_row_and_column(common: ApiClient) -> None:
    wrong = sheet(*ROWS, row("branch", "B", "B", region="NOWHERE"))

    run = sent(common.as_("admin"), "check", wrong).json

    assert run["digest"] is None
    assert run["errors"] == [
        {
            "row": 6,
            "column": "Region",
            "code": "organisation.unknown_unit",
            "message": "There is no active region with this code.",
        }
    ]


def test_another_form_is_refused(common: ApiClient) -> None:
    admin = common.as_("admin")
    for content, fields, status, code in (
        (b"\0", {}, 422, "import.not_a_sheet"),
        (b"Kind,Code\n", {}, 422, "import.columns"),
        (sheet(), {}, 422, "import.no_rows"),
        (sheet(*ROWS), {"more": "1"}, 422, "request.invalid"),
        (sheet(*ROWS), {"more": "\0"}, 400, "request.unreadable_text"),
        (sheet(*ROWS), {"file": "1"}, 422, "request.given_twice"),
    ):
        data = [("file", (io.BytesIO(content), "people.csv")), *fields.items()]
        refused = admin.post(
            "/api/imports/people/check/",
            data=MultiDict(data),
            content_type="multipart/form-data",
        )
        assert (refused.status_code, refused.json["code"]) == (status, code), fields


def test_only_administrators_import(common: ApiClient) -> None:
    for who in ("cfo", "auditor", "treasury"):
        assert sent(common.as_(who), "check", sheet(*ROWS)).status_code == 403


def test_the_template_comes_in_two_formats(common: ApiClient) -> None:
    admin = common.as_("admin")

    as_xlsx = admin.get("/api/imports/people/template/")
    assert as_xlsx.headers["Content-Disposition"] == "attachment; filename=people.xlsx"
    book = load_workbook(io.BytesIO(as_xlsx.data))
    assert [each.value for each in book.worksheets[0][1]][:3] == ["Kind", "Code", "Name"]
    assert book.worksheets[0]["J5"].number_format == "@"  # a phone keeps its zero
    as_csv = admin.get("/api/imports/people/template/?format=csv")
    lines = list(csv.reader(io.StringIO(as_csv.data.decode("utf-8-sig"), newline="")))
    assert [line[0] for line in lines] == ["Kind", "region", "branch", "department", "person"]
