"""Lists by cursor: nothing lost, nothing twice, and a cursor is good only where it was given."""

from typing import Any

import pytest
from sqlalchemy import event, text

from pettycash.models.access import Department
from pettycash.models.base import new_id
from pettycash.runtime import db
from tests.api.client import ApiClient, Caller
from tests.api.probe import Probe


def fill(caller: Caller, names: list[str]) -> None:
    with caller.scope(), db.transaction() as session:
        session.add_all(
            Department(id=new_id(), company_id=caller.company_id, code=f"P-{new_id()}", name=name)
            for name in names
        )


def walk(caller: Caller, query: str, between: Any = lambda: None) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = caller.get(f"/api/probe/?{query}{cursor}")
        assert answer.status_code == 200, answer.json
        items += answer.json["items"]
        if answer.json["next_cursor"] is None:
            return items
        cursor = f"&cursor={answer.json['next_cursor']}"
        between()


def test_a_walk_meets_everything_once(api: ApiClient, probe: Probe) -> None:
    staff = api.as_("staff")
    fill(staff, [f"name {number % 5}" for number in range(103)])  # many equal first keys
    everything = walk(staff, "limit=200")
    for limit in (1, 7, 200):
        walked = walk(staff, f"limit={limit}")
        assert [each["id"] for each in walked] == [each["id"] for each in everything]
    assert len({each["id"] for each in everything}) == len(everything) > 100


def test_inserts_during_a_walk_lose_and_repeat_nothing(api: ApiClient, probe: Probe) -> None:
    staff = api.as_("staff")
    fill(staff, [f"name {number:03d}" for number in range(0, 60, 2)])
    before = {each["id"] for each in walk(staff, "limit=200")}
    numbers = iter(range(1, 60, 2))

    walked = walk(staff, "limit=3", between=lambda: fill(staff, [f"name {next(numbers, 1):03d}"]))

    ids = [each["id"] for each in walked]
    assert len(ids) == len(set(ids))
    assert before <= set(ids)
    names = [each["name"] for each in walked]
    assert names == sorted(names)


def test_a_page_has_as_many_items_as_asked_for(api: ApiClient, probe: Probe) -> None:
    staff = api.as_("staff")
    fill(staff, ["x"] * 60)
    for query, size in (("", 50), ("limit=1", 1), ("limit=60&name=", 60)):
        found = staff.get(f"/api/probe/?{query}").json
        assert len(found["items"]) == size


def test_a_list_that_ends_on_the_page_s_edge_has_no_next(api: ApiClient, probe: Probe) -> None:
    staff = api.as_("staff")
    total = len(walk(staff, "limit=200"))
    exact = staff.get(f"/api/probe/?limit={total}").json

    assert len(exact["items"]) == total
    assert exact["next_cursor"] is None


@pytest.fixture
def cursor(common: ApiClient, probe: Probe) -> str:
    with common.as_("staff").scope(), db.transaction() as session:
        assert session.execute(text("SELECT count(*) > 1 FROM departments")).scalar()
    return str(common.as_("staff").get("/api/probe/?limit=1&q=e").json["next_cursor"])


def refused(caller: Caller, path: str) -> bool:
    answer = caller.get(path)
    return (answer.status_code, answer.json.get("code")) == (422, "request.cursor_invalid")


def test_a_cursor_works_where_it_was_given_with_any_limit(
    common: ApiClient, probe: Probe, cursor: str
) -> None:
    for caller in (common.as_("staff"), common.as_("treasury")):
        assert caller.get(f"/api/probe/?q=e&limit=5&cursor={cursor}").status_code == 200


def test_a_cursor_is_refused_anywhere_else(common: ApiClient, probe: Probe, cursor: str) -> None:
    staff, other = common.as_("staff"), common.as_("other_company")

    assert refused(staff, f"/api/probe/?cursor={cursor}")
    assert refused(staff, f"/api/probe/?q=x&cursor={cursor}")
    assert refused(staff, f"/api/auth/sessions/?cursor={cursor}")
    assert refused(other, f"/api/probe/?q=e&cursor={cursor}")


# Not the last letter: two of its six bits are no part of the signature, so it may change unnoticed.
@pytest.mark.parametrize("position", [0, 5, 20, -2])
def test_a_cursor_that_was_tampered_with_is_refused(
    common: ApiClient, probe: Probe, cursor: str, position: int
) -> None:
    letters = list(cursor)
    letters[position] = "A" if letters[position] != "A" else "B"

    assert refused(common.as_("staff"), f"/api/probe/?q=e&cursor={''.join(letters)}")


@pytest.mark.parametrize("made_up", ["x", ".", "Ig.Ig", "null", "0", "%7B%7D", "PHg.abc"])
def test_a_made_up_cursor_is_refused(common: ApiClient, probe: Probe, made_up: str) -> None:
    assert refused(common.as_("staff"), f"/api/probe/?cursor={made_up}")


def test_search_takes_signs_literally_and_any_case(api: ApiClient, probe: Probe) -> None:
    staff = api.as_("staff")
    fill(staff, ["100% Fuel", "100 litres", "snake_case", "snakeXcase", "Ngũgĩ Street"])

    def names(words: str) -> set[str]:
        found = staff.get("/api/probe/", query_string={"q": words}).json["items"]
        return {each["name"] for each in found}

    assert names("100%") == {"100% Fuel"}
    assert names("SNAKE_") == {"snake_case"}
    assert names("fuel 100") == {"100% Fuel"}
    assert names("ngũgĩ") == {"Ngũgĩ Street"}
    assert names("\\") == set()
    assert names("' OR 1=1 --") == set()


def test_days_are_the_company_s_and_both_ends_are_in(api: ApiClient, probe: Probe) -> None:
    staff = api.as_("staff")
    fill(staff, ["before", "first", "last", "after"])
    instants = {
        "before": "2026-03-09 20:59:59.999999+00",  # 23:59 of the 9th in Nairobi
        "first": "2026-03-09 21:00:00+00",
        "last": "2026-03-11 20:59:59.999999+00",
        "after": "2026-03-11 21:00:00+00",
    }
    with staff.scope(), db.transaction() as session:
        for name, instant in instants.items():
            session.execute(
                text("UPDATE departments SET created_at = :instant WHERE name = :name"),
                {"instant": instant, "name": name},
            )
    found = staff.get("/api/probe/?from=2026-03-10&to=2026-03-11").json["items"]

    assert {each["name"] for each in found} == {"first", "last"}


def test_a_page_costs_the_same_wherever_it_is(api: ApiClient, probe: Probe) -> None:
    """One statement, that begins where the page before ended: no OFFSET, no count."""
    staff = api.as_("staff")
    statements: list[str] = []
    fill(staff, [f"n{number:04d}" for number in range(300)])
    cursor = staff.get("/api/probe/?limit=150").json["next_cursor"]

    def watch(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(db.engine(), "before_cursor_execute", watch)
    try:
        assert staff.get(f"/api/probe/?limit=50&cursor={cursor}").status_code == 200
    finally:
        event.remove(db.engine(), "before_cursor_execute", watch)
    listing = [each for each in statements if "FROM departments" in each]
    assert len(listing) == 1
    assert "OFFSET" not in listing[0].upper()
    assert "LIMIT" in listing[0].upper()
