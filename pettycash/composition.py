"""Composes a process that pays: the foundation of every process, the rails' adapters, the hooks.

The API, the workers and the commands are composed alike, here, so that none of them can differ in
which rails it serves, or in what follows a payment.
"""

from datetime import timedelta

from pettycash.gateways import registry
from pettycash.gateways.kit.http import HttpLimits, RailSession
from pettycash.gateways.kit.tokens import TokenCache, connect
from pettycash.gateways.mpesa import MpesaConfig, MpesaGateway
from pettycash.runtime import process
from pettycash.runtime.rails import Rail
from pettycash.runtime.settings import Settings
from pettycash.services import releases
from pettycash.services.approvals import subjects
from pettycash.services.foundation import hooks
from pettycash.services.imprest import replenishments
from pettycash.services.imprest.replenishments import funding
from pettycash.services.payments import facts, standing
from pettycash.services.requisitions import approval


def compose(settings: Settings) -> None:
    """Lay the foundation and wire one adapter for each rail that is served.

    Opens no connection. A process that forks afterwards calls `db.dispose(close=False)` in the
    child.
    """
    process.lay(settings)
    registry.register(Rail.MPESA, lambda: _mpesa(settings))
    attach()


def attach() -> None:
    """Say what people approve and release, what follows from it, and in which order (`hooks`)."""
    subjects.register(approval.SUBJECT)
    releases.register(facts.RELEASES, funding.RELEASES)
    hooks.on_final_approval.attach(standing.validate)
    hooks.on_released.attach(replenishments.consider_store)
    hooks.on_settled.attach(replenishments.consider_store)
    hooks.on_duplicate.attach(replenishments.consider_store)
    hooks.on_charged.attach(replenishments.consider_store)
    hooks.on_failed.attach()
    hooks.on_returned.attach(replenishments.consider_store)


def _mpesa(settings: Settings) -> MpesaGateway:
    limits = HttpLimits(
        connect_seconds=settings.rail_connect_timeout_seconds,
        read_seconds=settings.rail_read_timeout_seconds,
        total_seconds=settings.rail_total_timeout_seconds,
    )
    hosts = list(settings.rail_hosts)
    if settings.simulator_mpesa_url and settings.environment != "production":
        hosts.append(settings.simulator_mpesa_url)
    tokens = TokenCache(connect(settings.redis_url) if settings.redis_url else None)
    config = MpesaConfig(
        amount_min=settings.mpesa_amount_min,
        amount_max=settings.mpesa_amount_max,
        decide_by=timedelta(seconds=settings.decide_by_seconds),
    )
    return MpesaGateway(RailSession(hosts, limits), tokens, config)
