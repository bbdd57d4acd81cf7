"""The file of a backup: a tar, written and read as a stream, age-encrypted to a recipient or plain.

    manifest.json   what the dump adds up to, and when it was taken
    dump.00000 …    pg_dump's custom format in pieces, since its length is known only at the end
    seal.json       SHA-256 and length of both; a file that was cut off has none

Without this program: `age --decrypt --identity KEYFILE FILE | tar --extract --to-stdout --wildcards
'dump.*' | pg_restore …`.
"""

import hashlib
import io
import itertools
import json
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyrage

from pettycash.stack.state import StackError

MANIFEST, DUMP, SEAL = "manifest.json", "dump.{:05d}", "seal.json"
FORMAT = 1
PIECE_BYTES = 8 * 1024 * 1024
FACTS_BYTES_MAX = 256 * 1024 * 1024
AGE_HEADER = b"age-encryption.org/"


class Damaged(StackError):
    """The file is no backup, or not as it was written."""


class WrongKey(StackError):
    """It can't be decrypted with what was given."""


def recipient_of(words: str) -> Any:
    """The public key that backups are encrypted to.

    Raises:
        StackError: it is none of age's (age1…).
    """
    try:
        return pyrage.x25519.Recipient.from_str(words.strip())
    except pyrage.RecipientError as error:
        raise StackError(
            "PETTYCASH_BACKUP_RECIPIENT is no recipient of age; it begins with age1 and is the"
            " public half of what age-keygen made"
        ) from error


def identities_of(file: Path) -> list[Any]:
    """The private keys in a file as age-keygen writes it.

    Raises:
        WrongKey: the file can't be read, or there is none in it.
    """
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
        found = [
            pyrage.x25519.Identity.from_str(line.strip())
            for line in lines
            if line.strip() and not line.startswith("#")
        ]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError) as error:
        raise WrongKey(f"{file} is no identity file of age that can be read") from error
    if not found:
        raise WrongKey(f"{file} holds no identity (AGE-SECRET-KEY-…)")
    return found


class _Aside(threading.Thread):
    """Work at the other end of a pipe; what goes wrong there is raised where it is joined."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.work = work
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 - handed over to whoever waits
            self.error = error


class Writing:
    """A backup that is being written."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.dump_sha256 = ""
        self.dump_bytes = 0

    def write(self, manifest: dict[str, Any], dump: IO[bytes], tell: Callable[[int], None]) -> None:
        """Write all of it. `tell` hears how far it is."""
        facts = json.dumps(manifest, indent=1).encode()
        self._add(MANIFEST, facts)
        seal = hashlib.sha256()
        for number in itertools.count():
            piece = dump.read(PIECE_BYTES)
            if not piece:
                break
            seal.update(piece)
            self.dump_bytes += len(piece)
            self._add(DUMP.format(number), piece)
            tell(self.dump_bytes)
        self.dump_sha256 = seal.hexdigest()
        sealed = {
            "manifest_sha256": hashlib.sha256(facts).hexdigest(),
            "dump_sha256": self.dump_sha256,
            "dump_bytes": self.dump_bytes,
        }
        self._add(SEAL, json.dumps(sealed).encode())

    def _add(self, name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        member.mode = 0o600
        self._tar.addfile(member, io.BytesIO(content))


@contextmanager
def created(path: Path, recipient: str) -> Iterator[Writing]:
    """A new file that is there as a whole or not at all, for its owner alone.

    Raises:
        StackError: there is such a file already, or it can't be written.
    """
    if path.exists():
        raise StackError(f"{path} is there already; a backup is never overwritten")
    to = recipient_of(recipient) if recipient else None
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with (
                _encrypted(file, to) as plain,
                tarfile.open(fileobj=plain, mode="w|", bufsize=1 << 20) as tar,
            ):
                yield Writing(tar)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StackError(f"{path} can't be written: {error.strerror or error}") from error
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def _encrypted(file: IO[bytes], recipient: Any) -> Iterator[IO[bytes]]:
    if recipient is None:
        yield file
        return
    reading, writing = os.pipe()

    def encrypt() -> None:
        with os.fdopen(reading, "rb") as plain:
            pyrage.encrypt_io(plain, file, [recipient])

    aside = _Aside(encrypt)
    aside.start()
    try:
        with os.fdopen(writing, "wb") as plain:
            yield plain
    except BrokenPipeError:
        pass  # whoever encrypts has ended; why is said below
    finally:
        aside.join()
    if aside.error is not None:
        raise OSError(str(aside.error)) from aside.error


class Reading:
    """A backup that is being read, from front to back."""

    def __init__(self, path: Path, tar: tarfile.TarFile, *, is_encrypted: bool) -> None:
        self.path = path
        self.is_encrypted = is_encrypted
        self._tar = tar
        self._facts = self._content(self._next(MANIFEST), FACTS_BYTES_MAX)
        try:
            self.manifest: dict[str, Any] = json.loads(self._facts)
            if self.manifest["format"] != FORMAT:
                raise StackError(f"{path} was made by a newer pettycash; restore it with that one")
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged("its manifest can't be read") from error
        self.dump_sha256 = ""
        self.dump_bytes = 0

    def pieces(self) -> Iterator[bytes]:
        """The dump. All of it has to be taken before what was read may be believed.

        Raises:
            Damaged: it is not what was written.
        """
        seal = hashlib.sha256()
        for number in itertools.count():
            member = self._next(DUMP.format(number), SEAL)
            if member.name == SEAL:
                break
            piece = self._content(member, PIECE_BYTES)
            seal.update(piece)
            self.dump_bytes += len(piece)
            yield piece
        try:
            sealed = json.loads(self._content(member, FACTS_BYTES_MAX))
        except ValueError as error:
            raise self._damaged("its seal can't be read") from error
        self.dump_sha256 = seal.hexdigest()
        found = {
            "manifest_sha256": hashlib.sha256(self._facts).hexdigest(),
            "dump_sha256": self.dump_sha256,
            "dump_bytes": self.dump_bytes,
        }
        for name, value in found.items():
            if sealed.get(name) != value:
                raise self._damaged(f"{name} is not what it was sealed with")

    def _next(self, *names: str) -> tarfile.TarInfo:
        try:
            member = self._tar.next()
        except (tarfile.TarError, OSError, ValueError, EOFError) as error:
            raise self._damaged("it can't be read to its end") from error
        if member is None:
            raise self._damaged("it was cut off")
        if member.name not in names or not member.isfile():
            raise self._damaged(f"{names[0]} is missing")
        return member

    def _content(self, member: tarfile.TarInfo, most: int) -> bytes:
        if member.size > most:
            raise self._damaged(f"{member.name} is too large")
        try:
            found = self._tar.extractfile(member)
            content = found.read() if found else b""
        except (tarfile.TarError, OSError, ValueError, EOFError) as error:
            raise self._damaged("it can't be read to its end") from error
        if len(content) != member.size:
            raise self._damaged("it was cut off")
        return content

    def _damaged(self, why: str) -> Damaged:
        return Damaged(f"{self.path} is damaged or no backup: {why}")


@contextmanager
def opened(path: Path, identity: Path | None) -> Iterator[Reading]:
    """A backup to be read.

    Raises:
        Damaged: it is none, or not as it was written.
        WrongKey: it is encrypted, and not to this identity.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise StackError(f"{path} can't be read: {error.strerror}") from error
    with file:
        is_encrypted = file.read(len(AGE_HEADER)) == AGE_HEADER
        file.seek(0)
        if is_encrypted and identity is None:
            raise WrongKey(f"{path} is encrypted; name the file with its key: --identity KEYFILE")
        keys = identities_of(identity) if is_encrypted and identity else []
        with _decrypted(path, file, keys) as plain, _tar(path, plain) as tar:
            yield Reading(path, tar, is_encrypted=is_encrypted)


def _tar(path: Path, plain: IO[bytes]) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=plain, mode="r|", bufsize=1 << 20)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Damaged(f"{path} is damaged or no backup: it can't be read") from error


@contextmanager
def _decrypted(path: Path, file: IO[bytes], keys: list[Any]) -> Iterator[IO[bytes]]:
    if not keys:
        yield file
        return
    reading, writing = os.pipe()

    def decrypt() -> None:
        with os.fdopen(writing, "wb") as plain:
            pyrage.decrypt_io(file, plain, keys)

    aside = _Aside(decrypt)
    aside.start()
    try:
        with os.fdopen(reading, "rb") as plain:
            yield plain
    except Damaged as error:
        aside.join()
        if isinstance(aside.error, pyrage.DecryptError) and "matching" in str(aside.error):
            raise WrongKey(f"{path} is not encrypted to any of these keys") from error
        raise
    finally:
        aside.join()
