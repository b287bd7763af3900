"""One GET and one connection, against sockets that answer well, badly and not at all."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from nautilus_cli import probe


@contextmanager
def server(answer: bytes | None) -> Iterator[tuple[int, list[bytes]]]:
    """A port that says this to the first who asks, and hangs where it is None; what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(65_536))
                if answer is not None:
                    connection.sendall(answer)
                else:
                    connection.recv(1)  # until the other end gives up

        thread = Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], asked
        thread.join()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_status_and_body_are_what_was_answered() -> None:
    with server(b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nlater") as (port, asked):
        assert probe.get("127.0.0.1", port, "/health?deep=1", 5, {"Host": "localhost"}) == (503, b"later")
    assert asked[0].startswith(b"GET /health?deep=1 HTTP/1.1\r\n")
    assert b"\r\nHost: localhost\r\n" in asked[0]


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal"])
def test_what_is_no_whole_answer_is_a_broken_connection(answer: bytes) -> None:
    with server(answer) as (port, _), pytest.raises(ConnectionError):
        probe.get("127.0.0.1", port, "/", 5)


def test_who_does_not_answer_takes_too_long() -> None:
    with server(None) as (port, _), pytest.raises(TimeoutError):
        probe.get("127.0.0.1", port, "/", 0.05)


def test_a_port_takes_connections_or_does_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert probe.accepts("127.0.0.1", listener.getsockname()[1], 5)
    assert not probe.accepts("127.0.0.1", closed_port(), 5)
    with pytest.raises(ConnectionRefusedError):
        probe.get("127.0.0.1", closed_port(), "/", 5)
