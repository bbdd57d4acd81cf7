"""Where a request ends, however its bytes are cut, as gunicorn's own parser sees it."""

import logging

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

from pettycash.stack import arrival
from pettycash.stack.arrival import Arrival
from pettycash.stack.front import BufferingWorker
from pettycash.web import door

POST = b"POST /a HTTP/1.1\r\nHost: a\r\n"
NEXT = b"GET /next HTTP/1.1\r\n"

WHOLE = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    POST + b"Content-Length: 0\r\n\r\n",
    POST + b"content-LENGTH:  5 \r\n\r\nhello",
    POST + b"Content-Length: 11\r\n\r\n\r\n\r\n0\r\n\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: Chunked\r\n\r\n5;name=value\r\nhello\r\n1\r\n\r\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n000\r\nX-Sum: 1\r\n\r\n",
]


def parsed(data: bytes) -> tuple[str, bytes]:
    """Path and body as gunicorn reads them."""
    request = next(RequestParser(Config(), iter([data]), ("127.0.0.1", 1)))
    return request.path, request.body.read()


def test_a_request_ends_where_the_parser_sees_its_end_however_it_is_cut() -> None:
    for request in WHOLE:
        for step in (1, 2, 3, 7, len(request) + len(NEXT)):
            found, sent = Arrival(), request + NEXT
            while not found.is_whole:
                assert sent, (request, step)
                piece, sent = sent[:step], sent[step:]
                found.take(piece)
            assert bytes(found.data) == request, (request, step)
            assert found.rest + sent == NEXT
            assert not found.must_close
            assert parsed(b"".join(found.stream())) == parsed(request)


def test_what_is_unclear_waits_for_nothing_and_closes() -> None:
    for fields in (
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: \xb2\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: chunked, gzip\r\n",
    ):
        found = Arrival()
        found.take(POST + fields + b"\r\nsomething")
        assert (found.is_whole, found.must_close, found.rest) == (True, True, b""), fields


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"-1\r\n", b"0x5\r\n", b"\r\n", b"1" * 2000])
def test_chunks_that_are_none_end_at_once(chunk: bytes) -> None:
    found = Arrival()
    found.take(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
    assert (found.is_whole, found.must_close) == (True, True)


def test_a_body_that_is_too_large_is_not_waited_for() -> None:
    form = b"Content-Type: multipart/form-data; boundary=b\r\n"
    json = b"Content-Type: application/json\r\n"
    for kind, limit in (
        (json, door.BODY_MAX_BYTES),
        (b"", door.BODY_MAX_BYTES),
        (form, arrival.UPLOAD_BYTES_MAX),
    ):
        taken, refused = Arrival(), Arrival()
        taken.take(POST + kind + b"Content-Length: %d\r\n\r\n" % limit)
        refused.take(POST + kind + b"Content-Length: %d\r\n\r\n" % (limit + 1))
        assert (taken.is_whole, refused.is_whole, refused.must_close) == (False, True, True)


def test_chunks_without_end_are_cut_off() -> None:
    found = Arrival()
    found.take(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    for _ in range(40):
        if not found.is_whole:
            found.take(chunk)
    assert found.must_close
    assert len(found.data) < arrival.CHUNKED_BYTES_MAX + 2 * len(chunk)
    with pytest.raises(door.BodyTooLarge):
        list(found.stream())


def test_who_asks_is_told_to_go_on_only_if_a_body_is_wanted() -> None:
    asked = b"Expect: 100-continue\r\n"
    for fields, wanted in (
        (asked + b"Content-Length: 5\r\n", True),
        (asked + b"Transfer-Encoding: chunked\r\n", True),
        (asked + b"Content-Length: 0\r\n", False),
        (asked + b"Content-Length: 99999999\r\n", False),
        (b"Content-Length: 5\r\n", False),
    ):
        found = Arrival()
        found.take(POST + fields + b"\r\n")
        assert found.wants_continue is wanted, fields


def test_a_certificate_is_refused_rather_than_ignored() -> None:
    """The worker speaks no TLS: with a certificate it would answer in plain text."""
    configuration = Config()
    BufferingWorker.check_config(configuration, logging.getLogger())
    configuration.set("certfile", __file__)
    with pytest.raises(RuntimeError, match="TLS ends at the proxy"):
        BufferingWorker.check_config(configuration, logging.getLogger())
