"""Load beside something else: both kinds of connections, every request told, and no generator left."""

from __future__ import annotations

import subprocess
from contextlib import suppress

import pytest

from nautilus_cli.bench import apart
from nautilus_cli.bench.campaign import Subject
from nautilus_cli.bench.recording import Request, Target
from nautilus_cli.bench.watching import NOTHING, health, watching
from nautilus_cli.errors import ConfigError
from tests.raw_server import OK, raw_server, repeating


def test_engines_are_asked_until_the_end_on_kept_and_on_fresh_connections() -> None:
    with raw_server(repeating(OK)) as server, watching(100, apart.run) as load:
        subject = Subject("risk", Target("127.0.0.1", server.port, Request(path="/x")))
        load.ask(subject)
        load.ask(subject)
        load.await_answers()
        seen = load.end()
    assert load.engines == ("risk",)
    assert seen["risk"].sent > 30
    assert seen["risk"].lost == 0
    assert seen["risk"].gap(min(seen["risk"].due), max(seen["risk"].done)) < 5


def test_what_keeps_a_generator_from_it_is_told() -> None:
    with watching(10, apart.run) as load:
        load.ask(Subject("risk", Target("nowhere.invalid", 80)))
        with pytest.raises(ConfigError, match="nowhere.invalid"):
            load.await_answers()


def test_nothing_goes_on_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[call-overload]
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    with raw_server(repeating(OK)) as server, suppress(ZeroDivisionError), watching(10, apart.run) as load:
        load.ask(Subject("risk", Target("127.0.0.1", server.port)))
        load.await_answers()
        raise ZeroDivisionError
    assert [process.poll() for process in started] == [0, 0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"status": "ok", "bus": "degraded"}', "degraded"),
        (b'{"bus": 3}', "503"),
        (b"[1]", "503"),
        (b"fine", "503"),
    ],
)
def test_health_is_what_is_said_of_the_bus_else_the_status(body: bytes, said: str) -> None:
    head = b"HTTP/1.1 503 Unavailable\r\nContent-Length: %d\r\n\r\n" % len(body)
    with raw_server(repeating(head + body)) as server:
        target = Target("127.0.0.1", server.port)
        assert health(target, "/health") == said
    assert health(target, "/health") == NOTHING
