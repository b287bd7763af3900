"""A fleet comes up, answers on its ports under the limits of its file, is left alone afterwards, and leaves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.load import Load, eventually, replies
from tests.scenarios.world import BASE, World, both_modes, host, server

pytestmark = pytest.mark.docker

ASK = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read().decode())"


@both_modes
def test_every_engine_answers_on_its_port_with_every_replica(fleet: World) -> None:
    for engine in ("alpha", "beta"):
        for keep_alive in (True, False):
            found = replies(fleet.port(engine), 30, keep_alive)
            assert {(r.status, r.body.split()[0]) for r in found} == {(200, engine)}
            assert {r.replica for r in found} == set(fleet.names(engine))
    fleet.settled()


@both_modes
def test_engines_reach_each_other_by_name_and_declared_port(fleet: World) -> None:
    for here, there in (("alpha", "beta"), ("beta", "alpha")):
        said = fleet.execute(fleet.names(here)[0], "python3", "-c", ASK, f"http://{there}:{fleet.port(there)}/")
        assert said.split()[0] == there


@host
def test_a_second_up_has_nothing_to_do_and_touches_nothing(fleet: World) -> None:
    before = fleet.touched()
    assert "nothing to do" in fleet.run("up").stdout
    assert fleet.status()["changes"] == []
    fleet.run("up", "--dry-run", "--exit-code")
    with fleet.but("alpha", environment={"VERSION": "dry"}):
        assert "environment changed" in fleet.run("up", "--dry-run", "--exit-code", code=10).stdout
        fleet.run("up", "--dry-run")
    assert fleet.touched() == before


@host
def test_the_limits_and_the_surroundings_of_the_file_are_in_force(fleet: World) -> None:
    (alpha, *_), (beta, *_) = fleet.replicas("alpha"), fleet.replicas("beta")
    for found in (alpha, beta):
        assert in_force(found) == {"CpuQuota": 50_000, "CpuPeriod": 100_000, "Memory": 64 << 20, "MemorySwap": 64 << 20}
        settings = found["HostConfig"]
        assert settings["RestartPolicy"]["Name"] == "unless-stopped"
        assert settings["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
        assert settings["SecurityOpt"] == ["no-new-privileges"]
        assert not settings["PortBindings"]
        assert not settings["Privileged"]
        assert found["Config"]["StopTimeout"] == 2
    strict, marks = alpha["HostConfig"], alpha["Config"]["Labels"]
    assert (strict["ReadonlyRootfs"], strict["CapDrop"], strict["PidsLimit"]) == (True, ["ALL"], 64)
    assert (alpha["Config"]["User"], list(strict["Tmpfs"])) == ("1000:1000", ["/tmp"])
    assert beta["HostConfig"]["Ulimits"] == [{"Name": "nofile", "Soft": 4096, "Hard": 4096}]
    assert {k: marks[k] for k in ("team", "io.nautilus.engine", "io.nautilus.fleet", "io.nautilus.role")} == {
        "team": "quants",
        "io.nautilus.engine": "alpha",
        "io.nautilus.fleet": fleet.name,
        "io.nautilus.role": "engine",
    }


@host
def test_the_kernel_enforces_what_docker_was_told(fleet: World) -> None:
    name = fleet.names("alpha")[0]
    files = "/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max"
    assert str(64 << 20) in fleet.execute(name, "sh", "-c", f"cat {files} 2>/dev/null; true")
    assert fleet.execute(name, "sh", "-c", "id -u; touch /x 2>/dev/null || echo read-only") == "1000\nread-only"


@host
def test_every_replica_has_an_address_of_its_own_on_the_private_network(fleet: World) -> None:
    containers = fleet.replicas("alpha") + fleet.replicas("beta")
    networks = [c["NetworkSettings"]["Networks"] for c in containers]
    assert [list(n) for n in networks] == [[fleet.name]] * len(containers)
    fixed = [n[fleet.name]["IPAMConfig"]["IPv4Address"] for n in networks]
    assert fixed == [n[fleet.name]["IPAddress"] for n in networks]
    assert len(set(fixed)) == len(fixed)


def test_down_leaves_nothing_but_data_and_with_volumes_nothing(world: World) -> None:
    declared = {
        "alpha": server(world.ports[0], replicas=1, volumes=["models:/models"]),
        "beta": server(world.ports[1], replicas=1, depends_on=["alpha"]),
    }
    world.declare(engines=declared)
    world.run("up")
    world.execute(world.names("alpha")[0], "sh", "-c", "echo kept > /models/file")
    world.run("down")
    assert world.leftovers() == [f"{world.name}-models"]
    assert "nothing to do" in world.run("down").stdout
    world.run("up", "alpha")
    assert world.execute(world.names("alpha")[0], "cat", "/models/file") == "kept"
    assert world.replicas("beta") == []
    world.run("down", "--volumes")
    assert world.leftovers() == []


def test_what_belongs_to_others_is_left_alone(world: World) -> None:
    """A container, a network and a volume without labels, and another fleet whose name begins with ours."""
    api, name = world.api, world.name
    other = World(world.folder / "other", world.ports[5:], api, name=f"{name}-x")
    other.folder.mkdir()
    stranger = api.create_container(BASE, ["sleep", "600"], name=f"{name}-alpha-9-abcd")["Id"]
    api.create_network(f"{name}-own")
    api.create_volume(f"{name}-own")
    try:
        api.start(stranger)
        other.declare(engines={"alpha": server(other.ports[0], replicas=1)})
        world.declare(engines={"alpha": server(world.ports[0], replicas=1)})
        other.run("up")
        before = other.touched()
        world.run("up")
        world.run("down", "--volumes")
        assert world.leftovers() == []
        assert other.touched() == before
        other.settled()
        assert {r.body for r in replies(other.ports[0])} == {"alpha 1"}
        assert api.inspect_container(stranger)["State"]["Running"]
        assert [n["Name"] for n in api.networks(names=[f"{name}-own"])] == [f"{name}-own"]
        assert api.inspect_volume(f"{name}-own")
        other.run("down")
        assert other.leftovers() == []
    finally:
        other.sweep()
        api.remove_container(stranger, force=True)
        api.remove_network(f"{name}-own")
        api.remove_volume(f"{name}-own")


def test_a_replica_is_routed_at_its_first_healthy_answer_and_not_before(world: World) -> None:
    """It becomes ready after a second, its health interval is half a minute: `up` must not wait for the interval."""
    world.declare(engines={"alpha": server(world.ports[0], replicas={"min": 2, "max": 3})})
    world.run("up")
    world.edit("alpha", environment={"READY_AFTER": "1.0", "VERSION": "2"}, healthcheck={"interval": "30s"})
    with Load([world.ports[0]]) as load:
        text = world.run("up", within=25).stderr
        load.proves()
        assert eventually(lambda: {reply.body for _, reply in load.seen[-20:]} == {"alpha 2"})
    assert "healthy after" in text
    logs = [world.api.logs(c["Id"]).decode() for c in world.replicas("alpha")]
    assert [("early" in log, "starting" in log) for log in logs] == [(False, True)] * 2


def in_force(found: dict[str, Any]) -> dict[str, int]:
    """CPU and memory that Docker enforces."""
    return {key: found["HostConfig"][key] for key in ("CpuQuota", "CpuPeriod", "Memory", "MemorySwap")}
