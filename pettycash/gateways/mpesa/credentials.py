"""SecurityCredential: the initiator's password, for Safaricom's eyes only."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CONSUMER_KEY = "consumer_key"
CONSUMER_SECRET = "consumer_secret"  # noqa: S105 - the name of one
INITIATOR_NAME = "initiator_name"
INITIATOR_PASSWORD = "initiator_password"  # noqa: S105 - the name of one
CERTIFICATE_PEM = "certificate_pem"
NAMES = (CONSUMER_KEY, CONSUMER_SECRET, INITIATOR_NAME, INITIATOR_PASSWORD, CERTIFICATE_PEM)
"""Credentials that a provider account of this rail needs."""


class CredentialsUnusableError(ValueError):
    """The account lacks a credential or holds one that can't be used; the text names which."""


def required(credentials: Mapping[str, str], name: str) -> str:
    """A credential by name.

    Raises:
        CredentialsUnusableError: it is missing or blank.
    """
    value = credentials.get(name, "")
    if not value.strip():
        raise CredentialsUnusableError(f"the provider account has no {name} that can be read")
    return value


def security_credential(credentials: Mapping[str, str]) -> str:
    """Encrypt the initiator's password under the certificate that Safaricom hands out.

    RSA with PKCS#1 v1.5 padding, base64 (Daraja portal, "security credential"). The certificates
    in circulation are past their dates and only their key is used, so dates are not looked at.

    Raises:
        CredentialsUnusableError: no certificate, no RSA key, or a password it can't hold.
    """
    pem = required(credentials, CERTIFICATE_PEM)
    password = required(credentials, INITIATOR_PASSWORD)
    try:
        key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CredentialsUnusableError(f"{CERTIFICATE_PEM} is no X.509 certificate") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise CredentialsUnusableError(f"the key in {CERTIFICATE_PEM} is not an RSA key")
    try:
        sealed = key.encrypt(password.encode(), padding.PKCS1v15())
    except ValueError as error:
        raise CredentialsUnusableError(
            f"{INITIATOR_PASSWORD} is too long for {CERTIFICATE_PEM}"
        ) from error
    return base64.b64encode(sealed).decode()


def secrets_of(credentials: Mapping[str, str]) -> tuple[str, ...]:
    """The values that may appear in no log, whatever field they turn up in."""
    names = (CONSUMER_KEY, CONSUMER_SECRET, INITIATOR_PASSWORD)
    return tuple(value for name in names if (value := credentials.get(name)))
