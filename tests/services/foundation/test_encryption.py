"""Passwords and secrets at rest."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet

from pettycash.runtime import config, settings
from pettycash.runtime.settings import Settings
from pettycash.services.foundation import encryption

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture(autouse=True)
def cheap() -> Iterator[None]:
    """Settings of this module's own, with the cheapest hash there is."""
    before = settings._Installed.settings
    settings.install(Settings(secret_keys=(OLD,), hash_memory_kib=32, hash_rounds=1))
    yield
    settings._Installed.settings = before


def with_keys(*keys: str) -> None:
    settings.install(replace(settings.current(), secret_keys=keys))


def test_a_secret_is_read_back_in_its_own_row_only() -> None:
    row = uuid4()
    ciphertext = encryption.encrypt("Ng\u0169g\u0129's key", bound_to=row)

    assert encryption.decrypt(ciphertext, bound_to=row) == "Ng\u0169g\u0129's key"
    assert "key" not in ciphertext
    with pytest.raises(encryption.Undecipherable, match="another row"):
        encryption.decrypt(ciphertext, bound_to=uuid4())


def test_the_same_secret_is_never_the_same_ciphertext() -> None:
    row = uuid4()
    assert encryption.encrypt("x", bound_to=row) != encryption.encrypt("x", bound_to=row)


@pytest.mark.parametrize("broken", ["", "x", "gAAAA", "\u0661", "A" * 200])
def test_what_was_tampered_with_is_refused(broken: str) -> None:
    with pytest.raises(encryption.Undecipherable):
        encryption.decrypt(broken, bound_to=uuid4())


def test_one_flipped_letter_is_noticed() -> None:
    row = uuid4()
    ciphertext = encryption.encrypt("secret", bound_to=row)
    for position in range(10, len(ciphertext) - 2, 7):
        other = "A" if ciphertext[position] != "A" else "B"
        with pytest.raises(encryption.Undecipherable):
            encryption.decrypt(
                ciphertext[:position] + other + ciphertext[position + 1 :], bound_to=row
            )


def test_keys_are_rotated_without_a_gap() -> None:
    row = uuid4()
    before = encryption.encrypt("secret", bound_to=row)
    with_keys(NEW, OLD)
    assert encryption.decrypt(before, bound_to=row) == "secret"
    assert not encryption.under_first_key(before)
    after = encryption.rotate(before)
    assert encryption.under_first_key(after)
    with_keys(NEW)
    assert encryption.decrypt(after, bound_to=row) == "secret"
    with pytest.raises(encryption.Undecipherable):
        encryption.decrypt(before, bound_to=row)
    with pytest.raises(encryption.Undecipherable):
        encryption.rotate(before)


def test_passwords_match_in_nfkc_and_otherwise_as_typed() -> None:
    stored = encryption.hash_password("blue kettle")

    assert stored.startswith("$argon2id$")
    for same in ("blue kettle", "blue\u00a0kettle", "\uff42lue kettle"):
        assert encryption.password_matches(same, stored)
    for other in ("Blue kettle", "blue kettle ", "", "blue\u200bkettle"):
        assert not encryption.password_matches(other, stored)
    assert not encryption.password_matches("blue kettle", "no hash at all")


def test_the_default_profile_is_the_one_of_the_rfc() -> None:
    plain = Settings()
    assert (plain.hash_memory_kib, plain.hash_rounds, plain.hash_lanes) == (64 * 1024, 3, 4)


def test_production_refuses_a_cheap_hash() -> None:
    with pytest.raises(config.InvalidConfiguration, match="PETTYCASH_HASH_MEMORY_KIB"):
        config.read({"PETTYCASH_ENV": "production", "PETTYCASH_HASH_MEMORY_KIB": "1024"})


def test_tokens_have_256_bits_and_say_what_they_are() -> None:
    tokens = {encryption.new_token("at") for _ in range(50)}

    assert len(tokens) == 50
    assert all(each.startswith("pc_at_") and len(each) == 6 + 43 for each in tokens)
    assert len(encryption.token_digest(tokens.pop())) == 32
