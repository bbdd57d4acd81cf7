"""SecurityCredential: the certificate that clients encrypt with, and the check of what they sent.

Section 2.3 of the Daraja reference: base64(RSA PKCS#1 v1.5(password)). Anything wrong with it is
accepted synchronously and comes back as ResultCode 2001; several wrong ones lock the operator.
"""

import base64
import binascii
import hmac
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from pettycash.lab.simulators.mpesa import store
from pettycash.lab.simulators.mpesa.configuration import Configuration

_LOCKED = "initiator_locked"
_FAILURES = "initiator_failures"


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, so that a kill in between leaves no half key."""
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)


def _make_certificate(key: rsa.RSAPrivateKey) -> bytes:
    """A certificate past its validity date, as the distributed ones are."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulated-daraja.invalid")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2022, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


class OperatorCredentials:
    """The operator's password and the key pair, made in the state folder at the first start."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        key_file = configuration.state / "key.pem"
        self.certificate_file = configuration.state / "certificate.pem"
        if not (key_file.exists() and self.certificate_file.exists()):
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            _write(
                key_file,
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
            )
            _write(self.certificate_file, _make_certificate(key))
            self.certificate_file.chmod(0o644)
        loaded = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise TypeError(f"{key_file} holds no RSA key")
        self._key = loaded
        self.certificate = self.certificate_file.read_bytes()

    def is_right(self, credential: str) -> bool:
        """Whether `credential` decrypts to the operator's password."""
        try:
            sealed = base64.b64decode(credential, validate=True)
            opened = self._key.decrypt(sealed, padding.PKCS1v15())
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(opened, self._configuration.initiator_password.encode())

    def refusal(
        self, db: sqlite3.Connection, *, initiator: str, credential_is_right: bool
    ) -> str | None:
        """The ResultCode that the operator's check ends with; None where it passes.

        Counts wrong credentials in `db`: the `lock_after`-th in a row locks the operator, and from
        then on the right one is refused as well until somebody unlocks it.
        """
        if initiator != self._configuration.initiator:
            return "20"
        if store.switch(db, _LOCKED, "0") == "1":
            return "8006"
        if credential_is_right:
            store.set_switch(db, _FAILURES, None)
            return None
        failures = int(store.switch(db, _FAILURES, "0")) + 1
        store.set_switch(db, _FAILURES, str(failures))
        if failures >= self._configuration.lock_after:
            set_locked(db, locked=True)
        return "2001"


def is_locked(db: sqlite3.Connection) -> bool:
    return store.switch(db, _LOCKED, "0") == "1"


def set_locked(db: sqlite3.Connection, *, locked: bool) -> None:
    """Lock the operator, or unlock it and forget its wrong credentials."""
    store.set_switch(db, _LOCKED, "1" if locked else None)
    if not locked:
        store.set_switch(db, _FAILURES, None)
