"""A fleet without Docker, through the command line: what survives which kill, and what is left afterwards."""

from __future__ import annotations

import copy
import getpass
import json
import signal
import subprocess
from collections.abc import Iterator

import pytest

from nautilus_cli.gateways.sockets import bound
from nautilus_cli.runtimes.process import cgroups, kernel, record
from tests.scenarios.load import Load, answering, eventually
from tests.scenarios.process_world import ProcessWorld, engine

HUNGRY = """
import os, threading, time
def eat():
    while not os.path.exists("eat"):
        time.sleep(0.05)
    os.unlink("eat")
    bytearray(512 * 2**20)
threading.Thread(target=eat, daemon=True).start()
"""


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


def test_a_gateway_dies_with_its_supervisor_and_up_brings_it_back(fleet: ProcessWorld) -> None:
    folder, port = fleet.home / fleet.name / "edge" / "gateway", fleet.port("alpha")
    status = fleet.state(folder)
    assert status.child
    status.supervisor.signal(signal.SIGKILL)
    assert status.child.gone(5)
    assert "expose  gateway" in fleet.run("up").stdout
    assert eventually(lambda: answering(port)) == {"alpha 1"}
    assert len(fleet.specs("alpha")) == 2


@pytest.mark.parametrize("moment", [r"alpha/\d +start", r"alpha/1 +route", r"alpha/1 +(drain|stop)"])
def test_an_up_that_was_killed_is_finished_by_the_next(fleet: ProcessWorld, moment: str) -> None:
    fleet.edit("alpha", environment={"READY_AFTER": "0.5", "VERSION": "4"})
    killed = fleet.start("up")
    killed.until(moment)
    killed.end(signal.SIGKILL)
    assert answering(fleet.port("alpha")) <= {"alpha 1", "alpha 4"}, "what served goes on serving"
    fleet.run("up")
    assert answering(fleet.port("alpha")) == {"alpha 4"}
    assert len(fleet.specs("alpha")) == 2
    assert "in sync" in fleet.run("status").stdout


def test_a_down_that_was_killed_is_finished_by_the_next(fleet: ProcessWorld) -> None:
    killed = fleet.start("down")
    killed.until("deploy|remove")
    killed.end(signal.SIGKILL)
    fleet.run("down")
    assert not fleet.processes()
    assert list(fleet.home.iterdir()) == []
    fleet.run("up")
    assert answering(fleet.port("alpha")) == {"alpha 1"}


def test_when_everything_was_killed_up_starts_it_again(fleet: ProcessWorld) -> None:
    """As after a reboot: the files are there, and no process is."""
    folders = [folder for folder, _ in fleet.specs("alpha")]
    statuses = [fleet.state(folder) for folder in (*folders, fleet.home / fleet.name / "edge" / "gateway")]
    for status in statuses:
        status.supervisor.signal(signal.SIGKILL)
    assert all(status.supervisor.gone(5) and status.child and status.child.gone(5) for status in statuses)
    assert "0/2" in fleet.run("status", code=1).stdout
    fleet.run("up")
    assert answering(fleet.port("alpha")) == {"alpha 1"}
    assert "in sync" in fleet.run("status").stdout


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
    assert "replicas are processes" in " ".join(said.split())
    assert "is held by" not in said  # the fleet's own ports


@pytest.mark.skipif(cgroups.find() is None, reason="needs a cgroup that this user may write to")
def test_what_takes_more_memory_than_it_may_is_started_again_and_told(fleet: ProcessWorld) -> None:
    code, asked = fleet.document["engines"]["alpha"]["process"]["command"][2], fleet.folder / "eat"
    fleet.edit("alpha", process={"command": ["python3", "-c", HUNGRY + code]}, replicas={"min": 1})
    fleet.run("up")
    fleet.run("scale", "alpha", "1")
    asked.touch()
    ((folder, _),) = fleet.specs("alpha")
    eventually(lambda: fleet.state(folder).restarts == 1 and fleet.state(folder).alive)
    eventually(lambda: answering(fleet.port("alpha")))
    told = fleet.run("status", "--wide")
    assert "limit their CPU and memory" in told.stderr
    assert "137 (oom)" in told.stdout
    assert '"kind": "oom"' in (fleet.home / fleet.name / "events").read_text()
    fleet.run("scale", "alpha", "2")


def test_drills_without_docker(fleet: ProcessWorld) -> None:
    assert "neither a freezer nor a memory limit" in fleet.run("drill", "pause", "--yes", code=2).stderr
    for fault in ("kill", "gateway-down"):
        (drill,) = json.loads(fleet.run("drill", fault, "--yes", "--rate", "40", "--json").stdout)["drills"]
        assert drill["held"], drill
        assert (drill["effects"][0]["lost"] > 0) == (fault == "gateway-down"), drill
