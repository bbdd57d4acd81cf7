"""TCP proxies that spoil what passes: one thread, one event loop, any number of doors.

A door listens for one server. Its mode is for everything that passes it from now on; what a mode
has hit is counted, so that a fault that met nobody shows.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pettycash.stack.ports import LOOPBACK

CHUNK = 65_536
DELAY_SECONDS = 0.15
DRIP_BYTES, DRIP_SECONDS = 64, 0.005
COMMIT = b"COMMIT\x00"
"""How a simple query that commits ends, in PostgreSQL's protocol."""
START_SECONDS = 5.0


class Mode(StrEnum):
    """What a door does with what passes."""

    PASS = "pass"  # noqa: S105 - not a password
    DELAY = "delay"  # each piece comes later
    DRIP = "drip"  # a few bytes at a time
    HOLD = "hold"  # nothing comes through, and these connections never do again
    RESET = "reset"  # open connections are reset, new ones at once
    CUT = "cut"  # the answer to each COMMIT is swallowed, then the connection is reset


@dataclass(eq=False)
class Pair:
    """One client, its server, and what became of the way between them."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    is_frozen: bool = False
    is_doomed: bool = False
    """Its COMMIT has been sent on; the answer to it will not be."""


@dataclass(eq=False)
class Door:
    """One proxy in front of one server."""

    name: str
    upstream: int
    port: int = 0
    mode: Mode = Mode.PASS
    hits: int = 0
    """Connections, or pieces, that a mode other than pass has met."""
    cuts_left: int = 0
    pairs: set[Pair] = field(default_factory=set)


class Proxies:
    """The doors and the thread that serves them."""

    def __init__(self) -> None:
        self.doors: dict[str, Door] = {}
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def open(self, name: str, upstream: int) -> int:
        """Listen for a server on a loopback port; returns the port that clients shall use."""
        door = Door(name, upstream)
        door.port = self._run(self._listen(door))
        self.doors[name] = door
        return door.port

    def spoil(self, name: str, mode: Mode, *, cuts: int = 0) -> None:
        """Put a door into a mode. RESET and HOLD reach the connections that are open, too."""
        self._run(self._spoil(self.doors[name], mode, cuts))

    def heal(self, name: str) -> int:
        """Let everything pass again; how many the fault has hit. Who was held stays lost."""
        door = self.doors[name]
        self._run(self._spoil(door, Mode.PASS, 0))
        hits, door.hits = door.hits, 0
        return hits

    def close(self) -> None:
        """End the doors and their thread."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS)

    async def _listen(self, door: Door) -> int:
        async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(door, reader, writer)

        server = await asyncio.start_server(welcome, LOOPBACK, 0, limit=CHUNK)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _spoil(self, door: Door, mode: Mode, cuts: int) -> None:
        door.mode, door.cuts_left = mode, cuts
        for pair in list(door.pairs):
            if mode is Mode.RESET:
                door.hits += 1
                _reset(pair)
            elif mode is Mode.HOLD:
                door.hits += 1
                pair.is_frozen = True

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for door in self.doors.values():
            for pair in list(door.pairs):
                _reset(pair)
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(
        self, door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if door.mode is Mode.RESET:
            door.hits += 1
            _abort(writer)
            return
        try:
            from_server, to_server = await asyncio.open_connection(
                LOOPBACK, door.upstream, limit=CHUNK
            )
        except OSError:
            _abort(writer)
            return
        pair = Pair(writer, to_server)
        if door.mode is Mode.HOLD:
            door.hits += 1
            pair.is_frozen = True
        door.pairs.add(pair)
        ways = [
            asyncio.create_task(self._pump(door, pair, reader, to_server, from_client=True)),
            asyncio.create_task(self._pump(door, pair, from_server, writer, from_client=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            door.pairs.discard(pair)
            for way in ways:
                way.cancel()
            for end in (writer, to_server):
                with contextlib.suppress(OSError, RuntimeError):
                    end.close()

    async def _pump(
        self,
        door: Door,
        pair: Pair,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        from_client: bool,
    ) -> None:
        """One direction until either end has had enough."""
        with contextlib.suppress(OSError):
            while piece := await reader.read(CHUNK):
                if pair.is_frozen:
                    continue  # sent into nowhere: nobody tells them that the other is gone
                if pair.is_doomed and not from_client:
                    door.hits += 1
                    _reset(pair)
                    return
                if from_client and door.cuts_left > 0 and piece.endswith(COMMIT):
                    door.cuts_left -= 1
                    pair.is_doomed = True
                await _pass_on(door, writer, piece)


async def _pass_on(door: Door, writer: asyncio.StreamWriter, piece: bytes) -> None:
    if door.mode is Mode.DELAY:
        door.hits += 1
        await asyncio.sleep(DELAY_SECONDS)
    elif door.mode is Mode.DRIP:
        door.hits += 1
        for start in range(0, len(piece), DRIP_BYTES):
            writer.write(piece[start : start + DRIP_BYTES])
            await writer.drain()
            await asyncio.sleep(DRIP_SECONDS)
        return
    writer.write(piece)
    await writer.drain()


def _reset(pair: Pair) -> None:
    _abort(pair.client)
    _abort(pair.server)


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    found = writer.get_extra_info("socket")
    if found is not None:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
