"""A disk of the Docker host that is full: a change says so, what serves goes on serving, and room is all it takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.scenarios.daemon import Daemon, private
from tests.scenarios.load import Load, bodies
from tests.scenarios.world import World

pytestmark = pytest.mark.docker


@contextmanager
def filled(daemon: Daemon) -> Iterator[None]:
    """Not a byte is left on the daemon's disk while the block runs."""
    ballast = daemon.data / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for block in (2**20, 2**12):
            with suppress(OSError):
                while file.write(bytes(block)):
                    pass
    try:
        yield
    finally:
        ballast.unlink()


def test_a_full_disk_is_told_and_what_serves_goes_on_until_there_is_room(world: World) -> None:
    with private(world, disk="1g") as (daemon, there):
        there.run("up")
        before, ports = there.touched(), [there.port("alpha"), there.port("beta")]
        with Load(ports, rate=100, address=there.address) as load:
            there.edit("alpha", environment={"VERSION": "2", "READY_AFTER": "1.5"})
            with filled(daemon):
                told(there.run("up", code=5).stderr)
                told(there.run("scale", "beta", "4", code=5).stderr)
                load.proves()
            assert there.touched() == before
            rollout = there.start("up")
            rollout.until(r"alpha/1 +start")
            with filled(daemon):
                assert rollout.end() == 5, rollout.text
                load.proves()
            told(rollout.text)
            assert "the replicas that served before go on serving" in rollout.text
            assert there.touched() == before
            there.run("up")
            load.proves()
        assert bodies(there.port("alpha"), address=there.address) == {"alpha 2"}
        there.settled()
        there.run("down")
        assert there.leftovers() == []


def told(said: str) -> None:
    """It says what is full, and what to do."""
    assert "the disk of the Docker host is full: " in said
    assert "no space left on device" in said.lower()
    assert "make room, and run the command again: `docker system df` shows what takes it" in said
