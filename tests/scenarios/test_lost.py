"""A daemon that goes away while somebody watches."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.scenarios.load import eventually
from tests.scenarios.world import BASE, FLEET, World, server

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(
        not shutil.which("socat"), reason="A LOST DAEMON IS NOT TESTED: no socat here (apt-get install socat)"
    ),
]


@contextmanager
def relay(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A socket that leads to the daemon until its process ends."""
    command = ["socat", f"UNIX-LISTEN:{path},fork", "UNIX-CONNECT:/var/run/docker.sock"]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        eventually(path.exists)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("words", [["events", "--since", "1m"], ["logs", "-f"]])
def test_a_daemon_that_goes_away_is_3(world: World, tmp_path: Path, words: list[str]) -> None:
    world.declare(engines={"a": server(world.ports[0])})
    marks = {FLEET: world.name, "io.nautilus.engine": "a", "io.nautilus.slot": "1", "io.nautilus.role": "other"}
    made = world.api.create_container(BASE, ["sh", "-c", "echo hello; exec sleep 100"], labels=marks)["Id"]
    world.api.start(made)
    with relay(tmp_path / "relay.sock") as daemon:
        world.url = f"unix://{tmp_path}/relay.sock"
        watching = world.start(*words)
        watching.until(r"a/1 +\| (hello|started)")
        os.killpg(daemon.pid, signal.SIGKILL)
        assert watching.end(within=20) == 3
    assert "error: the connection to Docker broke" in watching.text or "Docker ended its events" in watching.text
    assert "hint: " in watching.text
