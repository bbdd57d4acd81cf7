"""Provider accounts: credentials go in and never out, hosts are few, keys rotate."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import SecurityEvent
from pettycash.models.imprest import ProviderAccount
from pettycash.runtime import settings
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services import payments
from pettycash.services.foundation import encryption
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import provider_accounts
from tests.factories import payments as making
from tests.factories.people import acting

SECRET = "a-secret-that-is-nowhere-else"


def create(session: Session, **more: Any) -> ProviderAccount:
    facts: dict[str, Any] = {
        "code": "MPESA-2",
        "name": "Second",
        "method": Method.MPESA,
        "currency": Currency.KES,
        "environment": "sandbox",
        "base_url": "https://sandbox.safaricom.co.ke",
        "shortcode": "600001",
        "credentials": {"consumer_key": "k", "consumer_secret": SECRET},
    }
    return provider_accounts.create(Uow.of(session, admin(session)), **facts | more)


def admin(session: Session) -> Actor:
    return acting(session, "admin")


def test_credentials_are_encrypted_and_bound_to_their_row(session: Session) -> None:
    first, second = create(session), create(session, code="MPESA-3", shortcode="600002")

    assert SECRET not in first.credentials
    opened = json.loads(encryption.decrypt(first.credentials, bound_to=first.id))
    assert opened["consumer_secret"] == SECRET
    with pytest.raises(encryption.Undecipherable):
        encryption.decrypt(first.credentials, bound_to=second.id)


def test_a_change_is_remembered_without_the_secret(session: Session) -> None:
    account = create(session)
    provider_accounts.change(
        Uow.of(session, admin(session)),
        account=account,
        changes={"credentials": {"consumer_key": "k2", "consumer_secret": SECRET + "2"}},
    )

    events = session.execute(
        select(SecurityEvent.event, SecurityEvent.detail).where(
            SecurityEvent.event.like("provider_account.%")
        )
    ).all()
    assert [event for event, _ in events] == [
        "provider_account.created",
        "provider_account.changed",
    ]
    assert SECRET not in str(events)
    assert account.version == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://sandbox.safaricom.co.ke",
        "https://evil.example",
        "https://sandbox.safaricom.co.ke.evil.example",
        "https://user:pw@sandbox.safaricom.co.ke",
        "https://sandbox.safaricom.co.ke/?x=1",
        "file:///etc/passwd",
        "https://[bad",
        "sandbox.safaricom.co.ke",
    ],
)
def test_only_listed_hosts_are_called(session: Session, url: str) -> None:
    with pytest.raises(provider_accounts.InvalidProviderAccount) as refusal:
        create(session, base_url=url)

    assert "base_url" in refusal.value.errors


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"method": Method.AIRTEL_MONEY}, "method"),
        ({"method": Method.CASH}, "method"),
        ({"currency": Currency.UGX}, "currency"),
        ({"amount_min": Decimal(10), "amount_max": Decimal(9)}, "amount_max"),
        ({"amount_max": Decimal(9)}, "amount_min"),
    ],
)
def test_what_can_not_be_used_is_named(session: Session, facts: dict[str, Any], field: str) -> None:
    with pytest.raises(provider_accounts.InvalidProviderAccount) as refusal:
        create(session, **facts)

    assert field in refusal.value.errors


def test_codes_and_shortcodes_are_unique(session: Session) -> None:
    create(session)

    for facts in ({"shortcode": "600009"}, {"code": "MPESA-9"}):
        with pytest.raises(provider_accounts.ProviderAccountExists):
            create(session, **facts)


def test_rotation_leaves_no_older_key(session: Session) -> None:
    payment = making.executing(session)
    create(session)
    before = settings.current()
    newer = Fernet.generate_key().decode()
    settings.install(replace(before, secret_keys=(newer, *before.secret_keys)))

    total, old = provider_accounts.rotate(session)

    assert (total, old) == (2, 0)
    settings.install(replace(before, secret_keys=(newer,)))
    account = session.get_one(ProviderAccount, payment.provider_account_id)
    assert account.credentials_key_id == provider_accounts.key_id()
    attempt = making.attempt_of(session, payment)
    assert payments.instruction_of(session, attempt).account.credentials["consumer_key"]
