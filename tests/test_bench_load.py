"""A load run against servers of this machine: what is counted, and that nothing of a target's faults is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from nautilus_cli.bench.load import run
from nautilus_cli.bench.recording import Closed, Failure, Live, Open, Profile, Request, Target


class Echo(BaseHTTPRequestHandler):
    """Answers with what it is sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("X-Nautilus-Replica", "echo-1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Nothing to the terminal."""


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def short(load: Closed | Open, duration: float = 0.3) -> Profile:
    """A run without much ado."""
    return Profile(load, duration=duration, warmup=0.1, warmup_limit=0.1, timeout=2)


POST = Request("POST", "/", body=b"x" * 1000)


def test_closed_loop(echo: int) -> None:
    seen: list[Live] = []
    recording = run(Target("127.0.0.1", echo, POST), short(Closed(3), 0.8), seen.append)
    assert len(recording.due) > 20
    assert set(recording.failure) == {Failure.NONE}
    assert set(recording.status) == {200}
    assert np.array_equal(recording.due, recording.sent)
    assert (np.diff(recording.done) >= 0).all()
    assert recording.due.min() >= 0
    assert recording.due.max() < recording.seconds * 1e9
    assert {recording.replicas[index] for index in recording.replica} == {"echo-1"}
    assert recording.received > 1000 * len(recording.due) * 0.9
    assert (recording.connects, recording.interrupted) == (3, "")
    assert seen
    assert sum(len(live.latencies) for live in seen) > 0


def test_open_loop(echo: int) -> None:
    recording = run(Target("127.0.0.1", echo, POST), short(Open(200, connections=4), 0.5))
    assert len(recording.due) in (99, 100, 101)
    assert set(recording.failure) == {Failure.NONE}
    assert set(np.diff(np.sort(recording.due))) <= {4_999_999, 5_000_000, 5_000_001}
    assert (recording.sent >= recording.due).all()
