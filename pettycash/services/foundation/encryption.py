"""Passwords and secrets at rest: argon2id, authenticated encryption, digests of tokens.

Numbers and their sources: security.md rows 2, 9 and 16.
"""

import base64
import hashlib
import hmac
import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from pettycash.runtime import errors, settings

HASH_WAIT_SECONDS = 5.0
"""How long a request waits for its turn to hash before it is told to come back."""

TOKEN_BYTES = 32


class TooManyHashes(errors.Unavailable):
    """Too many passwords are being checked at this moment; try again shortly."""

    code = "auth.busy"


class Undecipherable(Exception):
    """A ciphertext belongs to another row, to a key that is not installed, or was tampered with."""


class _Turns:
    """At most so many hashes at once in this process: each takes 64 MiB."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: threading.BoundedSemaphore | None = None
        self._size = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        size = settings.current().hashes_at_once
        with self._lock:
            if self._free is None or self._size != size:
                self._free, self._size = threading.BoundedSemaphore(size), size
            free = self._free
        if not free.acquire(timeout=HASH_WAIT_SECONDS):
            raise TooManyHashes
        try:
            yield
        finally:
            free.release()


_turns = _Turns()


@lru_cache(maxsize=4)
def _hasher(memory_kib: int, rounds: int, lanes: int) -> PasswordHasher:
    return PasswordHasher(time_cost=rounds, memory_cost=memory_kib, parallelism=lanes)


def _current_hasher() -> PasswordHasher:
    profile = settings.current()
    return _hasher(profile.hash_memory_kib, profile.hash_rounds, profile.hash_lanes)


def normal(text: str) -> str:
    """A password in NFKC: the same whatever keyboard composed it (row 1)."""
    return unicodedata.normalize("NFKC", text)


def hash_password(text: str) -> str:
    """Hash a password in NFKC with argon2id (default m = 64 MiB, t = 3, p = 4).

    Raises:
        TooManyHashes: no turn within HASH_WAIT_SECONDS.
    """
    with _turns.one():
        return _current_hasher().hash(normal(text))


def hash_of_nobodys() -> str:
    """The hash of a password that nobody knows: its owner sets another one by a link.

    One for everybody of this process: hashing takes as long as it does to keep guessers out, which
    an import of hundreds can't wait for.
    """
    return _hash_of_nobodys(_current_hasher())


@lru_cache(maxsize=4)
def _hash_of_nobodys(hasher: PasswordHasher) -> str:
    return hasher.hash(secrets.token_urlsafe(TOKEN_BYTES))


def password_matches(text: str, stored: str) -> bool:
    """Whether a password is the one that was hashed; a hash that can't be read matches nothing.

    A hash of before passwords were normalised is of what was typed then.

    Raises:
        TooManyHashes: no turn within HASH_WAIT_SECONDS.
    """
    return any(_verifies(each, stored) for each in dict.fromkeys((normal(text), text)))


def _verifies(text: str, stored: str) -> bool:
    with _turns.one():
        try:
            return _current_hasher().verify(stored, text)
        except (VerificationError, InvalidHashError):
            return False


def needs_rehash(stored: str, text: str) -> bool:
    """Whether the hash of this password has other parameters than those in force or is not NFKC's.

    Raises:
        TooManyHashes: no turn within HASH_WAIT_SECONDS.
    """
    if _current_hasher().check_needs_rehash(stored):
        return True
    return text != normal(text) and not _verifies(normal(text), stored)


@lru_cache(maxsize=4)
def hash_of_nobody(memory_kib: int, rounds: int, lanes: int) -> str:
    """A hash that no password matches, to spend the same time on users that do not exist."""
    return _hasher(memory_kib, rounds, lanes).hash(secrets.token_urlsafe(TOKEN_BYTES))


def spend_the_same_time(text: str) -> None:
    """Verify against nobody's hash: the answer for an unknown user takes as long as any other."""
    profile = settings.current()
    nobody = hash_of_nobody(profile.hash_memory_kib, profile.hash_rounds, profile.hash_lanes)
    password_matches(text, nobody)


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(plaintext: str, *, bound_to: UUID) -> str:
    """Encrypt with the first of PETTYCASH_SECRET_KEYS, bound to the row that will hold it.

    Fernet has no additional authenticated data, so the id goes into the plaintext and `decrypt`
    compares it: a ciphertext copied into another row can't be read there.
    """
    payload = bound_to.bytes + plaintext.encode("utf-8")
    return _box(settings.current().secret_keys).encrypt(payload).decode("ascii")


def decrypt(ciphertext: str, *, bound_to: UUID) -> str:
    """Read what `encrypt` wrote for the same row, under any of the installed keys.

    Raises:
        Undecipherable: another row's, another key's, or tampered with.
    """
    try:
        payload = _box(settings.current().secret_keys).decrypt(ciphertext.encode("ascii"))
    except (InvalidToken, UnicodeEncodeError) as error:
        raise Undecipherable("the ciphertext can't be read") from error
    if not hmac.compare_digest(payload[:16], bound_to.bytes):
        raise Undecipherable("the ciphertext belongs to another row")
    return payload[16:].decode("utf-8")


def rotate(ciphertext: str) -> str:
    """Encrypt again under the first key; the binding stays what it was.

    Raises:
        Undecipherable: no installed key reads it.
    """
    try:
        return _box(settings.current().secret_keys).rotate(ciphertext.encode("ascii")).decode()
    except InvalidToken as error:
        raise Undecipherable("the ciphertext can't be read") from error


def under_first_key(ciphertext: str) -> bool:
    """Whether the newest key alone reads it, so that the others may be dropped."""
    try:
        Fernet(settings.current().secret_keys[0]).decrypt(ciphertext.encode("ascii"))
    except InvalidToken:
        return False
    return True


def new_token(kind: str) -> str:
    """A token of 256 random bits; its first letters say what it is, for secret scanners."""
    return f"pc_{kind}_{secrets.token_urlsafe(TOKEN_BYTES)}"


def next_token(kind: str, presented: str, *, family: UUID, generation: int) -> str:
    """The token that follows one: the same whoever computes it, and for nobody without that one.

    Under a key of its own that is derived from the first of PETTYCASH_SECRET_KEYS (row 9).
    """
    installed = settings.current().secret_keys[0].encode()
    key = hmac.digest(installed, b"pettycash/sessions", hashlib.sha256)
    message = f"{kind}/{family}/{generation}/{presented}".encode()
    made = base64.urlsafe_b64encode(hmac.digest(key, message, hashlib.sha256)).rstrip(b"=")
    return f"pc_{kind}_{made.decode('ascii')}"


def token_digest(token: str) -> bytes:
    """The stored form of a token: SHA-256; 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token.encode("utf-8")).digest()
