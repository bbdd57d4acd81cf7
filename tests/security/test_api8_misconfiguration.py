"""API8:2023 Security misconfiguration: headers, policies, what is served, who is believed."""

import hashlib
import re
from dataclasses import replace

import pytest
from sqlalchemy import select

from pettycash.api import docs
from pettycash.app import create_app
from pettycash.models.access import SecurityEvent
from pettycash.runtime import db
from tests.api.client import ApiClient
from tests.servers import Database, compose_for

HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/api/auth/me/", 401),
        ("GET", "/api/nothing/", 404),
        ("DELETE", "/healthz", 405),
        ("POST", "/api/auth/login/", 422),
        ("OPTIONS", "/api/auth/login/", 200),
        ("HEAD", "/healthz", 200),
    ],
)
def test_every_answer_carries_the_headers(
    common: ApiClient, method: str, path: str, status: int
) -> None:
    answer = common.anonymous.request(method, path)

    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-Id"])


def test_no_other_site_may_read_us(common: ApiClient) -> None:
    answer = common.anonymous.request(
        "OPTIONS",
        "/api/auth/login/",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )

    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
    assert "Set-Cookie" not in answer.headers


def test_the_documentation_allows_nothing_inline_and_nothing_outside(common: ApiClient) -> None:
    answer = common.anonymous.get("/docs/")
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";")
    )

    assert answer.status_code == 200
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert re.findall(r"<script(?![^>]*\bsrc=)", answer.text) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", answer.text) == []
    assert re.findall(r'(?:src|href)="(?!/docs/assets/)', answer.text) == []


def test_what_the_documentation_loads_is_served_and_is_what_it_says(common: ApiClient) -> None:
    page = common.anonymous.get("/docs/").text
    loaded = re.findall(r'(?:src|href)="([^"]+)" integrity="(sha384-[^"]+)"', page)

    assert len(loaded) == 4
    for path, integrity in loaded:
        answer = common.anonymous.get(path)
        assert answer.status_code == 200, path
        assert integrity == docs.integrity(path.removeprefix("/docs/assets/"))
        assert answer.headers["Content-Type"].startswith(("text/css", "text/javascript"))


def test_vendored_files_are_the_ones_of_the_list() -> None:
    listed = dict(
        reversed(line.split("  ", 1))
        for line in (docs.STATIC / "SHA256SUMS").read_text().splitlines()
    )
    found = {
        path.relative_to(docs.STATIC).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in docs.STATIC.rglob("*")
        if path.is_file() and path.name not in ("SHA256SUMS", "VERSIONS")
    }

    assert found == listed


@pytest.mark.parametrize(
    "path",
    ["../docs.py", "..%2Fdocs.py", "swagger-ui/LICENSE", "SHA256SUMS", "swagger-ui/../docs.js",
     "swagger-ui", ""],
)  # fmt: skip
def test_only_listed_files_are_served(common: ApiClient, path: str) -> None:
    assert common.anonymous.get(f"/docs/assets/{path}").status_code == 404


def test_the_mailbox_is_linked_where_there_is_one(live: Database) -> None:
    with_mailbox = create_app(replace(live.settings, mailbox_url="http://127.0.0.1:8025"))
    page = with_mailbox.test_client().get("/docs/").text
    compose_for(live)

    assert '<a href="http://127.0.0.1:8025">development mailbox</a>' in page


@pytest.mark.parametrize("url", ["", "javascript:alert(1)", '"><script>'])
def test_only_a_web_address_is_linked(url: str) -> None:
    assert "<a " not in docs.page(url)
    assert "alert" not in docs.page(url)


def test_forwarded_addresses_are_believed_as_far_as_proxies_are_trusted(live: Database) -> None:
    def address_seen(proxies: int, forwarded: str) -> str:
        application = create_app(replace(live.settings, trusted_proxies=proxies))
        api = ApiClient(application)
        caller = api.as_("staff")
        caller.post("/api/auth/logout/", headers={"X-Forwarded-For": forwarded})
        with caller.scope(), db.transaction() as session:
            return str(
                session.execute(
                    select(SecurityEvent.ip_address)
                    .where(SecurityEvent.event == "auth.logout")
                    .order_by(SecurityEvent.sequence.desc())
                    .limit(1)
                ).scalar_one()
            )

    assert address_seen(0, "203.0.113.7") == "192.0.2.7"
    assert address_seen(1, "198.51.100.1, 203.0.113.7") == "203.0.113.7"
    compose_for(live)


def test_debug_and_inner_words_stay_inside(common: ApiClient) -> None:
    assert not common.application.debug
    for path in ("/console", "/api/?__debugger__=yes", "/.env", "/static/app.py"):
        answer = common.anonymous.get(path)
        assert answer.status_code == 404
        assert "Werkzeug" not in answer.text
