"""Style, script and icons: each under its hash, kept by browsers for good, compressed once.

What others made lies in `static/vendor`, unchanged but for the reference to a source map;
`vendor.json` says which version it is, under which licence, and its SHA-256.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from pettycash.console.guard import guard
from pettycash.web.door import BODY_MAX_BYTES, Entry

blp = guard(Blueprint("console_assets", __name__, url_prefix="/console/static"))

FOLDER = Path(__file__).parent / "static"

TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One file as it is sent."""

    content: bytes
    compressed: bytes
    kind: str
    digest: str


@cache
def asset(name: str) -> Asset:
    """A file of the console by its name."""
    path = FOLDER / name
    content = path.read_bytes()
    return Asset(
        content=content,
        compressed=gzip.compress(content, 9, mtime=0),
        kind=TYPES[path.suffix],
        digest=hashlib.sha256(content).hexdigest()[:16],
    )


NAMES = frozenset(
    each.relative_to(FOLDER).as_posix() for each in FOLDER.rglob("*") if each.suffix in TYPES
)


def address(name: str) -> str:
    """The address of a file, with its hash."""
    return f"/console/static/{asset(name).digest}/{name}"


@blp.get("/<digest>/<path:name>", endpoint="file")
def send(digest: str, name: str) -> Response:
    """Send a file; one whose hash is another's is not found."""
    if name not in NAMES or asset(name).digest != digest:
        raise NotFound
    found = asset(name)
    packs = "gzip" in request.headers.get("Accept-Encoding", "")
    response = Response(found.compressed if packs else found.content, mimetype=None)
    response.headers["Content-Type"] = found.kind
    response.headers["Cache-Control"] = FOR_EVER
    response.headers["Vary"] = "Accept-Encoding"
    if packs:
        response.headers["Content-Encoding"] = "gzip"
    return response


send.operation = Entry(  # type: ignore[attr-defined]
    name="console.asset",
    locations=frozenset(),
    body_max_bytes=BODY_MAX_BYTES,
    recognises=lambda **_path: True,
)
