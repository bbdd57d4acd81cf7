"""Access tokens shared by all workers: one is fetched at a time, and none is fetched in vain.

Daraja's FAQ: a new token invalidates the one before. Workers that each fetch their own would
therefore cut one another off, so the token lives in Redis and only the holder of a lock fetches.
Redis is a convenience here, never a condition: without it a worker fetches for itself.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pettycash.gateways.flight import Deadline
from pettycash.gateways.kit.http import TransportFailure

logger = logging.getLogger(__name__)

# Both compare before they act, so that a slow worker never undoes a faster one's work.
DELETE_IF_SAME = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
"""
STORE_IF_LOCKED = """
if redis.call('get', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('del', KEYS[2])
return 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLimits:
    """Durations of the cache, in seconds."""

    refresh_before_seconds: float = 60.0
    # for an answer whose expires_in can't be read
    lifetime_default_seconds: float = 300.0
    # longer than a fetch may take, or a second worker would replace the first one's token
    lock_seconds: float = 20.0
    poll_seconds: float = 0.05
    key_prefix: str = "pettycash:rail-token:"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the rail gave it; `lifetime_seconds` None where the rail's word was unreadable."""

    value: str = field(repr=False)
    lifetime_seconds: float | None


def connect(url: str, *, timeout_seconds: float = 0.5) -> redis.Redis:
    """A client that gives up at once: it stands on the way of money, and the cache can do without.

    redis-py's own default tries again for seconds.
    """
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )


class TokenCache:
    """Tokens by provider account. The client comes from `connect`, or is as impatient as that.

    `client` None means that there is no Redis at all.
    """

    def __init__(self, client: redis.Redis | None, limits: TokenLimits | None = None) -> None:
        self.limits = limits or TokenLimits()
        self._redis = client
        self._guard = Lock()
        self._local_locks: dict[str, Lock] = {}
        self._local: dict[str, tuple[str, float]] = {}

    def get(self, account: str, fetch: Callable[[], Token], deadline: Deadline) -> str:
        """The account's token, fetched by one caller while all others wait.

        Whatever `fetch` raises goes to its own caller only; a waiting one then tries itself.

        Raises:
            TransportFailure: the deadline passed while somebody else held the lock; nothing left.
        """
        if self._redis is not None:
            try:
                return self._shared(self._redis, account, fetch, deadline)
            except redis.RedisError as error:
                logger.warning(
                    "token cache is away, fetching without it",
                    extra={"account": account, "error": type(error).__name__},
                )
        return self._own(account, fetch, deadline)

    def invalidate(self, account: str, token: str) -> None:
        """Drop this token, and only this one: a newer token of another worker stays."""
        with self._guard:
            if self._local.get(account, ("", 0.0))[0] == token:
                del self._local[account]
        if self._redis is None:
            return
        try:
            self._redis.eval(DELETE_IF_SAME, 1, self._key(account), token)
        except redis.RedisError as error:
            logger.warning(
                "token cache is away, a refused token stays in it",
                extra={"account": account, "error": type(error).__name__},
            )

    def _shared(
        self,
        client: redis.Redis,
        account: str,
        fetch: Callable[[], Token],
        deadline: Deadline,
    ) -> str:
        key, lock_key = self._key(account), self._key(account) + ":lock"
        while True:
            stored = client.get(key)
            if stored is not None:
                return _text(stored)
            owner = secrets.token_hex(16)
            if client.set(lock_key, owner, nx=True, px=int(self.limits.lock_seconds * 1000)):
                return self._fetch_and_share(client, account, owner, fetch)
            if deadline.remaining() <= self.limits.poll_seconds:
                raise _waited_in_vain()
            time.sleep(self.limits.poll_seconds)

    def _fetch_and_share(
        self, client: redis.Redis, account: str, owner: str, fetch: Callable[[], Token]
    ) -> str:
        key, lock_key = self._key(account), self._key(account) + ":lock"
        stored = None
        try:
            # the last holder may have stored one between our look and our lock
            stored = client.get(key)
            if stored is not None:
                return _text(stored)
            token = fetch()
            lifetime_ms = int(self._usable_seconds(token) * 1000)
            try:
                client.eval(STORE_IF_LOCKED, 2, key, lock_key, owner, token.value, str(lifetime_ms))
            except redis.RedisError as error:
                # fetched is fetched: asking for another one would kill this one
                logger.warning(
                    "token could not be shared",
                    extra={"account": account, "error": type(error).__name__},
                )
                self._keep(account, token)
            return token.value
        finally:
            try:
                client.eval(DELETE_IF_SAME, 1, lock_key, owner)
            except redis.RedisError:
                logger.warning("token lock runs out by itself", extra={"account": account})

    def _own(self, account: str, fetch: Callable[[], Token], deadline: Deadline) -> str:
        with self._guard:
            lock = self._local_locks.setdefault(account, Lock())
        if not lock.acquire(timeout=max(deadline.remaining(), 0.0)):
            raise _waited_in_vain()
        try:
            with self._guard:
                value, good_until = self._local.get(account, ("", 0.0))
            if value and time.monotonic() < good_until:
                return value
            token = fetch()
            self._keep(account, token)
            return token.value
        finally:
            lock.release()

    def _keep(self, account: str, token: Token) -> None:
        with self._guard:
            self._local[account] = (token.value, time.monotonic() + self._usable_seconds(token))

    def _usable_seconds(self, token: Token) -> float:
        lifetime = token.lifetime_seconds
        if lifetime is None:
            lifetime = self.limits.lifetime_default_seconds
        margin = self.limits.refresh_before_seconds
        # a token that lives no longer than the margin is used for half of its life
        return max(lifetime - margin if lifetime > margin else lifetime / 2, 0.001)

    def _key(self, account: str) -> str:
        return f"{self.limits.key_prefix}{account}"


def _waited_in_vain() -> TransportFailure:
    return TransportFailure(
        "transport.token_wait", "somebody else was fetching the token all the time", left=False
    )


def _text(stored: object) -> str:
    return stored.decode() if isinstance(stored, bytes) else str(stored)
