"""Whatever a rail does to a connection, the call ends in time and says whether it had left."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
import requests
import responses
from urllib3.exceptions import MaxRetryError, NewConnectionError

from pettycash.gateways.flight import Deadline
from pettycash.gateways.kit.http import HttpLimits, RailSession, TransportFailure, never_left
from tests.gateways.loopback import Answer, ScriptedRail, drip, raw_server, read_request, reset
from tests.patience import budget

FAST = HttpLimits(connect_seconds=0.5, read_seconds=0.5, total_seconds=1.0)


def session_for(url: str, limits: HttpLimits = FAST) -> RailSession:
    return RailSession([url], limits)


def post(session: RailSession, url: str, **kwargs: object) -> TransportFailure:
    with pytest.raises(TransportFailure) as caught:
        session.post(url, headers={}, body=b'{"Amount": "10"}', **kwargs)  # type: ignore[arg-type]
    return caught.value


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_an_answer_comes_with_status_body_and_time(scripted: ScriptedRail) -> None:
    scripted.answers["/x"] = [Answer(status=418, body={"a": 1})]

    answer = session_for(scripted.url).post(
        scripted.url + "/x", headers={"X-Ours": "1"}, body=b"{}"
    )

    assert (answer.status, answer.body) == (418, b'{"a": 1}')
    assert answer.content_type == "application/json"
    assert scripted.calls[0].headers["X-Ours"] == "1"
    assert scripted.calls[0].headers["Connection"] == "close"


def test_gateway_connect_refused_never_left(closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}"

    failure = post(session_for(url), url)

    assert never_left(failure)
    assert failure.code == "transport.unreachable"


def test_a_name_that_does_not_resolve_never_left() -> None:
    failure = post(RailSession(["nowhere.invalid"], FAST), "https://nowhere.invalid/x")

    assert never_left(failure)


def test_a_connect_timeout_never_left() -> None:
    # a listener whose backlog is full lets the handshake hang
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        time.sleep(0.05)
        url = f"http://127.0.0.1:{port}"

        failure = post(session_for(url), url)

        for filler in fillers:
            filler.close()
    assert never_left(failure)
    assert failure.code == "transport.connect_timeout"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(
            # Not before a byte of it is there: a reset may otherwise overtake the connecting.
            lambda c: (c.recv(1, socket.MSG_PEEK), reset(c)),
            id="reset before the request was read",
        ),
        pytest.param(lambda c: (read_request(c), reset(c)), id="reset after the request"),
        pytest.param(lambda c: (read_request(c), c.close()), id="closed without an answer"),
        pytest.param(
            lambda c: (
                read_request(c),
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"),
                c.close(),
            ),
            id="closed in the middle of the body",
        ),
        pytest.param(
            lambda c: (read_request(c), c.sendall(b"HTTP/1.1 200 OK\r\nContent-"), reset(c)),
            id="reset in the middle of the headers",
        ),
        pytest.param(
            lambda c: (read_request(c), c.sendall(b"\x16\x03 what is this\r\n\r\n")), id="no HTTP"
        ),
        pytest.param(
            lambda c: (
                read_request(c),
                c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            ),
            id="broken chunks",
        ),
        pytest.param(
            lambda c: (
                read_request(c),
                c.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
                ),
            ),
            id="broken gzip",
        ),
    ],
)
def test_gateway_reset_midway_may_have_arrived(script: object) -> None:
    with raw_server(script) as server:  # type: ignore[arg-type]
        failure = post(session_for(server.url), server.url)

    assert failure.left
    assert not never_left(failure)
    assert server.accepted == 1  # and it was not tried again


def test_gateway_timeout_after_accepting_may_have_arrived() -> None:
    with raw_server(lambda c: (read_request(c), time.sleep(3))) as server:  # type: ignore[arg-type, func-returns-value]
        started = time.monotonic()
        failure = post(session_for(server.url), server.url)

    assert not never_left(failure)
    assert failure.code == "transport.timeout"
    assert time.monotonic() - started < budget(0.9)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 400, id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n" + b"a" * 400, id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n" + b'{"ResponseCode": "0"' * 20, id="no length"),
    ],
)
def test_gateway_slow_drip_ends_with_the_total_time(data: bytes) -> None:
    with raw_server(drip(data)) as server:
        started = time.monotonic()
        failure = post(session_for(server.url), server.url)
        took = time.monotonic() - started

    assert failure.code == "transport.deadline"
    assert failure.left
    assert 0.9 < took < budget(1.6)
    assert 900 <= failure.elapsed_ms < budget(1600)


def test_a_given_deadline_shortens_the_total_time_and_never_lengthens_it() -> None:
    with raw_server(drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 400)) as server:
        session = session_for(server.url)
        for seconds, expected in ((0.3, 0.3), (60.0, 1.0)):
            started = time.monotonic()
            post(session, server.url, deadline=Deadline.after(seconds))
            assert expected - 0.1 < time.monotonic() - started < budget(expected + 0.6)


def test_nothing_is_sent_once_the_time_is_over(scripted: ScriptedRail) -> None:
    failure = post(session_for(scripted.url), scripted.url, deadline=Deadline.after(-1))

    assert never_left(failure)
    assert scripted.calls == []


def test_gateway_body_beyond_the_limit_is_not_read_to_its_end(scripted: ScriptedRail) -> None:
    scripted.answers["/"] = [Answer(body=b"x" * 70_000)]

    failure = post(session_for(scripted.url, HttpLimits()), scripted.url + "/")

    assert failure.code == "transport.answer_too_large"
    assert failure.left


def test_an_answer_up_to_the_limit_is_read(scripted: ScriptedRail) -> None:
    scripted.answers["/"] = [Answer(body=b"x" * 65_536)]

    answer = session_for(scripted.url).get(scripted.url + "/", headers={})

    assert len(answer.body) == 65_536


def test_a_redirect_is_an_answer_and_is_not_followed(scripted: ScriptedRail) -> None:
    scripted.answers["/a"] = [Answer(status=307, headers={"Location": scripted.url + "/b"})]
    scripted.answers["/b"] = [Answer(body={})]

    answer = session_for(scripted.url).post(scripted.url + "/a", headers={}, body=b"{}")

    assert answer.status == 307
    assert scripted.paths() == ["/a"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}1/",
        "http://127.0.0.2:{port}/",
        "https://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://user@127.0.0.1:{port}/",
        "http://evil.test\\@127.0.0.1:{port}/",
        "file:///etc/hostname",
        "nonsense",
        "",
    ],
)
def test_a_host_that_was_not_given_is_not_called(scripted: ScriptedRail, url: str) -> None:
    port = scripted.url.rpartition(":")[2]

    failure = post(session_for(scripted.url), url.format(port=port))

    assert failure.code == "transport.host_refused"
    assert never_left(failure)
    assert scripted.calls == []


def test_a_bare_host_name_means_https_only() -> None:
    session = RailSession(["api.safaricom.co.ke"], FAST)

    failure = post(session, "http://api.safaricom.co.ke/mpesa")

    assert failure.code == "transport.host_refused"


def test_this_machine_may_be_called_without_tls_where_its_port_is_given(
    scripted: ScriptedRail,
) -> None:
    scripted.answers["/"] = [Answer(body={})]

    answer = RailSession([scripted.url.removeprefix("http://")], FAST).get(
        scripted.url + "/", headers={}
    )

    assert answer.status == 200


def test_proxies_of_the_surroundings_are_ignored(
    scripted: ScriptedRail, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.answers["/"] = [Answer(body={})]
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    answer = session_for(scripted.url).get(scripted.url + "/", headers={})

    assert answer.status == 200


def test_passwords_of_the_surroundings_do_not_replace_ours(
    scripted: ScriptedRail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.answers["/"] = [Answer(body={})]
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    session_for(scripted.url).get(scripted.url + "/", headers={"Authorization": "Bearer ours"})

    assert scripted.calls[0].headers["Authorization"] == "Bearer ours"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (requests.ConnectTimeout(), True),
        (
            requests.ConnectionError(
                MaxRetryError(None, "/", NewConnectionError(None, "refused"))  # type: ignore[arg-type]
            ),
            True,
        ),
        (requests.ReadTimeout(), False),
        (requests.Timeout(), False),
        (requests.ConnectionError("reset"), False),
        (requests.ConnectionError(), False),
        (requests.exceptions.SSLError(), False),
        (requests.exceptions.ChunkedEncodingError(), False),
        (TransportFailure("transport.timeout", "", left=True), False),
        (TransportFailure("transport.unreachable", "", left=False), True),
    ],
)
def test_never_left_says_yes_only_on_proof(
    error: requests.RequestException, expected: bool
) -> None:
    assert never_left(error) is expected


@responses.activate
def test_an_error_from_where_nothing_was_tracked_counts_as_left() -> None:
    url = "https://api.safaricom.co.ke/mpesa/b2c/v3/paymentrequest"
    responses.post(url, body=requests.ConnectionError("Connection aborted."))

    failure = post(RailSession(["api.safaricom.co.ke"], FAST), url)

    assert failure.left


def test_a_header_that_can_not_be_sent_never_left(scripted: ScriptedRail) -> None:
    with pytest.raises(TransportFailure) as caught:
        session_for(scripted.url).post(
            scripted.url + "/", headers={"Authorization": "a\r\nb: c"}, body=b""
        )

    assert never_left(caught.value)
    assert scripted.calls == []
