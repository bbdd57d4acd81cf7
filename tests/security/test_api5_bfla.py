"""API5:2023 Broken function level authorization: every operation, every role, every cell.

What is expected stands in the permission table; the table itself is compared with a reviewed file.
"""

from typing import Any

import pytest

from pettycash.models.access import Role
from pettycash.services.foundation import decisions, permissions
from tests.api.client import ApiClient, Caller
from tests.factories import requisitions_http
from tests.security import golden
from tests.security.routes import PERSONA, SELF_SERVICE, Route, Samples

pytestmark = pytest.mark.xdist_group("populated")  # its database takes seconds to make

DECIDES = (
    "approve", "reject", "request_changes", "confirm_urgency", "validate", "return", "hold",
    "close_short", "review", "verify_otp", "send_otp", "execute", "assign_executor",
    "unlock_release", "acknowledge", "reconcile", "record_variance", "fund", "receive", "confirm",
    "resolve", "pause", "resume", "cancel", "recall", "propose", "update",
)  # fmt: skip

OF_ONE_S_OWN = {
    "notice_wishes.update",
    "notices.read",
    "report_runs.create",
    "sessions.revoke",
    "sessions.revoke_all",
}
"""What everybody changes, an auditor too: how they are told, files, where they are signed in."""


def test_the_table_is_the_one_that_was_reviewed() -> None:
    assert golden.FILE.read_text(encoding="utf-8") == golden.render(), (
        "who may do what has changed: review it, then run `python -m tests.security.golden`"
    )


def test_an_auditor_changes_nothing(served: list[Route]) -> None:
    changes = {
        route.name for route in served if route.method != "get" and Role.AUDITOR in route.roles
    }
    assert changes == SELF_SERVICE - {"auth.me"} | OF_ONE_S_OWN


def test_an_administrator_neither_approves_nor_pays(served: list[Route]) -> None:
    decided = {
        kind.accepting.partition(".")[0] for kind in decisions.kinds() if kind.amount is not None
    }
    about_money = {"requisitions", "payments"} | decided
    assert decided >= {"replenishments", "variances"}
    for name, roles in permissions.PERMISSIONS.items():
        domain, _, verb = name.partition(".")
        if domain in about_money and verb not in ("list", "get", "trail", "offers"):
            assert Role.ADMIN not in roles, name


def test_without_a_session_nothing_is_reached(
    populated: ApiClient, served: list[Route], samples: Samples
) -> None:
    for route in served:
        for caller in (populated.anonymous, populated.with_token("pc_at_" + "x" * 43)):
            answer = route.send(caller, samples.of(route))
            assert (answer.status_code, answer.json["code"][:5]) == (401, "auth."), route.name


@pytest.mark.parametrize("role", list(Role))
def test_each_role_reaches_what_the_table_gives_and_nothing_else(
    populated: ApiClient, served: list[Route], samples: Samples, role: Role
) -> None:
    caller = populated.as_(PERSONA[role])
    held = {each["role"] for each in caller.get("/api/auth/me/").json["roles"]}
    assert held == {role.value}, f"{PERSONA[role]} is not a persona of one role"
    wrong = []
    for route in served:
        if role in route.roles or route.name in SELF_SERVICE:
            answer = route.knock(caller, samples.of(route))
            admitted = answer.status_code in (415, 422, 428)
            if not admitted:
                wrong.append((route.name, "should be admitted", answer.status_code, answer.json))
        else:
            answer = route.send(caller, samples.of(route))
            if (answer.status_code, answer.json.get("code")) != (403, "auth.forbidden"):
                wrong.append((route.name, "should be refused", answer.status_code, answer.json))
    assert wrong == []


def test_every_route_stands_in_the_matrix(served: list[Route]) -> None:
    assert {route.name for route in served} == set(permissions.PERMISSIONS)
    assert len(served) == len({route.name for route in served}) > 120


# Machine clients


@pytest.fixture
def keyed(populated: ApiClient) -> Any:
    """Make a caller with an API key of some scopes, on behalf of a persona."""

    def make(*scopes: str, on_behalf_of: str = "treasury") -> Caller:
        caller = populated.with_key(*scopes)
        plain = caller.request

        def request(method: str, path: str, **options: Any) -> Any:
            headers = {"On-Behalf-Of": on_behalf_of, **(options.pop("headers", None) or {})}
            return plain(method, path, headers=headers, **options)

        caller.request = request  # type: ignore[method-assign]
        return caller

    return make


@pytest.mark.parametrize(
    "scopes", [("raise",), ("read",), ("upload",), ("raise", "read", "upload")]
)
def test_a_key_reaches_its_scopes_and_nothing_else(
    keyed: Any, served: list[Route], samples: Samples, scopes: tuple[str, ...]
) -> None:
    caller = keyed(*scopes)
    crash_point = set().union(*(permissions.CLIENT_SCOPES[scope] for scope in scopes))
    wrong = []
    for route in served:
        if route.name in crash_point:
            answer = route.knock(caller, samples.of(route))
            expected = Role.TREASURY in route.roles
            if (answer.status_code in (415, 422, 428)) is not expected:
                wrong.append((route.name, answer.status_code, answer.json))
        else:
            answer = route.send(caller, samples.of(route))
            if (answer.status_code, answer.json["code"]) != (403, "api_key.scope_missing"):
                wrong.append((route.name, answer.status_code, answer.json))
    assert wrong == []


def test_no_scope_holds_a_decision() -> None:
    for scope, names in permissions.CLIENT_SCOPES.items():
        for name in names:
            verb = name.partition(".")[2]
            own_draft = name == "requisitions.update"
            assert verb not in DECIDES or own_draft, (scope, name)


def test_a_key_acts_for_a_person_and_within_their_rights(
    keyed: Any, populated: ApiClient, samples: Samples
) -> None:
    staff = keyed("raise", "read", on_behalf_of="staff")
    by_id = keyed("read", on_behalf_of=str(populated.as_("staff").user_id))
    nobody = keyed("read", on_behalf_of="")
    stranger = keyed("read", on_behalf_of="other_company")

    assert staff.get("/api/requisitions/").status_code == 200
    assert staff.get("/api/reports/trial-balance/").json["code"] == "api_key.scope_missing"
    assert by_id.get("/api/requisitions/").json == staff.get("/api/requisitions/").json
    missing = nobody.get("/api/requisitions/")
    assert (missing.status_code, missing.json["code"]) == (422, "api_key.on_behalf_of_required")
    foreign = stranger.get("/api/requisitions/")
    assert (foreign.status_code, foreign.json["code"]) == (403, "api_key.on_behalf_of_unknown")


def test_who_is_acted_for_is_the_requester(keyed: Any, populated: ApiClient) -> None:
    made = requisitions_http.raised(keyed("raise", on_behalf_of="staff_2"))
    in_body = requisitions_http.raised(keyed("raise", on_behalf_of=""), on_behalf_of="staff_2")

    expected = str(populated.as_("staff_2").user_id)
    assert made["requester_id"] == in_body["requester_id"] == expected
    assert made["client_id"] is not None


def test_a_revoked_key_is_worth_nothing(keyed: Any, populated: ApiClient) -> None:
    caller = keyed("read", on_behalf_of="staff")
    newest = populated.as_("admin").get("/api/api-keys/?limit=1").json["items"][0]
    assert caller.get("/api/requisitions/").status_code == 200
    assert populated.as_("admin").delete(f"/api/api-keys/{newest['id']}/").status_code == 204
    revoked = caller.get("/api/requisitions/")
    assert (revoked.status_code, revoked.json["code"]) == (401, "api_key.refused")


def test_keys_live_a_year_at_most(populated: ApiClient) -> None:
    admin = populated.as_("admin")
    for expires_at in ("2020-01-01T00:00:00Z", "2199-01-01T00:00:00Z"):
        answer = admin.post(
            "/api/api-keys/", json={"name": "x", "scopes": ["read"], "expires_at": expires_at}
        )
        assert (answer.status_code, answer.json["code"]) == (422, "api_key.life_too_long")
