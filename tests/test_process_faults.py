"""Faults of processes: they act on every process of a replica, and are undone at the end of the block."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from nautilus_cli.errors import ConfigError, NautilusError
from nautilus_cli.fault import Fault
from nautilus_cli.runtimes.process import kernel, record
from nautilus_cli.runtimes.process.faults import inject
from nautilus_cli.runtimes.process.home import Home
from tests.conftest import replica
from tests.scenarios.load import eventually

TREE = ["sh", "-c", "sleep 600 & sleep 600"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("NAUTILUS_STATE_HOME", str(tmp_path))
    return Home("demo")


@pytest.fixture
def child(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    """A process and its child, written down as replica risk-1 and as the gateway."""
    running = subprocess.Popen(TREE, process_group=0)
    eventually(lambda: len(states(running)) == 3)
    for folder in (home.replicas / "risk-1", home.gateway):
        folder.mkdir(parents=True)
        status = record.Status(supervisor=kernel.process(os.getpid()), child=kernel.process(running.pid))
        record.write(folder / record.STATE, status)
    yield running
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def states(running: subprocess.Popen[bytes]) -> list[str]:
    """The kernel's letters for all processes of its group."""
    found = [kernel.stat(int(path.name)) for path in kernel.PROC.glob("[0-9]*")]
    group = 2  # the field of stat after the name
    return [fields[kernel.STATE] for fields in found if fields and int(fields[group]) == running.pid]


def test_what_hangs_is_stopped_and_goes_on(home: Home, child: subprocess.Popen[bytes]) -> None:
    with suppress(ZeroDivisionError), inject(home, Fault.HANG, replica(name="risk-1")):
        eventually(lambda: states(child) == ["T", "T", "T"])
        raise ZeroDivisionError
    eventually(lambda: "T" not in states(child))
    assert len(states(child)) == 3


def test_what_hangs_may_die_meanwhile(home: Home, child: subprocess.Popen[bytes]) -> None:
    with inject(home, Fault.HANG, replica(name="risk-1")):
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@pytest.mark.parametrize(("fault", "name"), [(Fault.KILL, "risk-1"), (Fault.GATEWAY_DOWN, None)])
def test_a_kill_ends_all_of_it(home: Home, child: subprocess.Popen[bytes], fault: Fault, name: str | None) -> None:
    with inject(home, fault, replica(name=name) if name else None):
        assert child.wait(10) == -signal.SIGKILL
    with pytest.raises(NautilusError, match="does not run"), inject(home, fault, replica(name="risk-1")):
        pass


@pytest.mark.parametrize("fault", [Fault.PAUSE, Fault.OOM])
def test_what_needs_a_container_is_refused(home: Home, child: subprocess.Popen[bytes], fault: Fault) -> None:
    with pytest.raises(ConfigError, match="neither a freezer nor a memory limit"), inject(home, fault, replica()):
        pass
    assert child.poll() is None
