"""A port that somebody else holds is refused before anything is made."""

from __future__ import annotations

import socket

import pytest

from tests.scenarios.load import bodies
from tests.scenarios.world import World, both_modes, server

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("mode", ["host", "bridge"])
def test_a_port_of_another_program_is_refused_before_anything_is_made(world: World, mode: str) -> None:
    free, taken = world.ports[:2]
    world.declare(engines={"alpha": server(free), "beta": server(taken)}, gateway={"network": mode})
    with socket.create_server(("127.0.0.1", taken)):
        said = world.run("up", code=2).stderr
        assert f"port {taken} of beta is held by another program" in said
        assert "hint:" in said
        assert world.leftovers() == []


@both_modes
@pytest.mark.parametrize("mode", ["host", "bridge"])
def test_a_port_of_another_fleet_is_refused_with_its_name(fleet: World, world: World, mode: str) -> None:
    before, taken = fleet.touched(), fleet.port("beta")
    world.declare(engines={"gamma": server(taken)}, gateway={"network": mode})
    said = world.run("up", code=2).stderr
    assert f"port {taken} of gamma is held by the gateway of fleet {fleet.name}" in said
    assert world.leftovers() == []
    assert fleet.touched() == before
    assert {body.split()[0] for body in bodies(taken)} == {"beta"}
