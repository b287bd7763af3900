"""A fleet that stays up over many scenarios, so that only those which are about a start pay for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from docker.api.client import APIClient

from tests.scenarios.world import World, server


@pytest.fixture(scope="session")
def standing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, api: APIClient, port_range: list[int]
) -> Iterator[World]:
    """Two engines behind a gateway in the mode that the test asks for: see `host` and `both_modes` of world."""
    scene = World(tmp_path_factory.mktemp("standing"), port_range[10:], api)
    scene.declare(engines=engines(scene.ports), gateway={"network": request.param})
    try:
        scene.run("up")
        scene.failures = request.session.testsfailed
        yield scene
    finally:
        scene.sweep()


@pytest.fixture
def fleet(standing: World, request: pytest.FixtureRequest) -> World:
    """The standing fleet as its file says; what a test changed stays, what a failed one left undone is done."""
    failures = request.session.testsfailed
    if failures != standing.failures:
        standing.run("up")
    standing.failures = failures
    return standing


def engines(ports: list[int]) -> dict[str, Any]:
    """Two engines; one may do as little as those that nautilus builds."""
    strict = {"user": "1000:1000", "read_only": True, "cap_drop": ["ALL"], "no_new_privileges": True, "pids": 64}
    return {
        "alpha": server(ports[0], security=strict, tmpfs=["/tmp"], labels={"team": "quants"}),
        "beta": server(ports[1], replicas={"min": 1, "max": 3}, ulimits={"nofile": 4096}),
    }
