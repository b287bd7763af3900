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

from nautilus_cli.errors import RolloutFailed
from nautilus_cli.gateways import archive
from nautilus_cli.gateways.container import Container, ExecWire

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

    def exec_inspect(self, _id: str) -> dict[str, int]:
        self.thread.join()
        return {"ExitCode": self.code}


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


def test_a_file_is_replaced_by_a_rename_after_all_of_it_was_written() -> None:
    text, got = "a" * 300_000 + "é", []

    def play(far: socket.socket, command: str) -> int:
        size = len(text.encode())
        assert command == f"head -c {size} >/state/cfg.new && mv /state/cfg.new /state/cfg"
        data = b""
        while len(data) < size:
            data += far.recv(65_536)
        got.append(data.decode())
        return 0

    with container(play) as (_, api):
        Container(api, "demo-gateway").replace("/state/cfg", text)
    assert got == [text]


def test_a_gateway_that_goes_while_a_file_is_written_is_a_failure_and_no_bug() -> None:
    text = "a" * 10_000_000  # more than the socket takes before somebody reads

    def play(far: socket.socket, _: str) -> int:
        far.recv(100)
        return 137

    with (
        container(play) as (_, api),
        pytest.raises(RolloutFailed, match=r"the gateway demo-gateway fails: .*(Broken pipe|reset by peer)"),
    ):
        Container(api, "demo-gateway").replace("/state/cfg", text)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (b"head: error: No space left on device\n", "the disk of the Docker host is full: head: error: No space left"),
        (b"mv: cannot stat\n", "the gateway demo-gateway fails: mv: cannot stat"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_in_the_words_of_who_tried(words: bytes, told: str) -> None:
    def play(far: socket.socket, _: str) -> int:
        far.recv(100)
        far.sendall(frame(2, words))
        return 1

    with container(play) as (_, api), pytest.raises(RolloutFailed, match=told):
        Container(api, "demo-gateway").replace("/state/cfg", "text")
