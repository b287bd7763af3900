"""`--verify` on the command line, over a runtime in memory and a generator whose requests fail when it is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import time

import pytest

from nautilus_cli.bench import apart
from nautilus_cli.bench.recording import Failure, Live, OnLive, Profile, Recording, Target
from tests.bench_fakes import MS, recording
from tests.test_main import FILE, Cli, cli

__all__ = ["cli"]
ENGINES: dict[str, dict[str, object]] = FILE["engines"]  # type: ignore[assignment]
LIVE = Live(0.5, 1.0, False, 100, 0.001, 0.001, 0, recording([MS]).done)


class Asker:
    """A generator that asks ten times a second, of a target that breaks one answer of each run if it should."""

    def __init__(self) -> None:
        self.targets: list[Target] = []
        self.bad: set[int] = set()  # ports
        self._turn = threading.Lock()

    def __call__(
        self, target: Target, profile: Profile, on_live: OnLive | None = None, stop: Callable[[], bool] | None = None
    ) -> Recording:
        assert on_live
        assert stop
        with self._turn:
            self.targets.append(target)
        began = time() - 1
        on_live(LIVE)
        waiting = threading.Event()
        while not stop():
            waiting.wait(0.01)
        seconds = time() - began
        count = max(2, round(seconds * 10))
        failed = [Failure.RESET if target.port in self.bad and n == count - 1 else Failure.NONE for n in range(count)]
        return replace(recording([2 * MS] * count, seconds=seconds, failure=failed), began=began)


@pytest.fixture
def asker(monkeypatch: pytest.MonkeyPatch) -> Asker:
    found = Asker()
    monkeypatch.setattr(apart, "run", found)
    return found


@pytest.fixture
def ports(cli: Cli) -> Iterator[dict[str, int]]:
    """The file's engines, on ports that take connections."""
    sockets = {name: socket.create_server(("127.0.0.1", 0)) for name in ("risk", "factor")}
    found = {name: each.getsockname()[1] for name, each in sockets.items()}
    cli.write(document(found))
    yield found
    for each in sockets.values():
        each.close()


def document(ports: dict[str, int], **changes: object) -> dict[str, object]:
    """The file with these ports, and these changes of risk."""
    declared = {name: {**engine, "port": ports[name]} for name, engine in ENGINES.items()}
    return {**FILE, "engines": {**declared, "risk": {**declared["risk"], **changes}}}


def row(said: str, engine: str) -> list[str]:
    """The last row of an engine."""
    return next(line.split() for line in reversed(said.splitlines()) if line.split()[:1] == [engine])


def test_every_engine_that_serves_is_asked_on_kept_and_on_fresh_connections(
    cli: Cli, asker: Asker, ports: dict[str, int]
) -> None:
    cli.run("up")
    result = cli.run("restart", "risk", "--verify")
    assert result.exit_code == 0, result.output
    asked = sorted((t.port, ("Connection", "close") in t.request.headers) for t in asker.targets)
    assert asked == sorted((port, fresh) for port in ports.values() for fresh in (False, True))
    assert {t.request.path for t in asker.targets} == {"/health"}
    assert row(result.stdout, "risk")[2:6] == ["0", "0", ">", "50ms"]
    assert "200 requests/s to each engine" in result.stdout


def test_a_request_that_fails_is_1_although_the_change_is_done(cli: Cli, asker: Asker, ports: dict[str, int]) -> None:
    cli.run("up")
    asker.bad.add(ports["factor"])
    result = cli.run("scale", "risk", "2", "--verify-rate", "20")
    assert result.exit_code == 1
    assert len([r for r in cli.runtime.replicas.values() if r.engine == "risk"]) == 2
    assert "requests failed meanwhile: 2 of factor\nhint: the change itself is complete" in result.stderr
    assert "2 x reset" in result.stdout


def test_the_exit_code_of_a_change_that_fails_wins(cli: Cli, asker: Asker, ports: dict[str, int]) -> None:
    cli.run("up")
    asker.bad.add(ports["factor"])
    cli.write(document(ports, environment={"MODE": "dies"}))
    result = cli.run("up", "--verify")
    assert result.exit_code == 5
    assert "2 x reset" in result.stdout


def test_a_first_up_is_verified_from_the_first_routed_replica_on(cli: Cli, asker: Asker, ports: dict[str, int]) -> None:
    result = cli.run("up", "--verify")
    assert result.exit_code == 0, result.output
    assert {t.port for t in asker.targets} == set(ports.values())
    assert " ".join(row(result.stdout, "risk")).endswith("asked since it was ready")


def test_nothing_is_asked_where_nothing_changes_or_nobody_wants_it(
    cli: Cli, asker: Asker, ports: dict[str, int]
) -> None:
    cli.run("up")
    assert cli.run("up", "--verify").exit_code == 0
    assert cli.run("restart", "risk").exit_code == 0
    assert asker.targets == []
    assert cli.run("up", "--verify-rate", "0").exit_code == 2
