"""Readiness over HTTP and TCP, each answering within a second."""

import http.client
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable
from http import HTTPStatus

PROBE_SECONDS = 1.0

# Loopback is never behind a proxy, whatever the caller's environment says.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers_ok(url: str) -> Callable[[], bool]:
    """A probe that wants 200 from a URL."""

    def answers() -> bool:
        try:
            with _opener.open(url, timeout=PROBE_SECONDS) as answer:
                return bool(answer.status == HTTPStatus.OK)
        except (OSError, ValueError, http.client.HTTPException):
            return False

    return answers


def tcp(url: str, default_port: int) -> Callable[[], bool]:
    """A probe that wants a connection to the host and port of a URL."""
    parts = urllib.parse.urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or default_port)

    def answers() -> bool:
        try:
            with socket.create_connection(address, timeout=PROBE_SECONDS):
                return True
        except OSError:
            return False

    return answers
