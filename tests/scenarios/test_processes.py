"""A fleet without Docker, through the command line: what survives which kill, and what is left afterwards."""

from __future__ import annotations

import copy
import getpass
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nautilus_cli.gateways.sockets import bound
from nautilus_cli.runtimes.process import kernel, record
from tests.scenarios.load import Load, answering, eventually
from tests.scenarios.world import World, server


class ProcessWorld(World):
    """A fleet of processes on a machine whose Docker is hidden."""

    @property
    def environ(self) -> dict[str, str]:
        """What the command line sees."""
        return {**super().environ, "DOCKER_HOST": "tcp://127.0.0.1:1", "NAUTILUS_STATE_HOME": str(self.home)}

    @property
    def home(self) -> Path:
        """Where every fleet of this test is written down."""
        return self.folder / "state"

    def specs(self, engine: str) -> list[tuple[Path, record.Spec]]:
        """The replicas of an engine, by slot."""
        folders = sorted((self.home / self.name / "replicas").glob("[!.]*"))
        found = [(folder, spec) for folder in folders if (spec := record.read_spec(folder))]
        return sorted(((f, s) for f, s in found if s.engine == engine), key=lambda pair: pair[1].slot)

    def state(self, folder: Path) -> record.Status:
        """What its supervisor wrote last."""
        status = record.read_status(folder)
        assert status
        return status

    def processes(self) -> list[str]:
        """The command lines of everything that belongs to this fleet."""
        lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
        marked = [path.parent for path in kernel.PROC.glob("[0-9]*/environ")]
        named = f"{record.MARK}={self.name}-".encode()
        inside = [str(p) for p in marked if any(word.startswith(named) for word in kernel.variables(p))]
        return inside + [line for line in lines if str(self.home) in line]


def engine(port: int, **changes: Any) -> dict[str, Any]:
    """An engine that runs server.py without an image."""
    declared = server(port, **changes)
    return {**declared, "process": {"command": declared["command"]}, "restart": "always"}


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, port_range: list[int]) -> Iterator[ProcessWorld]:
    """One engine behind its port, with Docker hidden."""
    scene = ProcessWorld(tmp_path_factory.mktemp("processes"), port_range[5:], None)  # type: ignore[arg-type]
    scene.declare(engines={"alpha": engine(scene.ports[0])})
    try:
        said = scene.run("up").stderr
        assert said.count("no Docker engine answers") == 1
        yield scene
    finally:
        scene.run("down")
        assert not scene.processes()
        assert list(scene.home.iterdir()) == []
        assert not bound("127.0.0.1", scene.ports[0])


@pytest.fixture
def fleet(standing: ProcessWorld) -> Iterator[ProcessWorld]:
    """The standing fleet as it was declared first."""
    before = copy.deepcopy(standing.document)
    yield standing
    standing.document = before
    standing.write()
    standing.run("up")


def test_no_request_fails_while_replicas_are_exchanged(fleet: ProcessWorld) -> None:
    with Load([fleet.port("alpha")]) as load:
        load.proves()
        for version in ("2", "3"):
            fleet.edit("alpha", environment={"VERSION": version})
            fleet.run("up")
        load.proves()
    assert answering(fleet.port("alpha")) == {"alpha 3"}


def test_a_replica_that_dies_is_started_again_without_any_command(fleet: ProcessWorld) -> None:
    folder, _ = fleet.specs("alpha")[0]
    dead = fleet.state(folder).child
    assert dead
    dead.signal(signal.SIGKILL)
    eventually(lambda: fleet.state(folder).alive and fleet.state(folder).child != dead)
    assert (fleet.state(folder).restarts, fleet.state(folder).exit_code) == (1, 128 + signal.SIGKILL)
    events = (fleet.home / fleet.name / "events").read_text()
    assert "exited with code 137" in events


def test_a_replica_dies_with_its_supervisor_and_up_puts_it_right(fleet: ProcessWorld) -> None:
    folder, spec = fleet.specs("alpha")[0]
    status = fleet.state(folder)
    assert status.child
    status.supervisor.signal(signal.SIGKILL)
    assert status.child.gone(5)
    assert "not running" in fleet.run("up").stdout
    assert [s.slot for _, s in fleet.specs("alpha")] == [1, 2]
    assert spec.name not in {s.name for _, s in fleet.specs("alpha")}


def test_a_gateway_that_dies_comes_back_with_its_routes(fleet: ProcessWorld) -> None:
    folder = fleet.home / fleet.name / "edge" / "gateway"
    dead = fleet.state(folder).child
    assert dead
    dead.signal(signal.SIGKILL)
    eventually(lambda: fleet.state(folder).child not in (None, dead))
    assert eventually(lambda: answering(fleet.port("alpha"))) == {"alpha 1"}
    assert "in sync" in fleet.run("status").stdout


def test_an_up_that_was_killed_is_finished_by_the_next(fleet: ProcessWorld) -> None:
    fleet.edit("alpha", environment={"READY_AFTER": "1", "VERSION": "4"})
    killed = fleet.start("up")
    killed.until(r"alpha/\d +start")
    killed.end(signal.SIGKILL)
    fleet.run("up")
    assert answering(fleet.port("alpha")) == {"alpha 4"}
    assert len(fleet.specs("alpha")) == 2


def test_a_number_that_another_process_has_now_is_nobodys_replica(fleet: ProcessWorld) -> None:
    folder, spec = fleet.specs("alpha")[0]
    status = fleet.state(folder)
    status.supervisor.signal(signal.SIGKILL)
    assert status.supervisor.gone(5)
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        reused = kernel.Process(stranger.pid, status.supervisor.start)
        record.write(folder / record.STATE, record.Status(supervisor=reused, child=reused))
        fleet.run("up")
        assert spec.name not in {s.name for _, s in fleet.specs("alpha")}
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_what_runs_without_docker_is_not_started_in_docker(fleet: ProcessWorld) -> None:
    said = fleet.run("--runtime", "docker", "up", code=2).stderr
    assert "runs as processes of this machine" in said
    assert "nautilus --runtime process down" in said


def test_another_runtime_and_a_container_are_refused(fleet: ProcessWorld) -> None:
    assert "there is no runtime 'moon'" in fleet.run("--runtime", "moon", "status", code=2).stderr
    fleet.document["services"] = {"db": {"image": "postgres:17"}}
    fleet.write()
    said = fleet.run("--runtime", "process", "up", code=2).stderr
    assert "db: kind: container needs Docker" in said


def test_logs_usage_and_exec(fleet: ProcessWorld) -> None:
    assert "starting in mode ok" in fleet.run("logs", "alpha").stdout
    assert fleet.run("exec", "alpha/2", "sh", "-c", "echo $NAUTILUS_ENGINE $PORT; exit 3", code=3).stdout.startswith(
        "alpha 1"
    )
    used = fleet.run("status", "--json", "--usage").stdout
    assert '"memory"' in used


def test_a_second_change_is_refused_by_name(fleet: ProcessWorld) -> None:
    fleet.edit("alpha", environment={"READY_AFTER": "2"})
    first = fleet.start("up")
    first.until(r"alpha/\d +start")
    try:
        refused = fleet.run("restart", "alpha", code=6).stderr
    finally:
        code = first.end()
    assert code == 0
    assert f"up by {getpass.getuser()} (pid {first.process.pid})" in refused


def test_the_doctor_finds_what_it_needs(fleet: ProcessWorld) -> None:
    said = fleet.run("doctor").stdout
    assert "HAProxy" in said
    assert "limits of CPU and memory" in " ".join(said.split())
    assert "is held by" not in said  # the fleet's own ports


def test_drills_without_docker(fleet: ProcessWorld) -> None:
    assert "neither a freezer nor a memory limit" in fleet.run("drill", "pause", "--yes", code=2).stderr
    for fault in ("kill", "gateway-down"):
        (drill,) = json.loads(fleet.run("drill", fault, "--yes", "--rate", "40", "--json").stdout)["drills"]
        assert drill["held"], drill
        assert (drill["effects"][0]["lost"] > 0) == (fault == "gateway-down"), drill
