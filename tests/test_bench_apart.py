"""A run in a process of its own brings back what one in this process would."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from nautilus_cli.bench.apart import run
from nautilus_cli.bench.calibrated import serving
from nautilus_cli.bench.recording import Closed, Live, Open, Profile, Target
from nautilus_cli.errors import ConfigError, NautilusError

LONG = Profile(Closed(2), 30, warmup=0, warmup_limit=0)


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """A server that answers at once."""
    with serving("null") as server:
        yield Target("127.0.0.1", server.port)


def test_a_recording(target: Target) -> None:
    seen: list[Live] = []
    profile = Profile(Open(200), 1.2, warmup=0, warmup_limit=0)
    recording = run(target, profile, seen.append)
    assert (recording.target, recording.profile, recording.interrupted) == (target, profile, "")
    assert len(recording.due) in (239, 240, 241)
    assert not recording.failure.any()
    assert sum(len(live.latencies) for live in seen) > 100


def test_an_expected_error_is_the_same(target: Target) -> None:
    with pytest.raises(ConfigError, match="nowhere.invalid") as caught:
        run(Target("nowhere.invalid", 80), LONG)
    assert caught.value.hint


def test_stopped(target: Target) -> None:
    seen: list[Live] = []
    recording = run(target, LONG, seen.append, lambda: bool(seen))
    assert recording.interrupted == "stopped"
    assert len(recording.due) > 10


def test_interrupted(target: Target) -> None:
    recording = run(target, LONG, lambda live: signal.raise_signal(signal.SIGINT))
    assert recording.interrupted == "stopped"
    assert len(recording.due) > 10


def test_a_child_that_is_killed(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    with pytest.raises(NautilusError, match="ended without a result"):
        run(target, LONG, lambda live: os.kill(started[0].pid, signal.SIGKILL))
    assert started[0].returncode == -signal.SIGKILL


def test_an_error_of_the_caller_ends_the_child(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(live: Live) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(target, LONG, fail)
