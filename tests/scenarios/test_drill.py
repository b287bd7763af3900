"""A fleet under measured load while it is changed and while it is broken on purpose, through the command line."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from docker.api.client import APIClient

from tests.scenarios.load import eventually
from tests.scenarios.world import REDIS, World, server

pytestmark = pytest.mark.docker
RATE = "20"  # requests per second to each engine


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, api: APIClient, port_range: list[int]) -> Iterator[World]:
    """An engine with a spare replica, one without, and a redis."""
    scene = World(tmp_path_factory.mktemp("drill"), port_range[15:], api)
    check = {"path": "/health", "interval": "1s", "timeout": "3s", "retries": 2, "start_period": "30s"}
    common: dict[str, Any] = {"healthcheck": check, "resources": {"cpus": 1, "memory": "64MiB"}}
    scene.declare(
        engines={
            "alpha": server(scene.ports[0], **common),
            "beta": server(scene.ports[1], replicas=1, depends_on=["redis"], **common),
        },
        services={"redis": {"kind": "redis", "image": REDIS}},
    )
    try:
        scene.run("up")
        yield scene
    finally:
        scene.sweep()


def verified(said: str) -> dict[str, list[str]]:
    """Sent, failed, ... of each engine, from the table of `--verify`."""
    lines = said[said.index("LONGEST GAP") :].splitlines()
    return {words[0]: words[1:] for line in lines if (words := line.split()) and words[0] in ("alpha", "beta")}


def test_a_rollout_is_verified(fleet: World) -> None:
    fleet.edit("alpha", environment={"VERSION": "2"})
    fleet.edit("beta", environment={"VERSION": "2"})
    found = verified(fleet.run("up", "--verify-rate", RATE).stdout)
    for engine in ("alpha", "beta"):
        sent, failed = found[engine][:2]
        assert (int(sent.replace(",", "")) > 30, failed) == (True, "0"), found


def test_a_change_that_loses_requests_is_found(fleet: World) -> None:
    """Between the only replica and its successor nobody serves, if the old one must stop first."""
    fleet.edit("beta", environment={"VERSION": "3"}, update={"order": "stop-first"})
    said = fleet.run("up", "--verify-rate", RATE, code=1)
    found = verified(said.stdout)
    assert int(found["beta"][1]) > 0, found
    assert found["alpha"][1] == "0"
    assert "requests failed meanwhile" in said.stderr
    assert "of beta" in said.stderr
    fleet.settled()


def test_every_drill_holds_what_is_promised(fleet: World) -> None:
    started = fleet.touched()
    names = set(fleet.names("alpha"))
    limits = {c["Id"]: c["HostConfig"]["Memory"] for c in fleet.containers()}
    said = fleet.run("drill", "--yes", "--rate", RATE, "--for", "1s", "--json", within=300)
    drills = {drill["fault"]: drill for drill in json.loads(said.stdout)["drills"]}
    assert list(drills) == ["kill", "pause", "hang", "oom", "bus-down", "gateway-down"]
    assert all(drill["held"] for drill in drills.values()), drills
    lost = {(fault, e["engine"]): e["lost"] for fault, drill in drills.items() for e in drill["effects"]}
    assert not any(count for (fault, _), count in lost.items() if fault in ("pause", "bus-down")), lost
    assert lost["gateway-down", "alpha"] > 0
    assert lost["gateway-down", "beta"] > 0
    assert drills["gateway-down"]["effects"][0]["recovery"] > 0
    assert set(fleet.names("alpha")) == names
    assert fleet.touched().keys() == started.keys()
    assert {c["Id"]: c["HostConfig"]["Memory"] for c in fleet.containers()} == limits
    assert sum(c["RestartCount"] for c in fleet.replicas("alpha")) == 2, "by kill and by oom, by nothing else"
    fleet.settled()


def test_an_interrupted_drill_leaves_no_fault_behind(fleet: World) -> None:
    drilling = fleet.start("drill", "pause", "beta", "--yes", "--rate", RATE, "--for", "9.9s")
    eventually(lambda: fleet.replicas("beta")[0]["State"]["Paused"])
    assert drilling.end(signal.SIGINT) == 130
    assert not fleet.replicas("beta")[0]["State"]["Paused"]
    eventually(lambda: fleet.status()["in_sync"])
    fleet.settled()


def test_a_drill_is_refused_where_it_is_impossible(fleet: World) -> None:
    assert "add --yes" in fleet.run("drill", "kill", code=2).stderr
    assert "there are: alpha, beta" in fleet.run("drill", "kill", "gamma", "--yes", code=2).stderr
