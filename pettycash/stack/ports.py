"""Loopback ports: the usual one where it is free, else one that the kernel gives."""

import socket

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


class Ports:
    """Hands out ports and never the same one twice."""

    def __init__(self, *, usual: bool = True) -> None:
        self.usual = usual
        self._given: set[int] = set()

    def take(self, preferred: int) -> int:
        """The preferred port, or another that is free."""
        if self.usual and preferred not in self._given and is_free(preferred):
            self._given.add(preferred)
            return preferred
        while True:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.bind((LOOPBACK, 0))
                port = int(probe.getsockname()[1])
            if port not in self._given:
                self._given.add(port)
                return port
