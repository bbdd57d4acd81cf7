"""Where a provider account's callbacks come from, and what becomes of one from elsewhere.

The list is the account's option `callback_sources`, or what the rail publishes for the account's
environment. A right secret from another address proves that the address got known, or that the list
is too old: it is refused as if the secret were wrong, and people are told (security.md row 17).
"""

import ipaddress
import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.gateways import registry
from pettycash.models.imprest import ProviderAccount
from pettycash.models.operations import CaseKind, Severity
from pettycash.runtime import settings
from pettycash.runtime.rails import Rail
from pettycash.services.access.identity import throttles
from pettycash.services.foundation import security_log
from pettycash.services.operations import cases

logger = logging.getLogger(__name__)

OPTION = "callback_sources"
NETWORKS_MAX = 100


def problems(networks: object) -> list[str]:
    """Faults of an account's own list; an empty list takes callbacks from anywhere."""
    if not isinstance(networks, list) or len(networks) > NETWORKS_MAX:
        return [f"{OPTION} is a list of at most {NETWORKS_MAX} networks."]
    wrong = []
    for each in networks:
        try:
            ipaddress.ip_network(each if isinstance(each, str) else "")
        except ValueError:
            wrong.append(f"{OPTION}: {each!r} is no network such as 192.0.2.0/24."[:300])
    return wrong


def is_expected(
    remote_address: str | None, *, method: Rail, environment: str, options: Mapping[str, Any]
) -> bool:
    """Whether an account's callbacks come from there.

    The rail's own list counts only where the caller's address is known: that of a proxy which
    nobody has declared says nothing.
    """
    networks = options.get(OPTION)
    if networks is None:
        if not settings.current().trusted_proxies:
            return True
        networks = registry.for_rail(method).callback_sources.get(environment, ())
    if not networks:
        return True
    try:
        caller = ipaddress.ip_address(remote_address or "")
        mapped = getattr(caller, "ipv4_mapped", None)
        return any(
            (mapped or caller) in ipaddress.ip_network(each, strict=False) for each in networks
        )
    except ValueError:
        return False


def is_news(session: Session, *, account_id: UUID, remote_address: str | None) -> bool:
    """Count a foreign caller (system role); whether it is the first of this minute.

    Whoever got hold of an address must not be able to fill the security log with it.
    """
    count = throttles.add(
        session,
        subject=f"callbacks:foreign:{account_id}:{throttles.network_of(remote_address)}",
        window=throttles.MINUTE,
        now=session.info["now"],
    )
    return count.attempts == 1


def report(
    session: Session, *, account_id: UUID, attempt_id: UUID, remote_address: str | None
) -> None:
    """Tell people of a right secret from a foreign address."""
    account = session.get_one(ProviderAccount, account_id)
    logger.warning(
        "a callback with a right secret from a foreign address",
        extra={"provider_account_id": str(account_id), "remote_address": remote_address},
    )
    security_log.record(
        session,
        event="callback.foreign_address",
        outcome="refused",
        detail={"provider_account_id": str(account_id), "attempt_id": str(attempt_id)},
        ip_address=remote_address,
    )
    cases.open_case(
        session,
        kind=CaseKind.UNMATCHED_CALLBACK,
        object_type="provider_account",
        object_id=account_id,
        summary=f"Callbacks to {account.code} with a right secret come from {remote_address}, which"
        f" is none of its {OPTION}; they are refused.",
        evidence={"provider_account": account.code, "remote_address": remote_address},
        severity=Severity.SEVERE,
    )
