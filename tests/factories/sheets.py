"""Sheets of people and units, as somebody would fill them in."""

import csv
import io

from pettycash.services.imports import PEOPLE


def row(kind: str, code: str, name: str = "Somebody", **more: str) -> dict[str, str]:
    """A row, by field."""
    return {"kind": kind, "code": code, "name": name, **more}


def sheet(*rows: dict[str, str], separator: str = ",") -> bytes:
    """A CSV with all columns."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(PEOPLE.titles.values())
    for each in rows:
        writer.writerow([each.get(name, "") for name in PEOPLE.titles])
    return text.getvalue().encode()


def company_of_40_branches() -> list[dict[str, str]]:
    """200 people, five in each of 40 branches, 6 departments, 4 regions; in no order of rank."""
    people = [
        row(
            "person",
            f"person.{n:03}",
            f"Person {n:03}",
            branch=f"B{n % 40:02}",
            department=f"D{n % 6}",
            email=f"person.{n:03}@example.org",
            phone=f"07130{n:05}",
            roles="staff, branch manager" if n < 40 else "staff",
        )
        for n in range(200)
    ]
    departments = [row("department", f"D{n}", f"Department {n}") for n in range(6)]
    branches = [row("branch", f"B{n:02}", f"Branch {n:02}", region=f"R{n % 4}") for n in range(40)]
    regions = [row("region", f"R{n}", f"Region {n}") for n in range(4)]
    return [*people, *departments, *branches, *regions]
