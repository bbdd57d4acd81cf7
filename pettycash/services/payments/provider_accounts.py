"""A company's accounts with rails: limits, kill switch, and credentials that only go in.

Credentials are JSON, encrypted and bound to the account's id, so that a ciphertext can't be moved
to another row; `rotate` encrypts them again under the newest key (security.md row 16).
"""

import hashlib
import json
import urllib.parse
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pettycash.gateways import registry
from pettycash.models.base import new_id
from pettycash.models.imprest import ProviderAccount
from pettycash.models.operations import Pause
from pettycash.runtime import db, errors, settings
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services.foundation import encryption, outbox, security_log
from pettycash.services.foundation.listings import Find, Listing, flag, many, since
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import pauses
from pettycash.services.payments import callback_sources

CHANGEABLE = frozenset(
    {
        "name",
        "base_url",
        "environment",
        "credentials",
        "options",
        "amount_min",
        "amount_max",
        "is_active",
    }
)

OPTIONS = frozenset({callback_sources.OPTION})
"""Facts of a rail that are an account's own to say."""


class ProviderAccountNotFound(errors.NotFound):
    """There is no such provider account in this company."""

    code = "provider_account.not_found"


class ProviderAccountExists(errors.Conflict):
    """The company has an account of this code, or of this method and shortcode, already."""

    code = "provider_account.exists"


class InvalidProviderAccount(errors.RuleViolation):
    """Method, currency, address or limits can't be used together."""

    code = "provider_account.invalid"


def get(session: Session, *, account_id: UUID, lock: bool = False) -> ProviderAccount:
    """One account of the company.

    Raises:
        ProviderAccountNotFound: none such.
    """
    found = (
        db.lock(session, ProviderAccount, account_id)
        if lock
        else session.get(ProviderAccount, account_id)
    )
    if found is None:
        raise ProviderAccountNotFound
    return found


def create(
    uow: Uow,
    *,
    code: str,
    name: str,
    method: Method,
    currency: Currency,
    environment: str,
    base_url: str,
    shortcode: str,
    credentials: Mapping[str, str],
    options: Mapping[str, Any] | None = None,
    amount_min: Decimal | None = None,
    amount_max: Decimal | None = None,
) -> ProviderAccount:
    """Open an account. Its credentials can be replaced, and never be read again.

    Raises:
        InvalidProviderAccount: no adapter serves the method, it does not carry the currency, the
            address is not one of the allowed hosts, the limits are the wrong way round, or an
            option can't be used.
        ProviderAccountExists: code or shortcode are taken.
    """
    wrong: dict[str, list[str]] = {}
    if method not in registry.served():
        wrong["method"] = [f"No adapter serves {method.facts.label} here."]
    elif method.facts.currencies and currency.value not in method.facts.currencies:
        wrong["currency"] = [f"{method.facts.label} does not carry {currency.value}."]
    account = ProviderAccount(
        id=new_id(),
        company_id=uow.actor.company_id,
        code=code,
        name=name,
        method=method,
        currency=currency.value,
        environment=environment,
        base_url=base_url,
        shortcode=shortcode,
        options=dict(options or {}),
        amount_min=amount_min,
        amount_max=amount_max,
        is_active=True,
        created_by=uow.actor.user_id,
    )
    wrong |= _wrong(account) | _wrong_options(account.options)
    if wrong:
        raise InvalidProviderAccount(errors=wrong)
    _set(uow, account, credentials)
    try:
        with uow.session.begin_nested():
            uow.session.add(account)
            uow.session.flush()  # here, as the unique constraints decide
    except IntegrityError as error:
        raise ProviderAccountExists from error
    _log_event(uow, account, "created", sorted(credentials))
    return account


def change(uow: Uow, *, account: ProviderAccount, changes: Mapping[str, Any]) -> ProviderAccount:
    """Change a locked account; `changes` holds some of CHANGEABLE. `is_active` is the kill switch.

    Attempts that were released keep the address they were released to.

    Raises:
        InvalidProviderAccount: see `create`.
    """
    unknown = set(changes) - CHANGEABLE
    assert not unknown, f"not changeable: {unknown}"
    was_active, options_before = account.is_active, dict(account.options)
    for name, value in changes.items():
        if name != "credentials":
            setattr(account, name, dict(value) if name == "options" else value)
    wrong = _wrong(account)
    if "options" in changes:  # what stands there from before keeps nobody from the kill switch
        wrong |= _wrong_options(account.options)
    if wrong:
        raise InvalidProviderAccount(errors=wrong)
    if "credentials" in changes:
        _set(uow, account, changes["credentials"])
    account.version += 1
    if account.is_active and not was_active:
        outbox.wake(uow.session, topic=pauses.SENDING, lane=account.id)
    told = {}
    if "options" in changes:  # no secrets, and they say whose callbacks count
        told = {"old": {"options": options_before}, "new": {"options": dict(account.options)}}
    _log_event(uow, account, "changed", sorted(changes), **told)
    return account


def rotate(session: Session) -> tuple[int, int]:
    """Encrypt the company's credentials under the newest key.

    Returns how many there are, and how many of them an older key alone still reads: none, or the
    older keys must stay installed.
    """
    accounts = list(
        session.execute(select(ProviderAccount).with_for_update(key_share=True)).scalars()
    )
    for account in accounts:
        if not encryption.under_first_key(account.credentials):
            account.credentials = encryption.rotate(account.credentials)
            account.credentials_key_id = key_id()
            account.version += 1
    old = sum(not encryption.under_first_key(account.credentials) for account in accounts)
    return len(accounts), old


def key_id() -> str:
    """The fingerprint of the key that encrypts now."""
    return hashlib.sha256(settings.current().secret_keys[0].encode()).hexdigest()[:16]


def _set(uow: Uow, account: ProviderAccount, credentials: Mapping[str, str]) -> None:
    _seal(account, credentials)
    account.credentials_set_at, account.credentials_set_by = uow.now, uow.actor.user_id


def _seal(account: ProviderAccount, credentials: Mapping[str, str]) -> None:
    account.credentials = encryption.encrypt(json.dumps(dict(credentials)), bound_to=account.id)
    account.credentials_key_id = key_id()


def _wrong(account: ProviderAccount) -> dict[str, list[str]]:
    wrong: dict[str, list[str]] = {}
    if not _is_allowed(account.base_url):
        wrong["base_url"] = ["It is https:// on one of the hosts that PETTYCASH_RAIL_HOSTS names."]
    low, high = account.amount_min, account.amount_max
    if low is not None and high is not None and high < low:
        wrong["amount_max"] = ["Below amount_min."]
    if high is not None and low is None:
        wrong["amount_min"] = ["Needed where amount_max is given."]
    return wrong


def _wrong_options(options: Mapping[str, Any]) -> dict[str, list[str]]:
    wrong = [f"{name}: nothing reads this." for name in options if name not in OPTIONS]
    wrong += callback_sources.problems(options.get(callback_sources.OPTION, []))
    return {"options": wrong} if wrong else {}


def _is_allowed(url: str) -> bool:
    """Outgoing calls go to a fixed list of hosts (security.md row 18); here it is said early."""
    current = settings.current()
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.username or parts.query or parts.fragment or host is None:
        return False
    if current.simulator_mpesa_url and current.environment != "production":
        simulator = urllib.parse.urlsplit(current.simulator_mpesa_url)
        if (parts.scheme, host, port) == (simulator.scheme, simulator.hostname, simulator.port):
            return True
    return parts.scheme == "https" and (
        host in current.rail_hosts or f"{host}:{port}" in current.rail_hosts
    )


def _log_event(
    uow: Uow, account: ProviderAccount, what: str, names: list[str], **told: Any
) -> None:
    security_log.record(
        uow.session,
        event=f"provider_account.{what}",
        outcome="ok",
        detail={"provider_account_id": str(account.id), "fields": names, **told},
        actor=uow.actor,
    )


class Condition(StrEnum):
    """How an account is doing."""

    ACTIVE = "active"
    OFF = "off"
    PAUSED = "paused"
    FAILING = "failing"  # its rail refuses the credentials


def to_response(uow: Uow, accounts: Sequence[ProviderAccount]) -> list[dict[str, Any]]:
    """Accounts with how each is doing, and without their credentials."""
    ids = [each.id for each in accounts]
    paused = set(
        uow.session.execute(
            select(Pause.object_id).where(Pause.object_id.in_(ids), Pause.decided_at.is_(None))
        ).scalars()
    )
    return [
        {each.key: getattr(account, each.key) for each in ProviderAccount.__mapper__.column_attrs}
        | {"credentials": None, "condition": _condition(account, is_paused=account.id in paused)}
        for account in accounts
    ]


def _condition(account: ProviderAccount, *, is_paused: bool) -> Condition:
    if not account.is_active:
        return Condition.OFF
    if is_paused:
        return Condition.PAUSED
    refused = account.refused_in_row + account.reported_refused_in_row
    return Condition.FAILING if refused else Condition.ACTIVE


PROVIDER_ACCOUNTS = Listing(
    name="provider_accounts.list",
    query=select(ProviderAccount),
    filters={
        "method": many(ProviderAccount.method),
        "is_active": flag(ProviderAccount.is_active),
        "updated_since": since(ProviderAccount.updated_at),
    },
    find=Find(
        words=(ProviderAccount.code, ProviderAccount.name),
        exact=(ProviderAccount.shortcode,),
        text="Words of code and name in any case, or the whole of a shortcode.",
    ),
    orders={"code": (ProviderAccount.code,), "newest": (ProviderAccount.id.desc(),)},
    show=to_response,
    columns=("code", "name", "method", "shortcode", "is_active"),
    people=("created_by", "credentials_set_by"),
)
