"""A TCP server that says exactly what a test wants: one thread per connection."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Talk = Callable[[socket.socket], None]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class RawServer:
    """Listens on a port of this machine; every connection is given to `talk`, and closed when that returns."""

    def __init__(self, talk: Talk, port: int = 0, backlog: int = 512) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", port), backlog=backlog)
        self.port: int = self._listener.getsockname()[1]
        self._clients: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def die(self) -> None:
        """As a killed process: the port and all connections are gone."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._clients:
            reset(client)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                thread = threading.Thread(target=self._serve, args=[client], daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            self._talk(client)


@contextmanager
def raw_server(talk: Talk) -> Iterator[RawServer]:
    """Such a server, dead afterwards."""
    server = RawServer(talk)
    try:
        yield server
    finally:
        server.die()


def repeating(answer: bytes, closing: bool = False) -> Talk:
    """The same answer to every request without a body; closing the connection after each, if asked."""

    def talk(client: socket.socket) -> None:
        while client.recv(65536):
            client.sendall(answer)
            if closing:
                return

    return talk


def silent(client: socket.socket) -> None:
    """No answer to whatever comes."""
    while client.recv(65536):
        pass


def reset(client: socket.socket) -> None:
    """Close it so that the other side sees a reset."""
    with suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.shutdown(socket.SHUT_RD)  # a thread that reads wakes up
    client.close()
