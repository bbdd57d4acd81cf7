"""Calling Daraja: a token that all workers share, one call, and one repeat if it had expired."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pettycash.gateways.base import GatewayExchange, OutcomeKind, ProviderAccountView, RequestType
from pettycash.gateways.flight import Deadline
from pettycash.gateways.kit import exchanges
from pettycash.gateways.kit.http import RailSession, TransportFailure
from pettycash.gateways.kit.tokens import Token, TokenCache
from pettycash.gateways.mpesa.answers import SyncAnswer, read_answer
from pettycash.gateways.mpesa.codes import MpesaConfig
from pettycash.gateways.mpesa.credentials import CONSUMER_KEY, CONSUMER_SECRET, required, secrets_of
from pettycash.runtime.sanitising import sanitise
from pettycash.runtime.wire import read_object

_HEADER_SAFE = re.compile(r"[!-~]{1,4096}", re.ASCII)


class TokenError(Exception):
    """No token, so nothing was sent; carries what the token endpoint said."""

    def __init__(
        self, exchange: GatewayExchange, *, configuration_fault: bool, throttled: bool
    ) -> None:
        super().__init__(exchange.code)
        self.exchange = exchange
        self.earlier: tuple[GatewayExchange, ...] = ()
        self.configuration_fault = configuration_fault
        self.throttled = throttled


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The end of one business call: an answer that was read, or the way it was lost."""

    exchange: GatewayExchange
    answer: SyncAnswer | None = None
    lost: TransportFailure | None = None


class DarajaClient:
    """Business calls with a bearer token; shared by threads, keeps nothing but tokens."""

    def __init__(self, http: RailSession, tokens: TokenCache, config: MpesaConfig) -> None:
        self._http = http
        self._tokens = tokens
        self._config = config

    def ask(
        self,
        kind: RequestType,
        path: str,
        payload: Mapping[str, str],
        account: ProviderAccountView,
        leave_by: Deadline | None = None,
    ) -> tuple[Reply, tuple[GatewayExchange, ...]]:
        """Call with a token; where the token is refused, once more with a new one.

        After `leave_by` no first byte of the call leaves.

        Raises:
            CredentialsUnusableError: the account has no consumer key or secret.
            TokenError: no token was to be had.
        """
        deadline = Deadline.after(self._config.call_budget_seconds)
        reply = self._call(kind, path, payload, account, deadline, leave_by)
        if reply.answer is None or not reply.answer.verdict.new_token:
            return reply, ()
        earlier = (reply.exchange,)
        try:
            return self._call(kind, path, payload, account, deadline, leave_by), earlier
        except TokenError as error:
            error.earlier = earlier
            raise

    def _call(  # noqa: PLR0917 - both deadlines belong to the call
        self,
        kind: RequestType,
        path: str,
        payload: Mapping[str, str],
        account: ProviderAccountView,
        deadline: Deadline,
        leave_by: Deadline | None,
    ) -> Reply:
        token = self._token(kind, account, deadline)
        url = account.base_url.rstrip("/") + path
        sealed = payload.get("SecurityCredential", "")
        secrets = (*secrets_of(account.credentials), token, sealed)
        shown = {"method": "POST", "url": url, "body": sanitise(payload, secrets)}
        try:
            if deadline.remaining() < self._config.send_seconds_min:
                raise TransportFailure(
                    "transport.no_time_left", "no time was left to send and listen", left=False
                )
            answer = self._http.post(
                url,
                headers={
                    "Authorization": f"Bearer {token}",
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                },
                body=json.dumps(payload).encode(),
                deadline=deadline,
                leave_by=leave_by,
            )
        except TransportFailure as failure:
            return Reply(exchange=exchanges.lost(kind, shown, failure), lost=failure)
        read = read_answer(answer, self._config)
        if read.verdict.kind is OutcomeKind.NOT_SENT and not read.verdict.throttled:
            # refused for its token: a later call must not meet the same one again
            self._tokens.invalidate(_cache_key(account), token)
        exchange = exchanges.answered(kind, shown, answer, (read.code, read.message), secrets)
        return Reply(exchange=exchange, answer=read)

    def _token(self, kind: RequestType, account: ProviderAccountView, deadline: Deadline) -> str:
        url = account.base_url.rstrip("/") + self._config.token_path
        shown = {"method": "GET", "url": url}
        key = required(account.credentials, CONSUMER_KEY)
        secret = required(account.credentials, CONSUMER_SECRET)
        basic = base64.b64encode(f"{key}:{secret}".encode()).decode()

        def fetch() -> Token:
            answer = self._http.get(
                url, headers={"Authorization": f"Basic {basic}"}, deadline=deadline
            )
            parsed = read_object(answer.body) or {}
            value = parsed.get("access_token")
            if (
                answer.status != 200
                or not isinstance(value, str)
                or _HEADER_SAFE.fullmatch(value) is None
            ):
                read = read_answer(answer, self._config)
                raise TokenError(
                    exchanges.answered(
                        kind,
                        shown,
                        answer,
                        (read.code, read.message),
                        (*secrets_of(account.credentials), basic),
                    ),
                    # Daraja answers a wrong key or secret with an empty 400 or 401
                    configuration_fault=400 <= answer.status < 500 and answer.status != 429,
                    throttled=answer.status == 429 or read.verdict.throttled,
                )
            return Token(value, _lifetime(parsed.get("expires_in")))

        try:
            return self._tokens.get(_cache_key(account), fetch, deadline)
        except TransportFailure as failure:
            raise TokenError(
                exchanges.lost(kind, shown, failure), configuration_fault=False, throttled=False
            ) from failure


def _lifetime(value: object) -> float | None:
    """`expires_in`, which Daraja sends as a number or as text; None where it is neither."""
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return float(value) if 0 < value < 10**7 else None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,7}", value.strip(), re.ASCII):
        return float(value) or None
    return None


def _cache_key(account: ProviderAccountView) -> str:
    """The account, and a digest of what its token depends on: new keys never meet old tokens."""
    facts = (
        account.base_url,
        account.credentials.get(CONSUMER_KEY, ""),
        account.credentials.get(CONSUMER_SECRET, ""),
    )
    return f"{account.id}:{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}"
