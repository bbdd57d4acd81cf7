"""Rails are served by what a composition root registered, once made and shared."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pettycash.gateways import registry
from pettycash.gateways.kit.http import RailSession
from pettycash.gateways.kit.tokens import TokenCache
from pettycash.gateways.mpesa import MpesaGateway
from pettycash.runtime.rails import FACTS, Rail


def make() -> MpesaGateway:
    return MpesaGateway(RailSession([]), TokenCache(None))


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_factories", {})
    monkeypatch.setattr(registry, "_gateways", {})
    return


def test_a_gateway_is_made_once_for_all_threads() -> None:
    made: list[MpesaGateway] = []
    registry.register(Rail.MPESA, lambda: made.append(make()) or made[-1])  # type: ignore[func-returns-value]

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(registry.for_rail, [Rail.MPESA] * 50))

    assert len(made) == 1
    assert set(map(id, got)) == {id(made[0])}


def test_a_rail_that_nobody_serves_is_refused() -> None:
    registry.register(Rail.MPESA, make)

    with pytest.raises(registry.RailNotServed):
        registry.for_rail(Rail.CARD)
    assert registry.served() == {Rail.MPESA}


def test_registering_again_replaces() -> None:
    registry.register(Rail.MPESA, make)
    before = registry.for_rail(Rail.MPESA)
    registry.register(Rail.MPESA, make)

    assert registry.for_rail(Rail.MPESA) is not before


def test_clear_forgets() -> None:
    registry.register(Rail.MPESA, make)
    registry.for_rail(Rail.MPESA)
    registry.clear()

    with pytest.raises(registry.RailNotServed):
        registry.for_rail(Rail.MPESA)


def test_every_rail_has_facts() -> None:
    assert set(FACTS) == set(Rail)
    assert Rail.MPESA.facts.currencies == {"KES"}
    assert not Rail.CASH.facts.has_gateway
    assert Rail.CARD.facts.reserved
