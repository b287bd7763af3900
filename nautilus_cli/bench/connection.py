"""One connection to the target, the request that is under way on it, and how many a process may have."""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nautilus_cli.bench.http1 import Reader
from nautilus_cli.errors import ConfigError

SO_TIMESTAMPNS = 35  # of Linux; the kernel then tells when each packet came
ANCILLARY = socket.CMSG_SPACE(16)  # a `timespec`
SIZE = 1 << 16  # bytes that are taken at once
SPARE = 64  # descriptors for all else

Address = tuple[socket.AddressFamily, tuple[object, ...]]


class Connection:
    """A slot of the pool: a socket, or none, and at most one request, which may wait for the socket to connect."""

    __slots__ = (
        "busy", "connecting", "descriptor", "due", "free_since", "proven", "reader", "recvmsg", "send", "sent",
        "sent_wall", "sock", "unsent", "waited",
    )  # fmt: skip

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.descriptor: int
        self.recvmsg: Callable[[int, int], tuple[bytes, list[tuple[int, int, bytes]], int, object]]
        self.send: Callable[[bytes | memoryview], int]
        self.connecting = False
        self.proven = False  # whether this socket has brought an answer
        self.busy = False  # whether a request is under way, or waits for the socket to connect
        self.waited = False  # whether that request found no idle connection
        self.due = self.sent = self.sent_wall = self.free_since = 0
        self.unsent: bytes | memoryview = b""
        self.reader = Reader()

    def open(self, address: Address, bodiless: bool) -> int:
        """Begin to connect; the descriptor. `OSError` where that cannot even begin."""
        family, place = address
        self.sock = sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.connecting, self.proven, self.unsent, self.reader = True, False, b"", Reader(bodiless)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):  # then no answer has a stamp, and the report says so
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        error = sock.connect_ex(place)
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, os.strerror(error))
        self.descriptor, self.recvmsg, self.send = sock.fileno(), sock.recvmsg, sock.send
        return self.descriptor

    def close(self) -> None:
        """Without a socket afterwards; the request, if any, is still there."""
        if self.sock:
            self.sock.close()
        self.sock, self.connecting = None, False


def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a target."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f"{host}: {error.strerror or error}", "Check the name of the target.") from None
    return [(socket.AddressFamily(family), place) for family, _, _, _, place in found]


def choose(addresses: list[Address]) -> Address:
    """The first that accepts a connection, else the first: `localhost` may be two, of which one is served."""
    for family, place in addresses:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            if probe.connect_ex(place) == 0:
                return family, place
    return addresses[0]


def make_room(connections: int) -> None:
    """So many descriptors can be opened afterwards; `ConfigError` where the system does not allow it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + len(list(Path("/proc/self/fd").iterdir())) + SPARE
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise ConfigError(
            f"{connections} connections need {needed} open files, this system allows {hard}",
            f"Use at most {max(1, connections - (needed - hard))} connections, or raise the limit: ulimit -Hn {needed}",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
