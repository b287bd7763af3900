"""A change that is cut off at any moment leaves what served serving, and the next `up` finishes it."""

from __future__ import annotations

import os
import secrets
import signal

import pytest

from nautilus_cli.errors import INTERRUPTED
from tests.scenarios.load import Load, bodies, eventually
from tests.scenarios.world import World, host, server

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("moment", [r"gateway +expose", r"/\d +start", r"/\d +route"])
def test_a_first_up_that_is_killed_is_finished_by_the_next(world: World, moment: str) -> None:
    world.declare(engines={"alpha": server(world.ports[0], environment={"READY_AFTER": "0.7"})})
    command = world.start("up")
    command.until(moment)
    assert command.end(signal.SIGKILL) == -signal.SIGKILL
    world.run("up")
    world.settled()
    assert bodies(world.ports[0]) == {"alpha 1"}


@host
def test_updates_that_are_killed_at_each_step_lose_no_request_and_are_finished_by_the_next(fleet: World) -> None:
    """Each `up` finishes what the one before left, begins another version, and is killed one step later than that."""
    fleet.run("scale", "alpha", "2")
    with Load([fleet.port("alpha"), fleet.port("beta")], rate=100) as load:
        for moment in ("start", "route", "monitor", "drain", "stop", "remove"):
            begin_update(fleet)
            command = fleet.start("up")
            command.until(rf"alpha/\d +{moment}")
            assert command.end(signal.SIGKILL) == -signal.SIGKILL
            load.proves()
        version = begin_update(fleet)
        fleet.run("up")
        load.proves()
    fleet.settled()
    assert bodies(fleet.port("alpha")) == {f"alpha {version}"}


@host
def test_an_update_that_is_interrupted_says_how_to_finish_it(fleet: World) -> None:
    version = begin_update(fleet)
    with Load([fleet.port("alpha"), fleet.port("beta")]) as load:
        command = fleet.start("up")
        command.until(r"alpha/\d +start")
        assert command.end(signal.SIGINT) == INTERRUPTED
        assert "interrupted: run the same command again" in command.text
        assert "Traceback" not in command.text
        assert not fleet.containers("io.nautilus.role=lock")
        load.proves()
        assert fleet.status()["changes"]
        fleet.run("up")
        load.proves()
    fleet.settled()
    assert bodies(fleet.port("alpha")) == {f"alpha {version}"}


@host
def test_a_second_change_is_told_who_is_at_work_until_that_one_is_gone(fleet: World) -> None:
    begin_update(fleet, ready_after="3")
    first = fleet.start("up")
    first.until(r"alpha/\d +start")
    said = fleet.run("up", code=6).stderr
    assert "another change is running: up by " in said
    assert f"(pid {first.process.pid})" in said
    first.end(signal.SIGKILL)
    fleet.edit("alpha", environment={"READY_AFTER": "0"})
    fleet.run("up")
    fleet.settled()


def test_a_down_that_is_killed_is_finished_by_the_next(world: World) -> None:
    world.declare(engines={"alpha": server(world.ports[0], replicas=2)})
    world.run("up")
    command = world.start("down")
    command.until(r"gateway +expose")
    command.end(signal.SIGKILL)
    world.run("down")
    eventually(lambda: not world.leftovers())


def begin_update(fleet: World, ready_after: str = "0.5") -> str:
    """A new version in the file, which is not applied yet."""
    version = f"{os.getpid()}-{secrets.token_hex(2)}"
    fleet.edit("alpha", environment={"VERSION": version, "READY_AFTER": ready_after})
    return version
