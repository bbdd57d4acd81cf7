"""Raise and approve, by test client."""

from tests.console.visiting import Visiting, form_of

NEW = {
    "purpose": "Water for the office",
    "payee_name": "Spring Water",
    "method": "mpesa",
    "destination": "0712345678",
    "lines__0__description": "Water",
    "lines__0__amount": "1,500.00",
    "lines__0__category": "utilities",
}


def raised(visitor: Visiting) -> str:
    """The page of a new draft."""
    answer = visitor("staff").fill("/console/requisitions/new/", **NEW)
    assert answer.status_code == 303, answer.text
    return answer.location.partition("?")[0]


def test_one_is_raised_submitted_and_approved(visitor: Visiting) -> None:
    staff, manager = visitor("staff"), visitor("branch_manager")
    place = raised(visitor)
    page = staff.get(f"{place}?done=new")
    assert "The draft is saved" in page.text
    assert "KES 1,500.00" in page.text
    answer = staff.fill(place, f"{place}submit/")
    assert answer.status_code == 303, answer.text
    inbox = manager.get("/console/approvals/")
    assert "Spring Water" in inbox.text
    answer = manager.fill(place, f"{place}approve/", comment="")
    assert answer.status_code == 303, answer.text
    assert "Approved." in manager.get(answer.location).text


def test_what_the_api_refuses_is_refused_with_the_field_and_the_values_kept(
    visitor: Visiting,
) -> None:
    staff = visitor("staff")
    answer = staff.fill(
        "/console/requisitions/new/",
        **NEW | {"destination": "07", "lines__0__amount": "1.500,00"},
    )
    assert answer.status_code == 422
    assert "Write an amount such as" in answer.text
    assert 'value="Spring Water"' in answer.text
    form = form_of(answer, "/console/requisitions/new/")
    again = staff.post("/console/requisitions/new/", form["fields"] | {"lines.0.amount": "1500"})
    assert again.status_code == 422
    assert "f-destination" in again.text
