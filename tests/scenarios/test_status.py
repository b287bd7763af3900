"""What `nautilus status` tells of real replicas: traffic, usage, asked against effective limits."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from tests.scenarios.load import eventually, replies
from tests.scenarios.world import World, server

pytestmark = pytest.mark.docker


@pytest.fixture
def up(world: World) -> World:
    world.declare(engines={"alpha": server(world.ports[0], resources={"cpus": 64, "memory": "64MiB"})})
    world.run("up")
    return world


def test_traffic_usage_and_limits_are_those_of_the_containers(up: World) -> None:
    replies(up.ports[0], count=30)
    (alpha,) = [engine for engine in up.status()["engines"] if engine["name"] == "alpha"]
    assert alpha["traffic"]["requests"] == 30
    assert alpha["limits"]["asked"]["cpus"] == 64
    assert alpha["limits"]["effective"]["cpus"] == os.cpu_count()
    text = up.run("status", "--usage").stdout
    assert len(re.findall(rf"alpha/\d +ready +[\d.]+ +64 -> {os.cpu_count()} +64MiB .* \d+% +[\d.]+MiB", text)) == 2


def test_watch_redraws_until_ctrl_c(up: World) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "nautilus_cli", "status", "--watch"]
    environ = {**up.environ, "TERM": "xterm"}
    watching = subprocess.Popen(command, cwd=up.folder, env=environ, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    drawn = bytearray()

    def twice() -> bool:
        drawn.extend(os.read(master, 65536))
        return drawn.count(b": in sync") >= 2

    try:
        eventually(twice)
    finally:
        watching.send_signal(2)
        assert watching.wait(20) == 0
        os.close(master)
    assert b"\x1b[1A" in drawn  # the cursor goes up: it is drawn over, not scrolled
