"""The addresses that rails report to: computed for each attempt and purpose, stored nowhere.

`/api/callbacks/{slug}/{secret}`: the slug is the attempt's id and its account's in hex and a digit
for the purpose, the secret the HMAC of them under the callback key. Nothing in it names a provider,
and it is made of the characters 0-9 and a-f only, since rails refuse words in addresses
(security.md row 17). The account is there for the attempt that a restored database has lost;
addresses that were given out before it was there are still taken.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from uuid import UUID

from pettycash.gateways.base import CallbackUrls
from pettycash.models.payments import CallbackPurpose
from pettycash.runtime import settings

_DIGITS: dict[CallbackPurpose, str] = {
    CallbackPurpose.RESULT: "1",
    CallbackPurpose.TIMEOUT: "2",
    CallbackPurpose.QUERY_RESULT: "3",
    CallbackPurpose.QUERY_TIMEOUT: "4",
}
_PURPOSES = {digit: purpose for purpose, digit in _DIGITS.items()}
_SLUG = re.compile(r"([0-9a-f]{32})([0-9a-f]{32})?([1-4])", re.ASCII)
_SECRET = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class About:
    """The purpose of an address."""

    attempt_id: UUID
    account_id: UUID | None
    """None in an address of before."""
    purpose: CallbackPurpose


def slug_of(about: About) -> str:
    """The part of the address that leads to the attempt, its account and the purpose."""
    account = about.account_id.hex if about.account_id else ""
    return about.attempt_id.hex + account + _DIGITS[about.purpose]


def secret_of(about: About) -> str:
    """The secret that only the rail was given."""
    key = settings.current().callback_key.encode()
    account = about.account_id.bytes if about.account_id else b""
    message = about.attempt_id.bytes + account + about.purpose.value.encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def read(slug: str, secret: str) -> About | None:
    """The attempt of an address, if its secret is right; compared in constant time."""
    found = _SLUG.fullmatch(slug)
    if found is None or _SECRET.fullmatch(secret) is None:
        return None
    attempt, account, digit = found.groups()
    about = About(
        attempt_id=UUID(hex=attempt),
        account_id=UUID(hex=account) if account else None,
        purpose=_PURPOSES[digit],
    )
    return about if hmac.compare_digest(secret_of(about), secret) else None


def is_right(slug: str, secret: str) -> bool:
    """Whether somebody calls whom we gave the address to."""
    return read(slug, secret) is not None


def urls_of(attempt_id: UUID, account_id: UUID) -> CallbackUrls:
    """All four addresses of an attempt."""
    base = settings.current().callback_base_url.rstrip("/")

    def url(purpose: CallbackPurpose) -> str:
        about = About(attempt_id=attempt_id, account_id=account_id, purpose=purpose)
        slug, secret = slug_of(about), secret_of(about)
        return f"{base}/api/callbacks/{slug}/{secret}"

    return CallbackUrls(
        result=url(CallbackPurpose.RESULT),
        timeout=url(CallbackPurpose.TIMEOUT),
        query_result=url(CallbackPurpose.QUERY_RESULT),
        query_timeout=url(CallbackPurpose.QUERY_TIMEOUT),
    )
