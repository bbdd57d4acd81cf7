"""The real gunicorn, as `up` starts it, before clients who take their time."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pettycash.app import create_app
from pettycash.runtime import db
from pettycash.stack import children
from pettycash.stack.plan import StackPlan
from pettycash.stack.ports import Ports
from pettycash.stack.processes import Child
from pettycash.stack.state import ROOT, StateFolder
from tests.api.client import ApiClient
from tests.factories.requisitions_http import PATH, raised
from tests.servers import Database, Servers, compose_for, wait_until
from tests.stack import slow_clients

IMPATIENT = "--config=python:tests.stack.impatient_conf"
START_SECONDS = 30.0
P99_SECONDS = 0.5

pytestmark = pytest.mark.xdist_group("slow clients")


@pytest.fixture(scope="module")
def own(servers: Servers, worker_number: int) -> Iterator[Database]:
    """A database that the servers of this module share."""
    name = f"pettycash_slow_w{worker_number}"
    yield servers.clone(name, redis_database=worker_number % 16)
    servers.drop(name)


@contextmanager
def serving(own: Database, folder: Path, configuration: str = "") -> Iterator[str]:
    """The API of the plan that `up` has; its address."""
    state = StateFolder(folder)
    state.prepare()
    environ = {"PETTYCASH_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS": "1", "PYTHONPATH": str(ROOT)}
    plan = StackPlan(state, own.environ | environ, Ports(usual=False))
    spec = children.ours(plan)[0]
    assert spec.name == "api"
    if configuration:
        words = [configuration if "--config" in word else word for word in spec.command]
        spec = replace(spec, command=words)
    child = Child(spec, folder)
    child.start()
    try:
        assert wait_until(child.probe, START_SECONDS), child.log_tail(30)
        yield plan.local_url("api")
    finally:
        child.finish()


@pytest.fixture(scope="module")
def url(own: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """gunicorn with its deadlines as they are."""
    with serving(own, tmp_path_factory.mktemp("patient")) as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the impatient one keeps its log."""
    return tmp_path_factory.mktemp("impatient")


@pytest.fixture(scope="module")
def impatient(own: Database, folder: Path) -> Iterator[str]:
    """gunicorn with deadlines of a second or two, little room and one process."""
    with serving(own, folder, IMPATIENT) as found:
        yield found


@pytest.fixture
def api(own: Database) -> Iterator[ApiClient]:
    """The same database without a network between."""
    compose_for(own)
    yield ApiClient(create_app(own.settings))
    db.dispose()


def upload_path(api: ApiClient) -> str:
    """Where staff may attach files to a requisition that they just raised."""
    return f"{PATH}{raised(api.as_('staff'))['id']}/attachments/"


def test_40_dripping_sockets_keep_nobody_waiting(url: str) -> None:
    with slow_clients.dripping(url, 40):
        times = slow_clients.healthz(url, 4.0)
    assert times.p99 < P99_SECONDS * slow_clients.patience(), sorted(times.seconds)[-5:]


def test_a_slow_body_keeps_no_transaction_open(url: str, api: ApiClient) -> None:
    """PostgreSQL ends a transaction that stands idle; the body used to be read inside of one."""
    body, headers = slow_clients.multipart(b"%PDF-1.7 slow " + b"x" * 1000)
    headers["Authorization"] = f"Bearer {api.as_('staff').token}"
    answer = slow_clients.send_slowly(url, upload_path(api), body, headers, 3.0)
    assert answer.status == 201, answer.body


def test_a_body_that_never_ends_is_answered_in_time(impatient: str) -> None:
    with slow_clients.connect(impatient) as connection:
        connection.sendall(slow_clients.KINDS["body"])
        answer = slow_clients.read_answer(connection)
    assert (answer.status, json.loads(answer.body)["code"]) == (408, "request.timeout")
    assert b"X-Request-Id" in answer.head


def test_a_head_that_never_ends_is_closed(impatient: str) -> None:
    with slow_clients.connect(impatient) as connection:
        began = time.monotonic()
        connection.sendall(slow_clients.KINDS["head"])
        assert slow_clients.read_answer(connection).head == b""
        assert time.monotonic() - began < 5 * slow_clients.patience()


def test_more_connections_than_there_is_room_for(impatient: str) -> None:
    """The oldest give way: who sends at once is served."""
    with slow_clients.dripping(impatient, 100, ("body", "chunks")):
        times = slow_clients.healthz(impatient, 2.0)
    assert times.p99 < P99_SECONDS * slow_clients.patience()


def test_unfinished_uploads_hold_a_bounded_amount_of_memory(impatient: str) -> None:
    body = slow_clients.KINDS["upload"] + b"x" * 2_000_000
    clients = [slow_clients.connect(impatient) for _ in range(6)]
    try:
        for client in clients:
            client.sendall(body)
            time.sleep(0.1)
        clients[0].settimeout(5)
        assert slow_clients.read_answer(clients[0]).head == b"", "the oldest was not dropped"
        clients[-1].settimeout(0.2)
        with pytest.raises(TimeoutError):
            clients[-1].recv(1)
    finally:
        for client in clients:
            client.close()


def test_answers_that_nobody_reads_hold_a_bounded_amount_of_memory(
    impatient: str, folder: Path
) -> None:
    log = folder / "api.log"
    before = log.stat().st_size

    def made_room() -> bool:
        return b"no room" in log.read_bytes()[before:]

    with slow_clients.dripping(impatient, 40, ("reader",)):
        assert wait_until(made_room, 30, step=0.2)
        times = slow_clients.healthz(impatient, 1.0)
    assert times.p99 < P99_SECONDS * slow_clients.patience()


def test_a_large_answer_reaches_a_slow_reader_whole(url: str) -> None:
    with slow_clients.connect(url, receive_bytes=4096) as connection:
        request = b"GET /api/openapi.json HTTP/1.1\r\nHost: a\r\n"
        connection.sendall(request + b"\r\n" + request + b"Connection: close\r\n\r\n")
        time.sleep(1)
        answer = slow_clients.read_answer(connection)
    first, _, second = answer.body.partition(b"HTTP/1.1 200 OK")
    assert json.loads(first) == json.loads(second.partition(b"\r\n\r\n")[2])


BROKEN = [
    (slow_clients.JSON + b"Content-Length: 99999999\r\n\r\n{}", 413),
    (slow_clients.JSON + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n{}", 413),
    (slow_clients.JSON + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}", 400),
    (slow_clients.JSON + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345", 400),
    (slow_clients.JSON + b"Content-Length: +5\r\n\r\n12345", 400),
    (slow_clients.JSON + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400),
    (slow_clients.JSON + b"Transfer-Encoding: gzip\r\n\r\n{}", 400),
    (slow_clients.JSON + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 401),
    (slow_clients.JSON + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n", 401),
    (slow_clients.JSON + b"X: " + b"y" * 70_000 + b"\r\n\r\n", 431),
    (b"GET /" + b"y" * 9_000 + b" HTTP/1.1\r\n\r\n", 414),
    (b"GET / HTTP/1.1\nHost: a\n\n", 400),
]
"""A request, and the status that it is answered with before its connection is closed."""


def test_a_broken_request_is_refused_and_its_connection_closed(url: str) -> None:
    for sent, status in BROKEN:
        with slow_clients.connect(url) as connection:
            connection.sendall(sent)
            answer = slow_clients.read_answer(connection)
        assert answer.status == status, (sent[:200], answer)


def test_the_other_side_is_told_to_go_on(url: str) -> None:
    """curl asks before it sends a large body."""
    body = b'{"username": "nobody", "password": "wrong", "totp": "000000"}'
    with slow_clients.connect(url) as connection:
        connection.sendall(
            slow_clients.LOGIN
            + b"Connection: close\r\nExpect: 100-continue\r\n"
            + b"Content-Length: %d\r\n\r\n" % len(body)
        )
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert slow_clients.read_answer(connection).status in (401, 422)


def test_requests_behind_each_other_on_one_connection_are_answered_in_order(url: str) -> None:
    chunked = (
        slow_clients.JSON + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;a=b\r\n}\r\n0\r\n\r\n"
    )
    last = b"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with slow_clients.connect(url) as connection:
        sent = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" + chunked + last
        for at in range(0, len(sent), 7):
            connection.sendall(sent[at : at + 7])
        answer = slow_clients.read_answer(connection)
    everything = answer.head + b"\r\n\r\n" + answer.body
    statuses = [line.split(b" ")[1] for line in everything.split(b"HTTP/1.1")[1:]]
    assert statuses == [b"200", b"401", b"404"]


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_a_minute_of_dripping_and_an_upload_that_takes_as_long(url: str, api: ApiClient) -> None:
    seconds = 60.0
    body, headers = slow_clients.multipart(b"%PDF-1.7 " + b"x" * (10 * 1024 * 1024 - 9))
    headers["Authorization"] = f"Bearer {api.as_('staff').token}"
    path = upload_path(api)
    with slow_clients.dripping(url, 40), ThreadPoolExecutor(1) as pool:
        upload = pool.submit(slow_clients.send_slowly, url, path, body, headers, seconds)
        times = slow_clients.healthz(url, seconds)
        answer = upload.result(60)
    print(f"{len(times.seconds)} answers, p99 {times.p99 * 1000:.0f} ms, upload {answer.status}")
    assert times.p99 < P99_SECONDS
    assert answer.status == 201, answer.body
