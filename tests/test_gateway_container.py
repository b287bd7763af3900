"""What is said to a command in the gateway's container, and what it answers, over a socket that frames it as Docker."""

from __future__ import annotations

import io
import re
import socket
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from threading import Thread
from typing import Any, cast

import pytest
from docker import APIClient

from nautilus_cli.gateways import archive
from nautilus_cli.gateways.container import ExecWire

Play = Callable[[socket.socket, str], int]  # plays the command; its exit code


class Daemon:
    """The exec calls of Docker's API; `play` is the command's part."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self.code = 0
        self.command = ""

    def exec_create(self, container: str, command: Sequence[str], stdin: bool, tty: bool) -> dict[str, str]:
        assert (container, stdin, tty) == ("demo-gateway", True, False)
        self.command = command[-1]
        return {"Id": "1"}

    def exec_start(self, _id: str, socket: bool) -> Any:
        assert socket
        near, far = pair()
        self.thread = Thread(target=self._run, args=(far,))
        self.thread.start()
        return near

    def _run(self, far: socket.socket) -> None:
        with far:
            self.code = self._play(far, self.command)


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


def frame(output: int, data: bytes) -> bytes:
    return bytes([output, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


@contextmanager
def container(play: Play) -> Iterator[tuple[Daemon, APIClient]]:
    daemon = Daemon(play)
    yield daemon, cast("APIClient", daemon)
    daemon.thread.join()


def tree(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_a_line_brings_the_files_of_a_directory_along_and_is_a_line_afterwards() -> None:
    files = {"gateway/haproxy.cfg": b"x" * 70_000, "fleet/1.json": b"{}"}

    def play(far: socket.socket, command: str) -> int:
        mark = re.fullmatch(r"tar -cf - -C /state \. ; printf (\w+); exec socat .*", command)
        assert mark
        data = tree(files) + mark[1].encode()
        for start in range(0, len(data), 999):  # the mark comes in pieces too
            far.sendall(frame(1, data[start : start + 999]))
        far.sendall(frame(2, b"tar: file changed as we read it"))
        assert far.recv(100) == b"prompt\n"
        far.sendall(frame(1, b"\n> "))
        return 0

    with container(play) as (_, api):
        wire = ExecWire(api, "demo-gateway", "/state")
        assert archive.unpack(wire.brought, PurePosixPath("/state")) == {
            f"/state/{name}": content for name, content in files.items()
        }
        wire.send(b"prompt\n")
        assert wire.receive() == b"\n> "
        with pytest.raises(ConnectionResetError):
            wire.receive()
        wire.close()


def test_a_plain_line_runs_nothing_else() -> None:
    with container(lambda *_: 0) as (daemon, api):
        wire = ExecWire(api, "demo-gateway")
        assert daemon.command.startswith("exec socat ")
        assert wire.brought == b""
        wire.close()


def test_a_gateway_that_goes_while_it_brings_something_is_a_broken_line() -> None:
    def play(far: socket.socket, _: str) -> int:
        far.sendall(frame(1, b"half"))
        return 137

    with container(play) as (_, api), pytest.raises(ConnectionResetError):
        ExecWire(api, "demo-gateway", "/state")
