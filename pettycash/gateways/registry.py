"""The adapter of each rail; composition roots fill the registry, everyone else asks it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from pettycash.gateways.base import Gateway
from pettycash.runtime import errors
from pettycash.runtime.rails import Rail

_lock = Lock()
_factories: dict[Rail, Callable[[], Gateway]] = {}
_gateways: dict[Rail, Gateway] = {}


class RailNotServed(errors.RuleViolation):
    """This rail is not set up here, so it can't make payments."""

    code = "payment.rail_not_served"


def register(rail: Rail, factory: Callable[[], Gateway]) -> None:
    """Wire a rail; the factory runs once, at the first use. Registering again replaces."""
    with _lock:
        _factories[rail] = factory
        _gateways.pop(rail, None)


def for_rail(rail: Rail) -> Gateway:
    """The rail's gateway, shared by all threads.

    Raises:
        RailNotServed: nothing is registered for it.
    """
    with _lock:
        gateway = _gateways.get(rail)
        if gateway is None:
            factory = _factories.get(rail)
            if factory is None:
                raise RailNotServed(f"no gateway serves {rail.value}")
            gateway = _gateways[rail] = factory()
        return gateway


def served() -> frozenset[Rail]:
    """The rails that have an adapter."""
    with _lock:
        return frozenset(_factories)


def clear() -> None:
    """Forget every adapter; a composition root that starts afresh calls it."""
    with _lock:
        _factories.clear()
        _gateways.clear()
