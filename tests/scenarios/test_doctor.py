"""`nautilus doctor` on a real host: what is well, what would stop `up`, and that it leaves nothing behind."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from tests.scenarios.world import World, server

pytestmark = pytest.mark.docker


def findings(world: World, code: int) -> dict[str, dict[str, Any]]:
    data = json.loads(world.run("doctor", "--json", code=code).stdout)
    return {finding["name"]: finding for finding in data["findings"]}


def test_a_well_host_has_nothing_that_stops_up(world: World) -> None:
    world.declare(engines={"alpha": server(world.ports[0])})
    world.run("build")
    found = findings(world, 0)
    assert {
        name: found[name]["verdict"] for name in ("engine", "clock", "ports", "gateway", "firewall")
    } == dict.fromkeys(("engine", "clock", "ports", "gateway", "firewall"), "ok")
    assert found["gateway"]["text"].startswith("HAProxy ")
    assert world.leftovers() == []


def test_a_missing_image_and_a_taken_port_stop_up(world: World) -> None:
    world.declare(engines={"alpha": server(world.ports[0], image="nautilus/no-such-image:1")})
    with socket.create_server(("127.0.0.1", world.ports[0])):
        found = findings(world, 1)
    assert found["image nautilus/no-such-image:1"]["verdict"] == "stop"
    assert found["ports"]["text"] == f"{world.ports[0]} is held by another program"
    assert world.leftovers() == []
