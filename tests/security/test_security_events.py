"""The security log, read by those who audit it."""

from typing import Any

from tests.api.client import ApiClient
from tests.security.conftest import Login

PATH = "/api/security-events/"


def events(
    api: ApiClient, reader: str = "auditor", query: str = "limit=200"
) -> list[dict[str, Any]]:
    answer = api.as_(reader).get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.json
    found: list[dict[str, Any]] = answer.json["items"]
    return found


def test_a_sign_in_is_found_by_each_of_its_facts(api: ApiClient, login: Login) -> None:
    login("staff", password="wrong", totp_code=None, address="198.51.100.77")
    right = login("staff")
    staff = str(api.as_("staff").user_id)

    (refused,) = events(api, query=f"event=auth.login&outcome=refused&user_id={staff}")
    assert refused["username"] == "staff"
    assert refused["ip_address"] == "198.51.100.77"
    assert refused["detail"] == {"code": "auth.wrong_credentials"}
    for query in (
        "ip_address=198.51.100.77",
        f"request_id={refused['request_id']}",
        f"user_id={staff}&outcome=refused",
    ):
        assert [each["id"] for each in events(api, query=query)] == [refused["id"]]
    (known,) = events(api, query=f"request_id={right.headers['X-Request-Id']}")
    assert (known["event"], known["outcome"]) == ("auth.login", "ok")


def test_an_auditor_s_own_reading_is_remembered(api: ApiClient) -> None:
    events(api)
    auditor = str(api.as_("auditor").user_id)
    own = events(api, query=f"event=access.audited_read&user_id={auditor}")

    assert [each["detail"]["operation"] for each in own] == ["security_events.list"] * 2


def test_pages_follow_each_other(api: ApiClient, login: Login) -> None:
    for number in range(5):
        login("staff", password="wrong", totp_code=None, address=f"198.51.100.{number}")
    auditor = api.as_("auditor")
    seen: list[str] = []
    cursor = ""
    while True:
        answer = auditor.get(f"{PATH}?event=auth.login&limit=2{cursor}").json
        seen += [each["id"] for each in answer["items"]]
        if answer["next_cursor"] is None:
            break
        cursor = f"&cursor={answer['next_cursor']}"

    assert len(seen) == len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)


def test_administrators_read_what_is_about_access_and_nothing_about_money(
    api: ApiClient, login: Login
) -> None:
    login("staff", password="wrong", totp_code=None)
    paused = api.as_("operator").post(
        "/api/pause/", json={"scope": "company", "reason": "test"}, key=True
    )
    assert paused.status_code == 201, paused.json

    assert "pause.paused" in {each["event"] for each in events(api)}
    seen = {each["event"].partition(".")[0] for each in events(api, "admin")}
    assert seen == {"auth", "access", "company"}


def test_nobody_else_reads_it_nor_another_company(api: ApiClient, login: Login) -> None:
    login("staff", password="wrong", totp_code=None)
    for name in ("staff", "treasury", "cfo", "operator", "custodian"):
        answer = api.as_(name).get(PATH)
        assert (answer.status_code, answer.json["code"]) == (403, "auth.forbidden"), name
    assert api.anonymous.get(PATH).status_code == 401
    assert "staff" not in {each["username"] for each in events(api, "other_admin")}


def test_what_is_asked_wrongly_is_refused(api: ApiClient) -> None:
    auditor = api.as_("auditor")
    for query in ("outcome=maybe", "user_id=x", "limit=201", "cursor=x", "who=me"):
        assert auditor.get(f"{PATH}?{query}").status_code == 422, query
