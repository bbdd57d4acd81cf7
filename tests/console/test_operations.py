"""Pages of operations: cases, changes, pauses, outbox, callbacks, jobs, reconciliation."""

import re

import pytest

from tests.api.client import ApiClient
from tests.console.browsing import NARROW, Browsing, look, shot
from tests.console.visiting import Visiting
from tests.security.population import populate


@pytest.fixture
def population(api: ApiClient) -> dict[str, str]:
    """One of everything."""
    return populate(api)


def first(page: str, path: str) -> str:
    """The first link of a page that leads to a thing of this kind."""
    found = re.search(rf'href="(/console/{path}/[0-9a-f-]{{36}}/)"', page)
    assert found is not None, page
    return found[1]


def test_a_case_gets_an_owner_and_its_evidence_is_read(
    visitor: Visiting, population: dict[str, str]
) -> None:
    treasury = visitor("treasury")
    place = f"/console/cases/{population['/api/cases/']}/"
    assert place in treasury.get("/console/cases/?is_open=1&is_unowned=1").text
    me = next(
        value
        for value, label in re.findall(
            r'<option value="([0-9a-f-]{36})">([^<]*)', treasury.get(f"{place}assign/").text
        )
        if label.endswith("(you)")
    )
    answer = treasury.fill(f"{place}assign/", owner_id=me)
    assert answer.status_code == 303, answer.text
    assert place not in treasury.get("/console/cases/?is_open=1&is_unowned=1").text
    page = treasury.get(place)
    assert "Nobody knows." in page.text
    assert "/evidence/" in page.text


def test_each_ending_asks_for_what_it_needs(visitor: Visiting, population: dict[str, str]) -> None:
    judge = visitor("group_finance_manager")
    place = f"/console/cases/{population['/api/cases/']}/"
    page = judge.get(place).text
    assert "It was paid" in page
    assert "The rest is lost" not in page
    answer = judge.fill(f"{place}end-paid/", note="Line 14", provider_reference="")
    assert answer.status_code == 422
    assert "f-provider_reference" in answer.text
    assert "Line 14" in answer.text
    (file_id,) = re.findall(r'<option value="([0-9a-f-]{36})"', judge.get(f"{place}end-paid/").text)
    answer = judge.fill(f"{place}end-noted/", note="")
    assert answer.status_code == 422
    assert "f-note" in answer.text
    assert file_id


def test_a_change_shows_old_beside_new_and_a_second_person_confirms(
    api: ApiClient, visitor: Visiting
) -> None:
    body = {"kind": "settings", "payload": {"small_team": True}, "reason": "Three of us"}
    made = api.as_("admin").post("/api/changes/", json=body)
    place = f"/console/changes/{made.json['id']}/"
    assert "/confirm/" not in visitor("admin").get(place).text
    second = visitor("admin_2")
    page = second.get(place).text
    assert re.search(r'data-label="Now">No</td>\s*<td data-label="Then">Yes', page)
    answer = second.fill(place + "reject/", comment="")
    assert answer.status_code == 422
    assert "f-comment" in answer.text
    answer = second.fill(place + "confirm/", comment="Agreed")
    assert answer.status_code == 303, answer.text
    assert "it holds now" in second.get(answer.location).text


def test_two_people_end_a_pause(visitor: Visiting) -> None:
    operator, treasury = visitor("operator"), visitor("treasury")
    answer = operator.fill("/console/pause/new/", scope="company", reason="A drill")
    assert answer.status_code == 303, answer.text
    place = answer.location.partition("?")[0]
    for person in (operator, treasury):
        answer = person.fill(f"{place}resume/")
        assert answer.status_code == 303, answer.text
    assert "resume/" not in treasury.get(place).text


def test_a_letter_is_retried_not_given_up_and_a_callback_replayed(
    visitor: Visiting, population: dict[str, str]
) -> None:
    operator = visitor("operator")
    place = "/console/outbox/?from=&state=waiting"
    asking = first(operator.get(f"{place}&q=payments.resolve").text, "outbox")
    refused = operator.fill(f"{asking}dead-letter/")
    assert refused.status_code == 422
    assert "pause the sending" in refused.text
    assert operator.fill(f"{asking}retry/").status_code == 303
    callback = first(operator.get("/console/callbacks/").text, "callbacks")
    answer = operator.fill(f"{callback}replay/")
    assert answer.status_code == 303, answer.text
    assert "processed again" in operator.get(answer.location).text


def test_the_pages_of_operations_are_for_all(browser: Browsing, population: dict[str, str]) -> None:
    treasury, operator, admin = (browser(each) for each in ("treasury", "operator", "admin_2"))
    case = f"cases/{population['/api/cases/']}"
    for page, path in (
        (treasury, "cases"),
        (treasury, case),
        (treasury, f"{case}/end-paid"),
        (treasury, "reconciliation"),
        (treasury, "reconciliation/new"),
        (treasury, "pause"),
        (treasury, "pause/new"),
        (admin, "changes"),
        (operator, "outbox"),
        (operator, "callbacks"),
        (operator, "jobs"),
    ):
        page.goto(f"/console/{path}/")
        shot(page, path.partition("/")[0] + path.rpartition("/")[2][:8])
        look(page, path, within=NARROW)
        page.set_viewport_size({"width": 1280, "height": 900})
    for page, path in (
        (admin, "changes"),
        (operator, "outbox"),
        (operator, "callbacks"),
        (operator, "pause"),
        (treasury, "reconciliation"),
    ):
        page.goto(f"/console/{path}/?from=")
        page.locator("table a").first.click()
        shot(page, f"{path}-one")
        look(page, f"one of {path}", within=NARROW)
        page.set_viewport_size({"width": 1280, "height": 900})
