"""SecurityCredential opens with the rail's private key, whatever the certificate's dates."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from pettycash.gateways.mpesa.credentials import (
    NAMES,
    CredentialsUnusableError,
    secrets_of,
    security_credential,
)
from tests.gateways.conftest import certificate_for


@pytest.mark.parametrize("expired", [False, True])
@pytest.mark.parametrize("password", ["Safaricom999!*!", "#&%$@", "pässwörd"])
def test_the_rail_can_open_it(rsa_key: rsa.RSAPrivateKey, expired: bool, password: str) -> None:
    pem = certificate_for(rsa_key, expired=expired)

    sealed = security_credential({"certificate_pem": pem, "initiator_password": password})

    assert len(sealed) == 344  # a key of 2048 bits in base64
    opened = rsa_key.decrypt(base64.b64decode(sealed, validate=True), padding.PKCS1v15())
    assert opened.decode() == password


def elliptic_certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(x509.load_pem_x509_certificate(RSA_PEM.encode()).not_valid_before_utc)
        .not_valid_after(x509.load_pem_x509_certificate(RSA_PEM.encode()).not_valid_after_utc)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )


RSA_PEM = certificate_for(rsa.generate_private_key(public_exponent=65537, key_size=2048))


@pytest.mark.parametrize(
    ("pem", "password", "named"),
    [
        ("", "x", "certificate_pem"),
        ("no certificate", "x", "certificate_pem"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x", "certificate_pem"),
        (elliptic_certificate(), "x", "RSA"),
        (RSA_PEM, "", "initiator_password"),
        (RSA_PEM, "x" * 300, "initiator_password"),
    ],
    # A key of this run in a test's name would be another name in each process.
    ids=["nothing", "no certificate", "no content", "elliptic", "no password", "long password"],
)
def test_what_can_not_be_used_is_named_and_not_shown(pem: str, password: str, named: str) -> None:
    with pytest.raises(CredentialsUnusableError, match=named) as caught:
        security_credential({"certificate_pem": pem, "initiator_password": password})

    assert "x" * 20 not in str(caught.value)


def test_all_that_is_secret_is_known_as_secret() -> None:
    credentials = {name: f"value of {name}" for name in NAMES}

    assert set(secrets_of(credentials)) == {
        "value of consumer_key",
        "value of consumer_secret",
        "value of initiator_password",
    }
