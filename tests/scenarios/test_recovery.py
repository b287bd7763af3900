"""After a crash, of replicas, of the gateway or of Docker itself, every port answers again and nobody ran a command."""

from __future__ import annotations

import signal

import pytest

from tests.scenarios.daemon import Daemon, private
from tests.scenarios.load import Load, answering, eventually
from tests.scenarios.world import World, both_modes

pytestmark = pytest.mark.docker


@both_modes
def test_all_replicas_killed_at_once_come_back_behind_their_own_ports(fleet: World) -> None:
    before = fleet.ids("alpha") | fleet.ids("beta")
    fleet.run("scale", "beta=2", "alpha=2")
    with Load([fleet.port("alpha"), fleet.port("beta")], rate=100) as load:
        load.proves(10)
        killed = fleet.kill(*fleet.replicas("alpha"), *fleet.replicas("beta"))
        eventually(lambda: whole(fleet, load, killed))
    unmixed(fleet, load)
    assert before <= fleet.ids("alpha") | fleet.ids("beta")
    recovered(fleet)


@both_modes
def test_a_replica_that_is_killed_costs_no_request_that_may_be_repeated(fleet: World) -> None:
    """Half of them on kept connections: each GET that it was answering is answered by another one."""
    fleet.run("scale", "alpha=2")
    with Load([fleet.port("alpha")], rate=100) as load:
        for replica in fleet.replicas("alpha"):
            killed = fleet.kill(replica)
            load.proves()
            eventually(lambda killed=killed: not killed.items() & fleet.touched().items())  # type: ignore[misc]
            load.seen.clear()
            eventually(lambda: load.names(fleet.port("alpha")) == set(fleet.names("alpha")))
    recovered(fleet)


@both_modes
def test_a_killed_gateway_comes_back_with_its_routes(fleet: World) -> None:
    with Load([fleet.port("alpha"), fleet.port("beta")], rate=100) as load:
        load.proves(10)
        killed = fleet.kill(*fleet.containers("io.nautilus.role=gateway"))
        eventually(lambda: whole(fleet, load, killed))
    unmixed(fleet, load)
    recovered(fleet)


@both_modes
def test_gateway_and_replicas_killed_together_come_back(fleet: World) -> None:
    fleet.run("scale", "beta=2", "alpha=3")
    with Load([fleet.port("alpha"), fleet.port("beta")]) as load:
        killed = fleet.kill(*fleet.containers())
        eventually(lambda: whole(fleet, load, killed))
    unmixed(fleet, load)
    recovered(fleet)


def recovered(fleet: World) -> None:
    """It settles: a check that hung while a replica had no network may take it out for one more, though it is back."""

    def settled() -> bool:
        try:
            fleet.settled()
        except AssertionError:
            return False
        return True

    eventually(settled)


def whole(fleet: World, load: Load, before: dict[str, str]) -> bool:
    """Everything of before was started again, and since then every replica answered on its engine's port."""
    ports = {fleet.port(engine): set(fleet.names(engine)) for engine in fleet.document["engines"]}
    again = not before.items() & fleet.touched().items()
    if not again or not all(answering(port, fleet.address) for port in ports):
        load.seen.clear()
        return False
    return all(load.names(port) == names for port, names in ports.items())


def unmixed(fleet: World, load: Load) -> None:
    """No port ever answered with another engine."""
    for engine in fleet.document["engines"]:
        answers = {r.body.split()[0] for port, r in load.seen if port == fleet.port(engine) and r.status == 200}
        assert answers == {engine}


def test_a_restarted_docker_brings_every_engine_back_behind_its_own_port(world: World) -> None:
    """Told to end, or killed: then Docker takes `unless-stopped` for stopped, and only `always` comes back."""
    with private(world) as (daemon, there):
        there.run("up")
        there.run("scale", "alpha=3", "beta=3")
        survives(daemon, there, signal.SIGTERM, "--live-restore")
        loses_nothing(daemon, there)
        for engine in ("alpha", "beta"):
            there.edit(engine, restart="always")
        there.run("up")
        survives(daemon, there, signal.SIGKILL)
        there.run("down")
        assert there.leftovers() == []


def survives(daemon: Daemon, world: World, number: int, *options: str) -> None:
    """After the daemon was ended by this signal and started again the same containers serve on the same ports."""
    before = world.touched()
    with Load([world.port("alpha"), world.port("beta")], address=world.address) as load:
        load.proves(10)
        daemon.restart(number, *options)
        eventually(lambda: whole(world, load, before), 60)
    unmixed(world, load)
    assert world.touched().keys() == before.keys()
    recovered(world)


def loses_nothing(daemon: Daemon, world: World) -> None:
    """With `live-restore` the end of the daemon, asked for or not, touches nothing, and no request fails."""
    before = world.touched()
    with Load([world.port("alpha"), world.port("beta")], rate=100, address=world.address) as load:
        for number in (signal.SIGTERM, signal.SIGKILL):
            daemon.restart(number, "--live-restore")
            load.proves()
            assert world.touched() == before
        world.run("scale", "alpha", "2")
        load.proves()
    world.settled()
