"""ETags: a change names the version that it changes, a read may name the one it knows."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.client import ApiClient
from tests.api.probe import Probe


@pytest.fixture
def path(api: ApiClient, probe: Probe) -> str:
    made = api.as_("staff").post("/api/probe/", json={"code": "E", "name": "one"}, key=True)
    return f"/api/probe/{made.json['id']}/"


def test_a_read_gives_the_etag_and_304_to_who_knows_it(api: ApiClient, path: str) -> None:
    first = api.as_("staff").get(path)
    tag = first.headers["ETag"]
    known = api.as_("staff").get(path, headers={"If-None-Match": tag})
    other = api.as_("staff").get(path, headers={"If-None-Match": '"v99"'})

    assert (known.status_code, known.data) == (304, b"")
    assert known.headers["ETag"] == tag
    assert known.headers["X-Content-Type-Options"] == "nosniff"
    assert other.status_code == 200
    assert api.as_("staff").get(path, etag='"v99"').status_code == 200


def test_a_change_without_if_match_is_refused(api: ApiClient, path: str) -> None:
    answer = api.as_("staff").patch(path, json={"code": "E", "name": "two"})

    assert (answer.status_code, answer.json["code"]) == (428, "request.if_match_required")
    assert api.as_("staff").get(path).json["name"] == "one"


@pytest.mark.parametrize("tag", ['"v2"', 'W/"v2"', '"1"', "v1x", '""', "garbage"])
def test_a_change_of_another_version_is_refused(api: ApiClient, path: str, tag: str) -> None:
    answer = api.as_("staff").patch(path, json={"code": "E", "name": "two"}, etag=tag)

    assert (answer.status_code, answer.json["code"]) == (412, "request.stale")
    assert api.as_("staff").get(path).json["name"] == "one"


@pytest.mark.parametrize("tag", ['"v1"', 'W/"v1"', '"v7", W/"v1"', '"v7", "v1"', "*"])
def test_a_change_of_this_version_succeeds(api: ApiClient, path: str, tag: str) -> None:
    answer = api.as_("staff").patch(path, json={"code": "E", "name": "two"}, etag=tag)

    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"v2"'
    assert api.as_("staff").get(path).headers["ETag"] == '"v2"'


def test_of_two_changes_of_one_version_one_wins(api: ApiClient, path: str) -> None:
    token = api.as_("staff").token
    assert token is not None
    start = threading.Barrier(6)

    def change(number: int) -> int:
        caller = api.with_token(token)
        start.wait()
        return caller.patch(path, json={"code": "E", "name": str(number)}, etag='"v1"').status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(change, range(6)))

    assert statuses == [200, 412, 412, 412, 412, 412]
