"""A change that cannot work says why with its exit code, and what serves goes on serving as if nothing had been."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest

from tests.scenarios.load import Load, bodies
from tests.scenarios.world import World, host, server

pytestmark = pytest.mark.docker

NEVER_READY = {
    "sick": "was not ready within 3s: answers 503",
    "hangs": "was not ready within 3s: no answer within 1s",
    "dies": "exited with code 3",
}


@host
@pytest.mark.parametrize("mode", NEVER_READY)
def test_a_version_that_is_never_ready_is_taken_back_under_load(fleet: World, mode: str) -> None:
    patience = "30s" if mode == "dies" else "3s"  # who is dead is not waited for
    before, began = fleet.touched(), monotonic()
    with Load([fleet.port("alpha"), fleet.port("beta")]) as load:
        with fleet.but("alpha", environment={"MODE": mode}, healthcheck={"start_period": patience}):
            said = fleet.run("up", code=5).stderr
        assert monotonic() - began < 25
        load.proves()
    assert NEVER_READY[mode] in said
    assert f"starting in mode {mode}" in said, "its last log lines"
    assert "the replicas that served before go on serving" in said
    assert fleet.touched() == before
    assert "nothing to do" in fleet.run("up").stdout
    fleet.settled()


@host
def test_a_version_that_crashes_while_it_is_watched_is_taken_back(fleet: World) -> None:
    """Requests may fail only while the version that crashes was routed; afterwards the old one serves all of them."""
    environment: dict[str, Any] = {"MODE": "crashes", "CRASH_AFTER": "1.0"}
    before, answers = fleet.ids("alpha"), bodies(fleet.port("alpha"))
    with fleet.but("alpha", environment=environment, update={"monitor": "10s"}), Load([fleet.port("alpha")]):
        said = fleet.run("up", code=5).stderr
    assert "exited" in said or "became unhealthy" in said
    assert "crashing as told" in said
    assert fleet.ids("alpha") == before
    assert "nothing to do" in fleet.run("up").stdout
    with Load([fleet.port("alpha")]) as load:
        load.proves()
    assert bodies(fleet.port("alpha")) == answers
    fleet.settled()


@host
def test_an_image_that_is_nowhere_is_told_in_bounded_time(fleet: World) -> None:
    before = fleet.touched()
    with fleet.but("alpha", image="registry.invalid/nothing:1"):
        said = fleet.run("up", code=4, within=60).stderr
    assert "registry.invalid/nothing:1" in said
    assert "hint:" in said
    assert fleet.touched() == before
    assert bodies(fleet.port("alpha"))


def test_a_first_version_that_is_never_ready_leaves_no_replica(world: World) -> None:
    declared = server(world.ports[0], environment={"MODE": "dies"})
    world.declare(engines={"alpha": declared, "beta": server(world.ports[1], depends_on=["alpha"])})
    said = world.run("up", code=5).stderr
    assert "nothing served before, nothing is left" in said
    assert [c["Name"] for c in world.containers()] == [f"/{world.name}-gateway"]
    world.edit("alpha", environment={"MODE": "ok"})
    world.run("up")
    world.settled()


def test_a_docker_that_does_not_answer_is_told_with_a_hint(world: World) -> None:
    world.declare(engines={"alpha": server(world.ports[0])})
    world.url = "unix:///nonexistent/docker.sock"
    for words in (["up"], ["status"], ["down"], ["scale", "alpha", "3"]):
        said = world.run(*words, code=3).stderr
        assert "no Docker engine answers" in said
        assert "hint: start Docker" in said


def test_an_unknown_engine_is_answered_with_what_is_near(world: World) -> None:
    world.declare(engines={"alpha": server(world.ports[0])})
    for words in (["up", "alhpa"], ["scale", "alhpa", "3"]):
        assert "did you mean 'alpha'?" in world.run(*words, code=2).stderr
    assert world.leftovers() == []


def test_a_faulty_file_is_refused_with_every_fault_and_its_place(world: World) -> None:
    world.declare(engines={"alpha": server(world.ports[0], resources={"memory": "1 GBB"}, replica=2)})
    said = world.run("up", code=2).stderr
    assert said.count("engines.yaml:") >= 2
    assert "engines.alpha.resources.memory: '1 GBB'" in said
    assert "'replicas'" in said
    assert world.leftovers() == []
