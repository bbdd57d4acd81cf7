"""API1:2023 Broken object level authorization: what lies beyond one's scope does not exist.

Built from the OpenAPI document and live ids: every route that names an object, as a user of another
company and of another branch.
"""

from uuid import uuid4

import pytest

from pettycash.models.access import Role
from tests.api.client import ApiClient, Caller
from tests.security.routes import PERSONA, Route, Samples, uuids, with_ids

pytestmark = pytest.mark.xdist_group("populated")  # its database takes seconds to make

ELSEWHERE = {
    Role.STAFF: "staff_mombasa",
    Role.BRANCH_MANAGER: "branch_manager_mombasa",
    Role.REGIONAL_MANAGER: "regional_manager_coast",
    Role.CUSTODIAN: "custodian_mombasa",
    Role.DEPARTMENT_HEAD: "department_head_finance",
}
"""The same roles in another place of the same company."""

OF_OTHER = {
    "other_company": frozenset(
        {
            Role.STAFF,
            Role.DEPARTMENT_HEAD,
            Role.BRANCH_MANAGER,
            Role.REGIONAL_MANAGER,
            Role.GROUP_FINANCE_MANAGER,
            Role.CFO,
            Role.FPA,
            Role.CEO,
        }
    ),
    "other_treasury": frozenset({Role.TREASURY}),
    "other_custodian": frozenset({Role.CUSTODIAN}),
    "other_operator": frozenset({Role.OPERATOR}),
    "other_admin": frozenset({Role.ADMIN}),
}
"""People of another company: one of them has a role for every operation."""

ACTIVE_MEMBER = ("requisitions", "attachments", "payments", "funds", "stores", "replenishments")
"""What belongs to a branch. Units, accounts, thresholds and people belong to the whole company."""


def stranger(populated: ApiClient, route: Route) -> Caller:
    """Somebody of another company who may call an operation, on what is theirs."""
    name = next((each for each, held in OF_OTHER.items() if held & route.roles), None)
    assert name is not None, f"nobody of the other company has a role for {route.name}"
    return populated.as_(name)


def test_the_strangers_hold_their_roles(populated: ApiClient) -> None:
    for name, held in OF_OTHER.items():
        roles = populated.as_(name).get("/api/auth/me/").json["roles"]
        assert {Role(each["role"]) for each in roles} == held, name


def objects(served: list[Route]) -> list[Route]:
    return [route for route in served if route.names_objects]


def test_the_samples_are_real(populated: ApiClient, served: list[Route], samples: Samples) -> None:
    """Else a 404 would prove nothing: whoever may, reads what the others must not find."""
    wrong = []
    for route in objects(served):
        ids = samples.of(route)
        readers = [PERSONA[role] for role in Role if role in route.roles]
        if route.method == "get":
            statuses = {populated.as_(name).get(route.at(ids)).status_code for name in readers}
            if 200 not in statuses or statuses - {200, 404}:
                wrong.append((route.name, statuses))
        else:
            answer = route.knock(populated.as_(readers[0]), ids)
            if answer.status_code not in (422, 415, 428):
                wrong.append((route.name, answer.status_code))
    assert wrong == []


def test_every_object_of_another_company_is_a_404(
    populated: ApiClient, served: list[Route], samples: Samples
) -> None:
    wrong = []
    for route in objects(served):
        other = stranger(populated, route)
        theirs = route.send(other, samples.of(route))
        nobodys = route.send(other, dict.fromkeys(route.parameters, str(uuid4())))
        if theirs.status_code != 404:
            wrong.append((route.name, theirs.status_code, theirs.json))
        elif nobodys.status_code != 404 or theirs.json["code"] != nobodys.json["code"]:
            wrong.append((route.name, theirs.json["code"], nobodys.json.get("code")))
    assert wrong == []


def test_every_object_of_another_branch_is_a_404(
    populated: ApiClient, served: list[Route], samples: Samples
) -> None:
    tried, wrong = 0, []
    for route in objects(served):
        if not any(f"/{area}/" in route.path for area in ACTIVE_MEMBER):
            continue
        for role, name in ELSEWHERE.items():
            if role in route.roles:
                tried += 1
                answer = route.send(populated.as_(name), samples.of(route))
                if answer.status_code != 404:
                    wrong.append((route.name, name, answer.status_code, answer.json))
    assert wrong == []
    assert tried > 50


def test_lists_hold_nothing_of_another_company(
    populated: ApiClient, served: list[Route], samples: Samples
) -> None:
    ours = {each for route in objects(served) for each in samples.of(route).values()}
    lists = [route for route in served if route.method == "get" and not route.parameters]
    for route in lists:
        answer = route.send(stranger(populated, route), {})
        assert answer.status_code in (200, 404), (route.name, answer.json)
        assert uuids(answer.data.decode(errors="replace")).isdisjoint(ours), route.name
    assert len(lists) > 25


def test_lists_hold_nothing_of_another_branch(
    populated: ApiClient, served: list[Route], samples: Samples
) -> None:
    ours = {
        each
        for route in objects(served)
        if any(f"/{area}/" in route.path for area in ACTIVE_MEMBER)
        for each in samples.of(route).values()
    }
    for route in served:
        if route.method != "get" or route.parameters:
            continue
        for role, name in ELSEWHERE.items():
            if role in route.roles:
                answer = route.send(populated.as_(name), {})
                assert uuids(answer.data.decode(errors="replace")).isdisjoint(ours), (
                    route.name,
                    name,
                )


def test_ids_of_another_company_in_a_body_lead_nowhere(
    populated: ApiClient, served: list[Route], samples: Samples
) -> None:
    """A body that names an object of another company is refused, never obeyed, never a 500."""
    kinds = {name: value for route in objects(served) for name, value in samples.of(route).items()}
    tried = 0
    for route in served:
        if route.method not in ("post", "patch") or route.parameters or not route.body:
            continue
        if not uuids(str(route.body)):
            continue
        for name, value in kinds.items():
            crooked = Route(
                route.name, route.method, route.path, with_ids(route.body, value),
                route.media_type, route.query,
            )  # fmt: skip
            answer = crooked.send(stranger(populated, route), {})
            tried += 1
            assert 400 <= answer.status_code < 500, (route.name, name, answer.status_code)
    assert tried > 20


def test_filters_by_id_of_another_company_find_nothing(
    populated: ApiClient, served: list[Route], samples: Samples
) -> None:
    document = populated.anonymous.get("/api/openapi.json").json
    strangers = {each.path: stranger(populated, each) for each in served if each.method == "get"}
    foreign = next(samples.of(route)["fund_id"] for route in served if route.name == "funds.get")
    tried = 0
    for path, item in document["paths"].items():
        operation = item.get("get")
        if operation is None or "{" in path:
            continue
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query" and parameter["name"].endswith("_id"):
                tried += 1
                answer = strangers[path].get(path, query_string={parameter["name"]: foreign})
                assert answer.status_code in (200, 404, 422), (path, answer.json)
                if answer.status_code == 200:
                    assert answer.json.get("items", []) == [], (path, parameter["name"])
    assert tried > 10
