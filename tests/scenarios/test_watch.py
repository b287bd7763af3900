"""`nautilus watch` on real containers: what hangs is exchanged, what is gone comes back, a crash loop is called one."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import pytest

from tests.scenarios.load import Load, eventually
from tests.scenarios.world import World, server

pytestmark = pytest.mark.docker
QUICK = {"path": "/health", "interval": "200ms", "timeout": "500ms", "retries": 2, "start_period": "5s"}


def test_a_watch_exchanges_what_hangs_and_brings_back_what_is_gone(world: World) -> None:
    update = {"monitor": "0s", "drain": "1s"}
    world.declare(engines={"alpha": server(world.ports[0], healthcheck=QUICK, update=update)})
    world.run("up")
    watch = world.start("watch", "--interval", "300ms")
    hung, gone = world.replicas("alpha")
    os.kill(hung["State"]["Pid"], signal.SIGSTOP)
    try:
        watch.until(r"alpha/1 +\| remove done")
        assert "1 running and unhealthy: exchanged" in watch.text
        assert hung["Id"] not in world.ids("alpha")
    finally:
        with suppress(ProcessLookupError):
            os.kill(hung["State"]["Pid"], signal.SIGCONT)
    world.edit("alpha", environment={"VERSION": "not yet"})
    world.api.remove_container(gone["Id"], force=True)
    watch.until(r"alpha/2 +\| route done")
    assert watch.end(signal.SIGTERM) == 130
    assert all("VERSION=not yet" not in c["Config"]["Env"] for c in world.replicas("alpha"))
    with Load([world.port("alpha")]) as load:
        assert world.run("watch", "--once").stdout == ""
        load.proves()


def test_a_crash_loop_is_called_one_and_left_alone(world: World) -> None:
    declared = server(world.ports[0], healthcheck=QUICK, replicas=1)
    code = declared["command"][2]
    command = ["sh", "-c", 'test -e /crash && exit 4; exec python3 -c "$$CODE"']
    world.declare(engines={"alpha": {**declared, "command": command, "environment": {"CODE": code}}})
    world.run("up")
    before = world.ids("alpha")
    world.execute(world.names("alpha")[0], "touch", "/crash")
    world.kill(*world.replicas("alpha"))
    eventually(lambda: world.spawn("status").communicate()[0].count("crash loop"))
    assert eventually(lambda: "crash loop: " in world.spawn("watch", "--once").communicate()[0])
    assert world.ids("alpha") == before
