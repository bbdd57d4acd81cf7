"""One request while its bytes arrive: how much of it is there, and where it ends.

What a request means is decided later, by gunicorn's own parser, from these very bytes. Here only
its end is looked for, so that no thread is given a request of which something is still missing.
"""

import re
from collections.abc import Iterator

from gunicorn.http.errors import LimitRequestHeaders

from pettycash.web import door

HEAD_BYTES_MAX = 64 * 1024
UPLOAD_BYTES_MAX = door.UPLOAD_MAX_BYTES + door.MULTIPART_OVERHEAD_BYTES
CHUNKED_BYTES_MAX = 2 * door.BODY_MAX_BYTES
"""Of a body in chunks, their headings included; uploads have to say their length."""

LENGTH_DIGITS_MAX = 18
CHUNK_LINE_BYTES_MAX = 1024
PIECE_BYTES = 64 * 1024

_BARE_LINE_FEED = re.compile(rb"[^\r]\n")
_HEX = re.compile(rb"[0-9a-fA-F]{1,16}")


class Arrival:
    """The bytes of one request, from its first line to the last byte of its body."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.rest = b""
        """Bytes behind its end: the beginning of the next request."""
        self.has_head = False
        self.is_whole = False
        """Nothing more is waited for."""
        self.must_close = False
        """Its end is not known, so what follows on its connection can't be trusted."""
        self.wants_continue = False
        self.refusal: Exception | None = None
        """Raised where a reader asks for more than has come."""
        self._left: int | None = 0
        """Bytes of the body, or of the chunk, that are missing; None: between chunks."""
        self._line = b""
        self._is_chunked = False
        self._in_trailers = False

    def take(self, data: bytes) -> None:
        """Add what was received; not to be called once it is whole."""
        if self.has_head:
            self._take_body(data)
            return
        seen = max(0, len(self.data) - 3)
        self.data += data
        end = self.data.find(b"\r\n\r\n", seen)
        if end < 0:
            if len(self.data) > HEAD_BYTES_MAX:
                self.give_up(LimitRequestHeaders("max buffer headers"))
            elif _BARE_LINE_FEED.search(self.data, seen):
                self.give_up()  # no head at all; the parser says so
            return
        self.has_head = True
        head, body = bytes(self.data[:end]), bytes(self.data[end + 4 :])
        del self.data[end + 4 :]
        self._frame(head)
        if not self.is_whole:
            self._take_body(body)

    def give_up(self, refusal: Exception | None = None) -> None:
        """Wait no longer: what is there is all that a reader gets, and then `refusal`."""
        self.is_whole = True
        self.must_close = True
        self.wants_continue = False
        self.refusal = refusal

    def stream(self) -> Iterator[bytes]:
        """The bytes that have arrived, piece by piece."""
        for start in range(0, len(self.data), PIECE_BYTES):
            yield bytes(self.data[start : start + PIECE_BYTES])
        if self.refusal is not None:
            raise self.refusal

    def _frame(self, head: bytes) -> None:
        """Find out how the body ends. What is unclear has none: the parser refuses it."""
        fields: dict[bytes, list[bytes]] = {}
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            fields.setdefault(name.lower(), []).append(value.strip(b" \t").lower())
        lengths = fields.get(b"content-length", [])
        codings = b",".join(fields.get(b"transfer-encoding", []))
        if codings:
            if lengths or codings.rpartition(b",")[2].strip(b" \t") != b"chunked":
                self.give_up()
                return
            self._is_chunked, self._left = True, None
        elif lengths:
            if len(lengths) > 1 or not lengths[0].isdigit():
                self.give_up()
                return
            kind = fields.get(b"content-type", [b""])[0]
            is_upload = kind.startswith(b"multipart/form-data")
            limit = UPLOAD_BYTES_MAX if is_upload else door.BODY_MAX_BYTES
            if len(lengths[0]) > LENGTH_DIGITS_MAX or int(lengths[0]) > limit:
                self.give_up()  # its head is enough to refuse it
                return
            self._left = int(lengths[0])
        self.wants_continue = fields.get(b"expect") == [b"100-continue"] and self._left != 0

    def _take_body(self, data: bytes) -> None:
        end = self._end_of_chunks(data) if self._is_chunked else self._end_of_length(data)
        self.data += data[:end]
        if end is not None:
            self.is_whole, self.rest = True, data[end:]
        elif self._is_chunked and len(self.data) > CHUNKED_BYTES_MAX:
            self.give_up(door.BodyTooLarge())

    def _end_of_length(self, data: bytes) -> int | None:
        missing = self._left or 0
        self._left = max(0, missing - len(data))
        return missing if len(data) >= missing else None

    def _end_of_chunks(self, data: bytes) -> int | None:
        """Where in `data` the last chunk and its trailers end; malformed ones end at once."""
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            end = data.find(b"\n", at)
            self._line += data[at : end if end >= 0 else len(data)]
            if len(self._line) > CHUNK_LINE_BYTES_MAX:
                return self._malformed(data)
            if end < 0:
                return None
            at = end + 1
            line, self._line = self._line.removesuffix(b"\r"), b""
            if self._in_trailers:
                if not line:
                    return at
                continue
            size = line.partition(b";")[0].strip(b" \t")
            if not _HEX.fullmatch(size):
                return self._malformed(data)
            self._in_trailers = int(size, 16) == 0
            self._left = None if self._in_trailers else int(size, 16) + 2  # and its CRLF
        return None

    def _malformed(self, data: bytes) -> int:
        self.must_close = True
        return len(data)
