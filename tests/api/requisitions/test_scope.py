"""Who sees which requisitions, how much of them, and what machine clients may do."""

from typing import Any

from sqlalchemy import select

from pettycash.models.access import Company
from pettycash.models.requisitions import Requisition
from pettycash.runtime.db import transaction
from tests.api.client import ApiClient
from tests.factories.requisitions_http import (
    NEW,
    PATH,
    code,
    decide,
    raised,
    submitted,
)


def test_scope_decides_what_exists(api: ApiClient) -> None:
    requisition = submitted(api.as_("staff"))
    where = f"{PATH}{requisition['id']}/"

    seeing = ["staff", "branch_manager", "department_head", "regional_manager", "treasury", "fpa"]
    blind = [
        "staff_2",
        "staff_mombasa",
        "branch_manager_mombasa",
        "regional_manager_coast",
        "custodian_mombasa",
        "other_company",
        "admin",
    ]
    for name in seeing:
        assert api.as_(name).get(where).status_code == 200, name
        assert len(api.as_(name).get(PATH).json["items"]) == 1, name
    for name in blind:
        for path in (where, f"{where}trail/", f"{where}attachments/"):
            assert code(api.as_(name).get(path)) == (404, "requisition.not_found"), name
        assert api.as_(name).get(PATH).json["items"] == [], name


def test_operators_see_masked_payees(api: ApiClient) -> None:
    requisition = submitted(api.as_("staff"), purpose="Call 0712345678", metadata={"a": "b"})

    read = api.as_("operator").get(f"{PATH}{requisition['id']}/").json

    assert read["destination"] == "*********678"
    assert read["payee_name"] == "S***"
    assert "0712345678" not in str(read)
    assert read["metadata"] == {}
    assert api.as_("auditor").get(f"{PATH}{requisition['id']}/").json["payee_name"] != "S***"


def test_only_auditors_see_where_decisions_came_from(api: ApiClient) -> None:
    requisition = submitted(api.as_("staff"))
    decide(api.as_("branch_manager"), requisition, "approve")

    def origins(name: str) -> set[str | None]:
        trail = api.as_(name).get(f"{PATH}{requisition['id']}/trail/").json["items"]
        return {row["ip_address"] for row in trail}

    assert origins("auditor") == {"192.0.2.7"}
    assert origins("staff") == {None}


def test_filters_and_words(api: ApiClient) -> None:
    staff = api.as_("staff")
    first = raised(staff, purpose="Tea for 100% of us", external_reference="PO-1")
    second = submitted(staff, is_urgent=True, urgency_reason="Dry", kind="per_diem")

    def numbers(**query: Any) -> list[str]:
        answer = staff.get(PATH, query_string=query)
        assert answer.status_code == 200, answer.json
        return [each["number"] for each in answer.json["items"]]

    assert numbers() == [second["number"], first["number"]]
    assert numbers(status="DRAFT") == [first["number"]]
    assert numbers(is_urgent=True) == [second["number"]]
    assert numbers(kind="per_diem") == [second["number"]]
    assert numbers(kind=["expense", "per_diem"]) == numbers()
    assert numbers(status=["draft", "paid"]) == [first["number"]]
    assert numbers(q="tea 100%") == [first["number"]]
    assert numbers(q="nothing") == []
    assert numbers(external_reference="PO-1") == [first["number"]]
    assert numbers(branch_id=first["branch_id"], currency="kes") == numbers()
    assert numbers(**{"from": "2020-01-01", "to": "2020-12-31"}) == []
    assert numbers(**{"from": "2020-01-01"}) == numbers()
    assert staff.get(PATH, query_string={"colour": "blue"}).status_code == 422


def test_put_and_delete_do_not_exist(api: ApiClient) -> None:
    requisition = raised(api.as_("staff"))

    for method in ("PUT", "DELETE"):
        answer = api.as_("staff").request(method, f"{PATH}{requisition['id']}/")
        assert answer.status_code == 405


def test_nothing_crosses_companies(api: ApiClient) -> None:
    requisition = submitted(api.as_("staff"))
    other = api.as_("other_company")
    for verb in ("approve", "reject", "validate", "submit", "cancel", "review", "hold"):
        caller = api.as_("other_treasury") if verb in ("validate", "hold") else other
        answer = caller.post(
            f"{PATH}{requisition['id']}/{verb}/",
            json={}
            if verb == "submit"
            else {"comment": "x"}
            | (
                {"decision_digest": requisition["decision_digest"]}
                if verb in ("approve", "reject", "validate")
                else {}
            ),
        )
        assert code(answer) == (404, "requisition.not_found"), verb
    with other.scope(), transaction() as session:
        assert session.execute(select(Requisition.id)).all() == []
        assert len(session.execute(select(Company.id)).all()) == 1


def test_a_machine_raises_on_behalf_of_a_person(api: ApiClient) -> None:
    client = api.with_key("raise", "read", "upload")
    for_staff = {"On-Behalf-Of": "staff"}

    answer = client.post(
        PATH, json=NEW | {"external_reference": "ERP-1"}, key=True, headers=for_staff
    )
    assert answer.status_code == 201, answer.json
    assert answer.json["requester_id"] == str(api.as_("staff").user_id)
    assert answer.json["client_id"] is not None
    where = f"{PATH}{answer.json['id']}"
    assert client.post(f"{where}/submit/", headers=for_staff).status_code == 200
    again = client.post(
        PATH, json=NEW | {"external_reference": "ERP-1"}, key=True, headers=for_staff
    )
    assert code(again) == (409, "requisition.external_reference_taken")
    # the same reference of a person is another one
    assert raised(api.as_("staff"), external_reference="ERP-1")
    (row, *_) = api.as_("staff").get(f"{where}/trail/").json["items"]
    assert (row["user_id"], row["on_behalf_of_id"]) == (None, str(api.as_("staff").user_id))


def test_a_machine_names_the_person_in_the_body_too(api: ApiClient) -> None:
    client = api.with_key("raise")

    answer = client.post(PATH, json=NEW | {"on_behalf_of": "staff"}, key=True)

    assert answer.status_code == 201, answer.json
    assert answer.json["requester_id"] == str(api.as_("staff").user_id)


def test_whom_a_machine_acts_for_is_said_once(api: ApiClient) -> None:
    client, staff = api.with_key("raise"), {"On-Behalf-Of": "staff"}

    twice = client.post(PATH, json=NEW | {"on_behalf_of": "staff_2"}, key=True, headers=staff)
    same = client.post(PATH, json=NEW | {"on_behalf_of": "staff"}, key=True, headers=staff)
    person = api.as_("treasury").get(PATH, headers=staff)

    assert code(twice) == (422, "request.given_twice")
    assert same.status_code == 201
    assert code(person) == (422, "request.invalid")
    assert list(person.json["errors"]) == ["On-Behalf-Of"]


def test_a_machine_decides_nothing(api: ApiClient) -> None:
    requisition = submitted(api.as_("staff"))
    client = api.with_key("raise", "read", "upload")
    for verb in (
        *("approve", "reject", "request_changes", "confirm_urgency", "validate", "return"),
        *("hold", "close_short", "review", "cancel", "recall"),
    ):
        answer = client.post(
            f"{PATH}{requisition['id']}/{verb}/",
            json={"decision_digest": requisition["decision_digest"], "comment": "Yes"},
            headers={"On-Behalf-Of": "branch_manager"},
        )

        assert code(answer) == (403, "api_key.scope_missing"), verb
