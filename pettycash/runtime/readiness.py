"""Tells the supervisor that this process is ready, by the protocol that systemd made common."""

import os
import socket


def announce(state: str = "READY=1") -> bool:
    """Send a line to the datagram socket in NOTIFY_SOCKET; True where somebody asked for it.

    Never raises: a supervisor that is gone is no reason for a worker to end.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect(address)
            channel.send(state.encode("ascii"))
    except OSError:
        return False
    return True
