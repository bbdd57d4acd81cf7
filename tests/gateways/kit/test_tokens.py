"""One token for all workers, on a real Redis: fetched once, dropped with care, not a condition."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from pettycash.gateways.flight import Deadline
from pettycash.gateways.kit.http import TransportFailure
from pettycash.gateways.kit.tokens import Token, TokenCache, TokenLimits
from tests.gateways.conftest import OwnRedis
from tests.patience import budget


class Rail:
    """Gives numbered tokens and remembers how many were asked for at once."""

    def __init__(self, *, seconds: float = 0.0, lifetime: float | None = 3599) -> None:
        self.seconds = seconds
        self.lifetime = lifetime
        self.fetched = 0
        self.at_once_max = 0
        self.fail_next = 0
        self._inside = 0
        self._lock = threading.Lock()

    def fetch(self) -> Token:
        with self._lock:
            self._inside += 1
            self.at_once_max = max(self.at_once_max, self._inside)
        time.sleep(self.seconds)
        with self._lock:
            self._inside -= 1
            if self.fail_next:
                self.fail_next -= 1
                raise TransportFailure("transport.timeout", "", left=True)
            self.fetched += 1
            return Token(f"token-{self.fetched}", self.lifetime)


def soon(seconds: float = 5.0) -> Deadline:
    return Deadline.after(seconds)


def at_once(count: int, work: Callable[[], str]) -> list[str]:
    barrier = threading.Barrier(count)

    def run() -> str:
        barrier.wait()
        return work()

    with ThreadPoolExecutor(count) as pool:
        return [each.result() for each in [pool.submit(run) for _ in range(count)]]


def test_twenty_workers_fetch_one_token(redis_server: OwnRedis) -> None:
    rail = Rail(seconds=0.2)
    caches = [TokenCache(redis_server.client()) for _ in range(20)]  # as separate processes have
    queue = list(caches)

    got = at_once(20, lambda: queue.pop().get("a", rail.fetch, soon()))

    assert set(got) == {"token-1"}
    assert rail.fetched == 1


def test_accounts_do_not_share(redis_client: redis.Redis) -> None:
    rail = Rail()
    cache = TokenCache(redis_client)

    assert cache.get("a", rail.fetch, soon()) == "token-1"
    assert cache.get("b", rail.fetch, soon()) == "token-2"
    assert cache.get("a", rail.fetch, soon()) == "token-1"


def test_a_token_is_kept_until_a_minute_before_it_expires(redis_client: redis.Redis) -> None:
    cache = TokenCache(redis_client)

    cache.get("a", Rail(lifetime=3599).fetch, soon())

    assert 3530 < redis_client.pttl("pettycash:rail-token:a") / 1000 <= 3539


@pytest.mark.parametrize(("lifetime", "kept"), [(61, 1), (60, 30), (10, 5), (None, 240)])
def test_odd_lifetimes_are_bounded(
    redis_client: redis.Redis, lifetime: float | None, kept: float
) -> None:
    TokenCache(redis_client).get("a", Rail(lifetime=lifetime).fetch, soon())

    assert kept - 0.5 < redis_client.pttl("pettycash:rail-token:a") / 1000 <= kept


def test_an_expired_token_is_fetched_again(redis_client: redis.Redis) -> None:
    rail = Rail(lifetime=0.2)
    cache = TokenCache(redis_client)
    cache.get("a", rail.fetch, soon())

    time.sleep(0.15)

    assert cache.get("a", rail.fetch, soon()) == "token-2"


def test_a_refused_token_is_dropped(redis_client: redis.Redis) -> None:
    rail = Rail()
    cache = TokenCache(redis_client)
    first = cache.get("a", rail.fetch, soon())

    cache.invalidate("a", first)

    assert cache.get("a", rail.fetch, soon()) == "token-2"


def test_dropping_an_old_token_leaves_the_new_one_of_another_worker(
    redis_server: OwnRedis,
) -> None:
    rail = Rail()
    one, other = TokenCache(redis_server.client()), TokenCache(redis_server.client())
    old = one.get("a", rail.fetch, soon())
    other.invalidate("a", old)
    new = other.get("a", rail.fetch, soon())

    one.invalidate("a", old)

    assert one.get("a", rail.fetch, soon()) == new
    assert rail.fetched == 2


def test_twenty_workers_whose_token_was_refused_fetch_one_new_one(
    redis_server: OwnRedis,
) -> None:
    rail = Rail(seconds=0.1)
    queue = [TokenCache(redis_server.client()) for _ in range(20)]
    old = queue[0].get("a", rail.fetch, soon())

    def refused_and_again() -> str:
        cache = queue.pop()
        cache.invalidate("a", old)
        return cache.get("a", rail.fetch, soon())

    assert set(at_once(20, refused_and_again)) == {"token-2"}
    assert rail.fetched == 2


def test_a_token_stored_between_the_look_and_the_lock_is_used(redis_server: OwnRedis) -> None:
    class LateLook(redis.Redis):
        """Its first look finds nothing; just after it, the last holder stores and unlocks."""

        looked = False

        def get(self, name: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.looked:
                self.looked = True
                self.set(name, "token-of-the-last-holder")
                return None
            return super().get(name, *args, **kwargs)

    rail = Rail()
    with LateLook(unix_socket_path=str(redis_server.socket)) as client:
        token = TokenCache(client).get("a", rail.fetch, soon())

    assert token == "token-of-the-last-holder"
    assert rail.fetched == 0


def test_a_failed_fetch_reaches_its_own_caller_and_frees_the_lock(
    redis_client: redis.Redis,
) -> None:
    rail = Rail()
    rail.fail_next = 1
    cache = TokenCache(redis_client)
    with pytest.raises(TransportFailure):
        cache.get("a", rail.fetch, soon())

    started = time.monotonic()

    assert cache.get("a", rail.fetch, soon()) == "token-1"
    assert time.monotonic() - started < budget(1)


def test_a_lock_that_nobody_frees_runs_out(redis_client: redis.Redis) -> None:
    redis_client.set("pettycash:rail-token:a:lock", "a dead worker", px=300)
    rail = Rail()

    assert TokenCache(redis_client).get("a", rail.fetch, soon()) == "token-1"


def test_who_waits_in_vain_is_told_that_nothing_left(redis_client: redis.Redis) -> None:
    redis_client.set("pettycash:rail-token:a:lock", "a slow worker", px=60_000)
    rail = Rail()

    with pytest.raises(TransportFailure) as caught:
        TokenCache(redis_client).get("a", rail.fetch, soon(0.3))

    assert caught.value.left is False
    assert rail.fetched == 0


def test_a_holder_whose_lock_ran_out_does_not_overwrite_the_next_ones_token(
    redis_server: OwnRedis,
) -> None:
    limits = TokenLimits(lock_seconds=0.1)
    slow, quick = Rail(seconds=0.5), Rail()
    quick.fetched = 10
    one = TokenCache(redis_server.client(), limits)
    other = TokenCache(redis_server.client(), limits)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(one.get, "a", slow.fetch, soon())
        time.sleep(0.2)
        assert other.get("a", quick.fetch, soon()) == "token-11"

        assert late.result() == "token-1"  # it uses what it fetched, and shares it with nobody
    assert other.get("a", quick.fetch, soon()) == "token-11"


def test_without_redis_threads_of_one_process_fetch_once() -> None:
    rail = Rail(seconds=0.1)
    cache = TokenCache(None)

    got = at_once(10, lambda: cache.get("a", rail.fetch, soon()))

    assert set(got) == {"token-1"}
    assert rail.at_once_max == 1


def test_without_redis_a_refused_token_is_dropped_and_another_one_is_not() -> None:
    rail = Rail()
    cache = TokenCache(None)
    first = cache.get("a", rail.fetch, soon())

    cache.invalidate("a", "another")
    assert cache.get("a", rail.fetch, soon()) == first
    cache.invalidate("a", first)
    assert cache.get("a", rail.fetch, soon()) == "token-2"


def test_without_redis_a_token_expires_too() -> None:
    rail = Rail(lifetime=0.2)
    cache = TokenCache(None)
    cache.get("a", rail.fetch, soon())

    time.sleep(0.15)

    assert cache.get("a", rail.fetch, soon()) == "token-2"


def test_while_redis_is_away_tokens_are_fetched_under_a_lock_of_the_process(
    redis_server: OwnRedis,
) -> None:
    rail = Rail(seconds=0.1)
    cache = TokenCache(redis_server.client())
    redis_server.stop()

    got = at_once(5, lambda: cache.get("a", rail.fetch, soon()))
    cache.invalidate("a", got[0])

    assert set(got) == {"token-1"}
    assert cache.get("a", rail.fetch, soon()) == "token-2"


def test_redis_that_dies_during_the_fetch_costs_no_second_fetch(redis_server: OwnRedis) -> None:
    rail = Rail()
    cache = TokenCache(redis_server.client())

    def fetch() -> Token:
        redis_server.stop()
        return rail.fetch()

    assert cache.get("a", fetch, soon()) == "token-1"
    assert cache.get("a", rail.fetch, soon()) == "token-1"
    assert rail.fetched == 1


def test_when_redis_is_back_it_is_used_again(redis_server: OwnRedis) -> None:
    rail = Rail()
    cache = TokenCache(redis_server.client())
    redis_server.stop()
    cache.get("a", rail.fetch, soon())
    redis_server.start()

    token = cache.get("a", rail.fetch, soon())

    with redis_server.client() as client:
        assert client.get("pettycash:rail-token:a") == token.encode()


def test_a_token_shows_in_no_repr() -> None:
    assert "hush" not in repr(Token("hush", 1))
