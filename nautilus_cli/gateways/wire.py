"""How bytes get to HAProxy's admin socket and back: over the socket itself; container.py has one through Docker."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Protocol

PATIENCE = 10.0  # seconds that one answer may take
CHUNK = 1 << 18


class Wire(Protocol):
    """One open connection."""

    def send(self, data: bytes) -> None:
        """All of it."""
        ...

    def receive(self) -> bytes:
        """What has come, at least one byte; ConnectionError when the other end is gone, TimeoutError when it hangs."""
        ...

    def close(self) -> None:
        """The other end reads the end of its input."""
        ...


class SocketWire:
    """A UNIX socket of this machine, however long the path of its folder is."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(PATIENCE)
        try:
            folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
            try:  # the kernel takes 107 bytes of a name, and folders are deeper than that
                self._socket.connect(f"/proc/self/fd/{folder}/{path.name}")
            finally:
                os.close(folder)
        except OSError:
            self._socket.close()
            raise

    def send(self, data: bytes) -> None:
        """All of it."""
        self._socket.sendall(data)

    def receive(self) -> bytes:
        """What has come."""
        if data := self._socket.recv(CHUNK):
            return data
        raise ConnectionResetError("the admin socket was closed")

    def close(self) -> None:
        """The other end reads the end of its input."""
        self._socket.close()
