"""`import`: a sheet is tried on the host, and written by nobody alone."""

import csv
import io
from pathlib import Path

from sqlalchemy import func, select

from pettycash.models.access import User
from pettycash.runtime import db
from tests.cli.conftest import Command
from tests.factories.sheets import row, sheet

REGION, PERSON = row("region", "LAKE", "Lake"), row("person", "amina", "Amina", email="a@b.example")


def people() -> int:
    with db.system_transaction() as session:
        found: int = session.execute(select(func.count()).select_from(User)).scalar_one()
    return found


def test_errors_are_told_by_row(command: Command, tmp_path: Path) -> None:
    file, before = tmp_path / "people.csv", people()
    file.write_bytes(sheet(REGION, PERSON | {"phone": "0712"}))

    found = command("import", "check", "people", str(file), "--company", "DEMO")

    assert found.exit_code == 1
    assert "3\tPhone\tThis phone number can't exist.\tuser.invalid\n" in found.output
    as_json = command("import", "check", "people", str(file), "--company", "DEMO", "--json")
    assert (as_json.exit_code, as_json.json["digest"]) == (1, None)
    assert as_json.json["errors"] == [
        {"row": 3, "column": "Phone", "code": "user.invalid",
         "message": "This phone number can't exist."},
    ]  # fmt: skip
    assert people() == before


def test_a_sheet_without_errors_tells_what_it_would_do(command: Command, tmp_path: Path) -> None:
    file, before = tmp_path / "people.csv", people()
    file.write_bytes(sheet(REGION, PERSON))

    found = command("import", "check", "people", str(file), "--company", "DEMO", "--json")

    assert found.exit_code == 0, found.output
    assert len(found.json["digest"]) == 64
    assert found.json["counts"] == [
        {"kind": "region", "created": 1, "updated": 0, "unchanged": 0},
        {"kind": "person", "created": 1, "updated": 0, "unchanged": 0},
    ]
    assert "region\t1\t0\t0\n" in command(
        "import", "check", "people", str(file), "--company", "DEMO"
    ).output  # fmt: skip
    assert people() == before


def test_the_template_is_written(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"

    assert (
        command("import", "template", "people", "--format", "csv", "--to", str(file)).output == ""
    )

    lines = list(csv.reader(io.StringIO(file.read_text("utf-8-sig"), newline="")))
    assert lines[0][:3] == ["Kind", "Code", "Name"]
