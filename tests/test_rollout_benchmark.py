"""The benchmark of updates under load: that its load is open, counts every failure, and what its report says."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from benchmarks.rollout_vs_compose import Load, Update, arguments, report
from tests.scenarios.load import eventually


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every other request well."""

    count = 0

    def do_GET(self) -> None:
        """One answer."""
        type(self).count += 1
        self.send_response(200 if self.count % 2 else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_every_failed_request_is_counted(port: int) -> None:
    load = Load(port, rate=200)
    with load.running():
        eventually(lambda: load.sent >= 20)
    assert abs(len(load.failed) - load.sent / 2) <= 1
    assert set(load.failed) == {"503"}


def test_a_port_that_nobody_holds_fails_every_request() -> None:
    load = Load(1, rate=500)
    with load.running():
        eventually(lambda: load.sent >= 5)
    assert load.failed == ["ConnectionRefusedError"] * load.sent


def test_the_report_adds_up() -> None:
    text = report({"nautilus": [Update(4.0, 600, 0)], "compose": [Update(2.0, 500, 40), Update(3.0, 500, 60)]})
    assert [line.split() for line in text.splitlines()[1:]] == [
        ["nautilus", "4.00", "(4.00)", "600", "0", "0"],
        ["compose", "2.50", "(3.00)", "1000", "100", "60"],
    ]


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--rate", "0"]])
def test_wrong_arguments(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments(words)
    assert "more than nothing" in capsys.readouterr().err
