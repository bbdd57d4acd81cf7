"""Outgoing calls to rails: fixed hosts, no redirects, a deadline that holds, honest failures."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import requests
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.util import parse_url

from pettycash.gateways.flight import Deadline, Flight, RequestStage, TrackedAdapter

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Bounds of one call, in seconds and bytes (domain.md §6: connect 3, read 10, total 15)."""

    connect_seconds: float = 3.0
    read_seconds: float = 10.0
    total_seconds: float = 15.0
    answer_bytes_max: int = 64 * 1024
    # a file of certificates to trust instead of the public ones; verification is never off
    ca_bundle: str | None = None


class TransportFailure(requests.RequestException):
    """A call that brought no complete answer.

    `code` is ours ("transport.…"); `left` is False only where no byte of the request can have
    reached the rail.
    """

    def __init__(self, code: str, detail: str, *, left: bool, elapsed_ms: int = 0) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.left = left
        self.elapsed_ms = elapsed_ms


def never_left(error: requests.RequestException) -> bool:
    """True only where no byte of the request can have reached the rail.

    Refused, unresolved or timed-out connections qualify, as does a failed TLS handshake; a
    reset, a read time-out or half an answer does not, since the rail may have acted on what it
    had received.
    """
    if isinstance(error, TransportFailure):
        return not error.left
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RailAnswer:
    """A complete answer, whatever its status; redirects are not followed."""

    status: int
    body: bytes = field(repr=False)
    content_type: str
    elapsed_ms: int


class RailSession:
    """Calls to the hosts it was built with, and to no other.

    A host is "name" (https on 443), "name:port" (https; plain http too if it is this machine)
    or an origin such as "http://simulator:8080", which allows exactly that. Every call uses a
    connection of its own: a kept one that the rail has meanwhile closed would turn a payment
    that never left into one in doubt.
    """

    def __init__(self, hosts: Iterable[str], limits: HttpLimits | None = None) -> None:
        self.limits = limits or HttpLimits()
        self._origins = frozenset(origin for host in hosts for origin in _origins_of(host))

    def get(
        self, url: str, *, headers: Mapping[str, str], deadline: Deadline | None = None
    ) -> RailAnswer:
        """GET; see `post`."""
        return self._call("GET", url, headers=headers, body=None, deadline=deadline)

    def post(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        deadline: Deadline | None = None,
        leave_by: Deadline | None = None,
    ) -> RailAnswer:
        """POST once. `deadline` may shorten the total time, never lengthen it.

        After `leave_by` the first byte does not leave any more.

        Raises:
            TransportFailure: no complete answer; `left` says whether the rail may have acted.
        """
        return self._call(
            "POST", url, headers=headers, body=body, deadline=deadline, leave_by=leave_by
        )

    def _call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline | None,
        leave_by: Deadline | None = None,
    ) -> RailAnswer:
        self._refuse_strangers(url)
        within = (deadline or Deadline.after(self.limits.total_seconds)).sooner(
            self.limits.total_seconds
        )
        if within.remaining() <= 0:
            raise TransportFailure(
                "transport.no_time_left", "no time was left for this call", left=False
            )
        started = time.monotonic()
        flight = Flight(within, leave_by=leave_by)
        try:
            with flight.watched():
                return self._exchange(
                    method, url, headers=dict(headers), body=body, flight=flight, started=started
                )
        except TransportFailure as failure:
            failure.elapsed_ms = _since(started)
            raise
        except (requests.RequestException, HTTPError, http.client.HTTPException, OSError) as error:
            raise _failure(error, flight, _since(started)) from error

    def _exchange(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str],
        body: bytes | None,
        flight: Flight,
        started: float,
    ) -> RailAnswer:
        with requests.Session() as session:
            session.trust_env = False  # neither proxies nor .netrc of the surroundings
            session.mount("https://", TrackedAdapter())
            session.mount("http://", TrackedAdapter())
            headers |= {"Connection": "close", "Accept-Encoding": "identity"}
            try:
                prepared = session.prepare_request(
                    requests.Request(method, url, headers=headers, data=body)
                )
            except (requests.RequestException, ValueError) as error:
                raise TransportFailure(
                    "transport.unsendable", type(error).__name__, left=False
                ) from error
            left = max(flight.deadline.remaining(), 0.001)
            response = session.send(
                prepared,
                timeout=(
                    min(self.limits.connect_seconds, left),
                    min(self.limits.read_seconds, left),
                ),
                verify=self.limits.ca_bundle or True,
                allow_redirects=False,
                stream=True,
                proxies={},
            )
            with response:
                content = self._read(response, flight)
        return RailAnswer(
            status=response.status_code,
            body=content,
            content_type=response.headers.get("Content-Type", ""),
            elapsed_ms=_since(started),
        )

    def _read(self, response: requests.Response, flight: Flight) -> bytes:
        content = bytearray()
        for chunk in response.iter_content(8192):
            content += chunk
            if len(content) > self.limits.answer_bytes_max:
                raise TransportFailure(
                    "transport.answer_too_large",
                    f"the answer is longer than {self.limits.answer_bytes_max} bytes",
                    left=True,
                )
        if flight.cut:  # what looks like the end of the answer is our own doing
            raise TransportFailure(
                "transport.deadline", "the answer did not end within the time", left=True
            )
        return bytes(content)

    def _refuse_strangers(self, url: str) -> None:
        try:
            parts = parse_url(url)
        except HTTPError as error:
            raise TransportFailure(
                "transport.host_refused", "the address can't be read", left=False
            ) from error
        scheme = parts.scheme or ""
        origin = (scheme, parts.host or "", parts.port or DEFAULT_PORTS.get(scheme, 0))
        if parts.auth is not None or origin not in self._origins:
            raise TransportFailure(
                "transport.host_refused",
                f"{parts.host} is not among the hosts that may be called",
                left=False,
            )


def _origins_of(host: str) -> list[tuple[str, str, int]]:
    if "://" in host:
        parts = parse_url(host)
        scheme = parts.scheme or ""
        if scheme not in DEFAULT_PORTS or not parts.host:
            raise ValueError(f"{host!r} is no http or https origin")
        return [(scheme, parts.host, parts.port or DEFAULT_PORTS[scheme])]
    parts = parse_url(f"https://{host}")
    if not parts.host:
        raise ValueError(f"{host!r} is no host")
    origins = [("https", parts.host, parts.port or 443)]
    if parts.host in LOOPBACK and parts.port:
        origins.append(("http", parts.host, parts.port))
    return origins


def _failure(error: Exception, flight: Flight, elapsed_ms: int) -> TransportFailure:
    """Name what went wrong, and decide by the connection's own record whether it had left."""
    if flight.stage is RequestStage.UNTRACKED:
        left = not (isinstance(error, requests.RequestException) and never_left(error))
    else:
        left = flight.stage is RequestStage.LEAVING
    if flight.cut or flight.deadline.remaining() <= 0:
        code = "transport.deadline"
    elif isinstance(error, requests.exceptions.SSLError):
        code = "transport.tls"
    elif isinstance(error, requests.Timeout):
        code = "transport.timeout" if left else "transport.connect_timeout"
    else:
        code = "transport.connection_lost" if left else "transport.unreachable"
    # the text of library errors holds addresses and object ids; the kind is what helps
    return TransportFailure(code, _kinds(error), left=left, elapsed_ms=elapsed_ms)


def _kinds(error: BaseException) -> str:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    inner = reason if isinstance(reason, Exception) else error.__cause__ or error.__context__
    names = [type(error).__name__]
    if isinstance(inner, Exception) and type(inner).__name__ not in names:
        names.append(type(inner).__name__)
    return ": ".join(names)


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
