"""A fleet that serves is changed under load: no request fails, and only what the edit is about changes."""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.load import Load, bodies
from tests.scenarios.world import BASE, SERVER, World, both_modes, host, server

pytestmark = pytest.mark.docker

# A check so quick that the present replicas would fail the new one while their successors start.
QUICK = {"interval": "200ms", "retries": 1}


def fresh() -> str:
    """A version that no test had before."""
    return secrets.token_hex(3)


@both_modes
def test_scaled_up_and_down_under_load_every_replica_is_seen(fleet: World) -> None:
    """And a count that was chosen stays when `up` runs again."""
    port = fleet.port("alpha")
    with Load([port, fleet.port("beta")]) as load:
        for counts, alpha, beta in ((("alpha", "4"), 4, 1), (("alpha=2", "beta=2"), 2, 2), (("beta", "1"), 2, 1)):
            fleet.run("scale", *counts)
            assert "nothing to do" in fleet.run("up").stdout
            assert (len(fleet.names("alpha")), len(fleet.names("beta"))) == (alpha, beta)
            load.seen.clear()
            load.proves()
            assert load.names(port) == set(fleet.names("alpha"))
            assert load.names(fleet.port("beta")) == set(fleet.names("beta"))
    fleet.settled()


@both_modes
def test_changed_environment_replaces_every_replica_under_load(fleet: World) -> None:
    version, before = fresh(), fleet.ids("alpha") | fleet.ids("beta")
    port, beta = fleet.port("alpha"), fleet.ids("beta")
    fleet.edit("alpha", environment={"VERSION": version})
    with Load([port, fleet.port("beta")]) as load:
        assert "environment changed" in fleet.run("up").stdout
        load.proves()
    for keep_alive in (True, False):
        assert bodies(port, keep_alive) == {f"alpha {version}"}
    assert not fleet.ids("alpha") & before
    assert fleet.ids("beta") == beta
    fleet.settled()


@host
def test_a_count_outside_the_range_is_refused_with_the_range(fleet: World) -> None:
    before = fleet.touched()
    for count in ("1", "5"):
        said = fleet.run("scale", "alpha", count, code=2).stderr
        assert f"alpha: {count} replicas are outside its range 2 to 4" in said
    assert fleet.touched() == before


@host
def test_changed_limits_are_set_in_place_under_load(fleet: World) -> None:
    before = fleet.touched()
    fleet.edit("alpha", resources={"cpus": 0.75, "memory": "96MiB"})
    with Load([fleet.port("alpha")]) as load:
        assert "cpus 0.5 -> 0.75, memory 64MiB -> 96MiB" in fleet.run("up").stdout
        load.proves()
        fleet.edit("alpha", resources={"cpus": 0.5, "memory": "64MiB"})
        fleet.run("up")
        load.proves()
    assert fleet.touched() == before
    for found in fleet.replicas("alpha"):
        settings = found["HostConfig"]
        limits = [settings[key] for key in ("CpuQuota", "Memory", "MemorySwap")]
        assert limits == [50_000, 64 << 20, 64 << 20]


@host
def test_engines_come_and_go_under_load_and_the_others_are_not_touched(fleet: World) -> None:
    replicas, port = fleet.ids("alpha") | fleet.ids("beta"), fleet.ports[3]
    with Load([fleet.port("alpha"), fleet.port("beta")]) as load:
        fleet.document["engines"]["gamma"] = server(port, replicas=2)
        fleet.write()
        fleet.run("up")
        assert bodies(port) == {"gamma 1"}
        fleet.settled()
        del fleet.document["engines"]["gamma"]
        fleet.write()
        assert re.search("remove +gamma +not in the file", fleet.run("up").stdout)
        load.proves()
    assert fleet.ids("alpha") | fleet.ids("beta") == replicas
    assert fleet.replicas("gamma") == []
    with pytest.raises(OSError, match="refused"):
        bodies(port)
    fleet.settled()


DOCKERFILE = """
ARG BASE_IMAGE
FROM $BASE_IMAGE
COPY base/server.py /app/server.py
ARG ENGINE
COPY $ENGINE /app/engine
CMD ["python3", "/app/server.py"]
"""


@pytest.fixture
def built(world: World) -> World:
    """Two engines with sources of their own and a folder that they share; both run."""
    context = world.folder / "engines"
    for folder in ("base", "alpha", "beta"):
        (context / folder).mkdir(parents=True)
        (context / folder / "model.py").write_text(f"# {folder} {world.name}\n")
    (context / "Dockerfile").write_text(DOCKERFILE)
    (context / "base" / "server.py").write_text(SERVER)
    world.declare(engines={name: of_source(world.ports[n]) for n, name in enumerate(("alpha", "beta"))})
    world.run("up")
    return world


def of_source(port: int) -> dict[str, Any]:
    """An engine that is built."""
    declared = server(port, replicas=1, build={"context": "engines", "args": {"BASE_IMAGE": BASE}})
    return {key: value for key, value in declared.items() if key not in ("image", "command")}


def test_an_edit_of_one_engine_builds_and_replaces_only_that_one(built: World) -> None:
    model, before = built.folder / "engines/alpha/model.py", {n: built.ids(n) for n in ("alpha", "beta")}
    assert "nothing to do" in built.run("up").stdout
    model.write_text("# edited\n")
    with Load([built.port("alpha"), built.port("beta")]) as load:
        text = built.run("up").stdout
        load.proves()
    assert re.findall(r"^ *(\w+) +(\w+)", text, re.M)[:2] == [("build", "alpha"), ("deploy", "alpha")]
    assert "beta" not in text.split("ENGINE")[0]
    assert built.ids("beta") == before["beta"]
    assert not built.ids("alpha") & before["alpha"]
    said = built.execute(built.names("alpha")[0], "cat", "/app/engine/model.py")
    assert said == "# edited"
    defaults = built.replicas("alpha")[0]
    assert (defaults["Config"]["User"], defaults["HostConfig"]["ReadonlyRootfs"]) == ("1000", True)
    refuses_a_broken_build(built, model)


def refuses_a_broken_build(built: World, model: Path) -> None:
    """The step and the end of its log are shown; what runs is left alone and serves."""
    before, recipe = built.touched(), built.folder / "engines/Dockerfile"
    good = recipe.read_text()
    recipe.write_text(good + "RUN echo compiling; echo the model does not compile >&2; exit 7\n")
    with Load([built.port("alpha"), built.port("beta")]) as load:
        said = built.run("up", code=4).stderr
        load.proves()
    assert "RUN echo compiling" in said
    assert "the model does not compile" in said
    assert built.touched() == before
    recipe.write_text(good)
    assert "nothing to do" in built.run("up").stdout
    shutil.rmtree(model.parent)
    assert built.run("up", code=4).stderr
    assert built.touched() == before


@both_modes
def test_a_health_check_that_moves_to_another_path_loses_no_request(fleet: World) -> None:
    before, moved = fleet.ids("alpha"), {"path": "/healthz", **QUICK}
    with Load([fleet.port("alpha")]) as load, fleet.but("alpha", environment={"HEALTH": "/healthz"}, healthcheck=moved):
        load.proves()
        fleet.run("up")
        load.proves()
        assert not before & fleet.ids("alpha")
        assert "nothing to do" in fleet.run("up").stdout
        fleet.run("status")
        load.proves()
    fleet.run("up")
    fleet.settled()


@host
def test_a_health_check_that_nobody_passes_is_taken_back_with_its_version(fleet: World) -> None:
    before, wrong = fleet.touched(), {"path": "/healthx", "start_period": "1s", **QUICK}
    with Load([fleet.port("alpha")]) as load:
        load.proves()
        with fleet.but("alpha", healthcheck=wrong):
            assert "answers 404" in fleet.run("up", code=5).stderr
        load.proves(200)
        assert fleet.touched() == before
        fleet.run("status")
    assert "nothing to do" in fleet.run("up").stdout
    fleet.settled()
