"""Bodies are read whole before any transaction: a slow sender must not keep one open."""

import io
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from pettycash.services.access.identity import api_keys
from pettycash.services.foundation import permissions
from pettycash.web.admission import operation_of
from tests.api.client import ApiClient, rules

JSON = b'{"not_a_field": 1}'
FORM = b"\r\n".join(
    (
        b"--b",
        b'Content-Disposition: form-data; name="file"; filename="a.pdf"',
        b"",
        b"%PDF-1.7",
        b"--b--",
        b"",
    )
)
WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Connections:
    """How many database connections are in use."""

    def __init__(self) -> None:
        self.count = 0

    def out(self, *_: object) -> None:
        self.count += 1

    def back(self, *_: object) -> None:
        self.count -= 1


@pytest.fixture
def connections() -> Iterator[Connections]:
    """Counts from now on."""
    counted = Connections()
    event.listen(Pool, "checkout", counted.out)
    event.listen(Pool, "checkin", counted.back)
    yield counted
    event.remove(Pool, "checkout", counted.out)
    event.remove(Pool, "checkin", counted.back)


class Body(io.RawIOBase):
    """A body that notes how many connections are held while it is awaited."""

    def __init__(self, content: bytes, connections: Connections) -> None:
        self.content = content
        self._unread = io.BytesIO(content)
        self._connections = connections
        self.held: list[int] = []

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.held.append(self._connections.count)
        return self._unread.readinto(buffer)


def send(api: ApiClient, stream: Body, method: str, path: str, token: str) -> Body:
    body = stream.content
    form = body is FORM
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    api.client().open(
        path,
        method=method,
        headers=headers,
        content_type="multipart/form-data; boundary=b" if form else "application/json",
        environ_overrides={"wsgi.input": stream, "CONTENT_LENGTH": str(len(body))},
    )
    return stream


def writes(api: ApiClient) -> Iterator[tuple[str, str, str, bytes]]:
    """Every operation that may have a body: method, path, its name, a body."""
    adapter = api.application.url_map.bind("localhost")
    for rule in rules(api.application):
        for method in set(WRITES) & (rule.methods or set()):
            described = operation_of(api.application, rule.endpoint, method)
            assert described is not None
            values = {
                name: uuid4() if "UUID" in type(converter).__name__ else "0" * 64
                for name, converter in rule._converters.items()
            }
            path = adapter.build(rule.endpoint, values, method=method)
            form = described.locations & {"form", "files"}
            yield method, path, described.name, FORM if form else JSON


def test_no_operation_holds_a_connection_while_it_reads(
    common: ApiClient, connections: Connections
) -> None:
    read = 0
    for method, path, name, body in writes(common):
        roles = permissions.PERMISSIONS.get(name, frozenset())
        token = common.as_(min(role.value for role in roles)).token if roles else ""
        stream = send(common, Body(body, connections), method, path, token or "")
        assert not any(stream.held), f"{method} {path} reads inside a transaction"
        read += bool(stream.held)
    assert read > 50


def test_a_client_s_request_is_read_before_its_key_is_looked_up(
    common: ApiClient, connections: Connections
) -> None:
    """The body may say for whom a machine client acts."""
    token = api_keys.PREFIX + "0" * 60
    stream = send(common, Body(JSON, connections), "POST", "/api/requisitions/", token)
    assert stream.held
    assert not any(stream.held)


def test_who_shows_no_token_is_refused_unread(common: ApiClient, connections: Connections) -> None:
    stream = Body(JSON, connections)
    assert send(common, stream, "POST", "/api/requisitions/", "").held == []
