"""The addresses that rails report to: computed for each attempt and purpose, stored nowhere.

`/api/callbacks/{slug}/{secret}`: the slug is the attempt's id in hex and one digit for the purpose,
the secret the HMAC of both under the callback key. Nothing in it names a provider, and it is made
of the characters 0-9 and a-f only, since rails refuse words in addresses (security.md row 17).
"""

import hashlib
import hmac
import re
from uuid import UUID

from pettycash import settings
from pettycash.gateways.base import CallbackUrls
from pettycash.models.attempts import CallbackPurpose

_DIGITS: dict[CallbackPurpose, str] = {
    CallbackPurpose.RESULT: "1",
    CallbackPurpose.TIMEOUT: "2",
    CallbackPurpose.QUERY_RESULT: "3",
    CallbackPurpose.QUERY_TIMEOUT: "4",
}
_PURPOSES = {digit: purpose for purpose, digit in _DIGITS.items()}
_SLUG = re.compile(r"[0-9a-f]{32}[1-4]", re.ASCII)
_SECRET = re.compile(r"[0-9a-f]{64}", re.ASCII)


def slug_of(attempt_id: UUID, purpose: CallbackPurpose) -> str:
    """What leads to the attempt and the purpose."""
    return attempt_id.hex + _DIGITS[purpose]


def secret_of(attempt_id: UUID, purpose: CallbackPurpose) -> str:
    """What only the rail was told."""
    key = settings.current().callback_key.encode()
    message = attempt_id.bytes + purpose.value.encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def read(slug: str, secret: str) -> tuple[UUID, CallbackPurpose] | None:
    """The attempt and purpose of an address, if its secret is right; compared in constant time."""
    if _SLUG.fullmatch(slug) is None or _SECRET.fullmatch(secret) is None:
        return None
    attempt_id, purpose = UUID(hex=slug[:32]), _PURPOSES[slug[32]]
    if not hmac.compare_digest(secret_of(attempt_id, purpose), secret):
        return None
    return attempt_id, purpose


def urls_of(attempt_id: UUID) -> CallbackUrls:
    """All four addresses of an attempt."""
    base = settings.current().callback_base_url.rstrip("/")

    def url(purpose: CallbackPurpose) -> str:
        slug, secret = slug_of(attempt_id, purpose), secret_of(attempt_id, purpose)
        return f"{base}/api/callbacks/{slug}/{secret}"

    return CallbackUrls(
        result=url(CallbackPurpose.RESULT),
        timeout=url(CallbackPurpose.TIMEOUT),
        query_result=url(CallbackPurpose.QUERY_RESULT),
        query_timeout=url(CallbackPurpose.QUERY_TIMEOUT),
    )
