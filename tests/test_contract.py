"""One suite over every runtime: what a `Runtime` promises, held by the one in memory, by processes and by Docker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from nautilus_cli.apply import apply
from nautilus_cli.errors import BuildFailed, Busy, RolloutFailed
from nautilus_cli.events import Event, Phase, silent
from nautilus_cli.fleet import Engine, Fleet, HealthCheck, Process, Replicas, Resources, Security, Service, Update
from nautilus_cli.plan import Kind
from nautilus_cli.reconcile import reconcile
from nautilus_cli.runtimes import open_runtime
from nautilus_cli.runtimes.base import Runtime, Span
from nautilus_cli.runtimes.process import cgroups, haproxy
from nautilus_cli.runtimes.process.home import Home
from nautilus_cli.snapshot import Replica, State
from tests.fakes import FakeRuntime
from tests.scenarios.world import BASE, REDIS, SERVER, World

MIB = 2**20


@dataclass
class Subject:
    """A runtime under test, and a fleet that it can run."""

    runtime: Runtime
    name: str
    ports: list[int]
    kind: Literal["docker", "process"] = "docker"
    limited: bool = True  # CPU and memory limits are in force

    def fleet(self, mode: str = "ok", service: bool = False, **changes: Any) -> Fleet:
        """One engine, and if asked a redis that it depends on."""
        values: dict[str, Any] = {
            "name": "risk",
            "image": BASE,
            "command": ("python3", "-c", SERVER),
            "process": Process(command=("python3", "-c", SERVER)),
            "port": self.ports[0],
            "container_port": 8000,
            "replicas": Replicas(min=2, max=4),
            "healthcheck": HealthCheck.model_validate({"path": "/health", "start_period": "2s", "timeout": "1s"}),
            "update": Update.model_validate({"monitor": "100ms", "drain": "2s"}),
            "stop_grace_period": "2s",
            "resources": Resources(cpus=0.5, memory=64 * MIB),
            "security": Security(user="1000", read_only=True, cap_drop=("ALL",), pids=64),
            "depends_on": ("redis",) if service else (),
        }
        environment = {"MODE": mode, **changes.pop("environment", {})}
        engine = Engine(**{**values, "environment": environment, **changes})
        redis = Service(name="redis", kind="redis", image=REDIS, port=6379, resources=Resources(memory=64 * MIB))
        return Fleet(
            name=self.name,
            runtime=self.kind,
            directory="/",
            engines={"risk": engine},
            services={"redis": redis} if service else {},
            gateway=Fleet.model_fields["gateway"].default.model_copy(update={"base_image": BASE}),
        )

    def make(self, fleet: Fleet) -> list[Event]:
        """Make it so, and tell what happened."""
        events: list[Event] = []
        for action in reconcile(fleet, self.runtime.observe(fleet)).of(Kind.BUILD):
            self.runtime.build(fleet, action.subject, silent)
        apply(reconcile(fleet, self.runtime.observe(fleet)), fleet, self.runtime, events.append)
        return events

    def risk(self, fleet: Fleet) -> tuple[Replica, ...]:
        """The replicas of the engine."""
        return self.runtime.observe(fleet).of("risk")


BARE = "process with neither cgroups nor HAProxy"


@pytest.fixture(
    params=[
        "fake",
        "process",
        BARE,
        pytest.param("docker", marks=pytest.mark.docker),
    ]
)
def subject(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Subject]:
    """Each runtime in turn, with nothing of it left afterwards."""
    if request.param == "fake":
        yield Subject(FakeRuntime(), "demo", [8000])
        return
    if request.param.startswith("process"):
        monkeypatch.setenv("NAUTILUS_STATE_HOME", str(tmp_path))
        if request.param == BARE:
            monkeypatch.setattr(cgroups, "find", lambda: None)
            monkeypatch.setattr(haproxy, "find", lambda: None)
            monkeypatch.setattr(haproxy, "fetch", nowhere)
        ports: list[int] = request.getfixturevalue("port_range")
        limited = cgroups.find() is not None
        yield from on_processes(Subject(None, f"nt{os.getpid()}", ports, "process", limited))  # type: ignore[arg-type]
        return
    world: World = request.getfixturevalue("world")
    subject = Subject(None, world.name, world.ports)  # type: ignore[arg-type]
    with open_runtime(subject.fleet()) as runtime:
        subject.runtime = runtime
        yield subject


def nowhere() -> None:
    """HAProxy is not on this machine, and cannot be fetched."""
    raise BuildFailed("HAProxy is not on this machine")


def on_processes(subject: Subject) -> Iterator[Subject]:
    """The runtime of processes; nothing of the fleet is left on this machine when it went down."""
    fleet = subject.fleet()
    with open_runtime(fleet) as runtime:
        subject.runtime = runtime
        try:
            yield subject
            where = cgroups.find()
            held = list(where.parents[-1].glob(f"{cgroups.PREFIX}{subject.name}-*")) if where else []
            assert len(held) == len(runtime.observe(fleet).replicas) if where else not held
        finally:
            with runtime.lock(fleet, "down"):
                subject.make(fleet.empty())
    assert not Home(fleet.name).root.exists()
    assert not (where and list(where.parents[-1].glob(f"{cgroups.PREFIX}{subject.name}-*")))


def done(events: list[Event], verb: str) -> list[str]:
    return [event.subject for event in events if event.verb == verb and event.phase is Phase.DONE]


def test_a_fresh_engine_gets_ready_and_a_second_plan_is_empty(subject: Subject) -> None:
    fleet = subject.fleet()
    events = subject.make(fleet)
    assert [(r.slot, r.state, r.routed) for r in subject.risk(fleet)] == [
        (1, State.READY, True),
        (2, State.READY, True),
    ]
    assert sorted(done(events, "route")) == ["risk/1", "risk/2"]
    assert not reconcile(fleet, subject.runtime.observe(fleet))


def test_replicas_are_found_with_their_limits(subject: Subject) -> None:
    fleet = subject.fleet()
    subject.make(fleet)
    limits = {(r.limits.cpus, r.limits.memory) for r in subject.risk(fleet)}
    assert limits == {(0.5, 64 * MIB) if subject.limited else (None, None)}
    warned = any(
        "limits of CPU and memory are not in force" in text
        for text in reconcile(fleet, subject.runtime.observe(fleet)).warnings
    )
    assert warned is not subject.limited
    assert len({r.address for r in subject.risk(fleet)}) == 2


def test_another_environment_replaces_every_replica_one_by_one(subject: Subject) -> None:
    subject.make(subject.fleet())
    before = {r.name for r in subject.risk(subject.fleet())}
    fleet = subject.fleet(environment={"VERSION": "2"})
    events = subject.make(fleet)
    assert not before & {r.name for r in subject.risk(fleet)}
    order = [f"{e.verb} {e.subject}" for e in events if e.phase is Phase.DONE and e.verb in ("route", "drain", "stop")]
    assert order == ["route risk/1", "drain risk/1", "stop risk/1", "route risk/2", "drain risk/2", "stop risk/2"]
    assert not reconcile(fleet, subject.runtime.observe(fleet))


def test_more_and_fewer_replicas_leave_the_others_alone(subject: Subject) -> None:
    fleet = subject.fleet()
    subject.make(fleet)
    before = {r.name for r in subject.risk(fleet)}
    subject.make(fleet.with_counts({"risk": 4}))
    assert before < {r.name for r in subject.risk(fleet)}
    subject.make(fleet)  # the chosen count survives
    assert len(subject.risk(fleet)) == 4
    subject.make(fleet.with_counts({"risk": 2}))
    assert {r.name for r in subject.risk(fleet)} == before


def test_another_limit_is_changed_in_place(subject: Subject) -> None:
    subject.make(subject.fleet())
    before = {r.name for r in subject.risk(subject.fleet())}
    fleet = subject.fleet(resources=Resources(cpus=0.25, memory=96 * MIB))
    events = subject.make(fleet)
    assert {r.name for r in subject.risk(fleet)} == before
    assert sorted(done(events, "adjust")) == (["risk/1", "risk/2"] if subject.limited else [])
    if subject.limited:
        assert {(r.limits.cpus, r.limits.memory) for r in subject.risk(fleet)} == {(0.25, 96 * MIB)}


@pytest.mark.parametrize(
    ("mode", "said"), [("dies", "exited with code 3"), ("sick", "was not ready within 2s: answers 503")]
)
def test_a_version_that_fails_is_taken_back(subject: Subject, mode: str, said: str) -> None:
    good = subject.fleet()
    subject.make(good)
    before = {r.name for r in subject.risk(good)}
    with pytest.raises(RolloutFailed) as failure:
        subject.make(subject.fleet(mode))
    assert said in failure.value.message
    assert f"mode {mode}" in failure.value.message  # its last log line
    assert {r.name for r in subject.risk(good)} == before
    assert not reconcile(good, subject.runtime.observe(good))


def test_a_first_version_that_fails_leaves_nothing(subject: Subject) -> None:
    with pytest.raises(RolloutFailed, match="exited with code 3") as failure:
        subject.make(subject.fleet("dies"))
    assert "nothing served before" in failure.value.hint
    assert subject.risk(subject.fleet()) == ()


def test_a_container_that_cannot_start_is_a_failed_rollout(subject: Subject) -> None:
    good = subject.fleet()
    subject.make(good)
    before = {r.name for r in subject.risk(good)}
    nothing = ("/no/such/file",)
    with pytest.raises(RolloutFailed, match="no such file"):
        subject.make(subject.fleet("refused", command=nothing, process=Process(command=nothing)))
    assert {r.name for r in subject.risk(good)} == before


def test_a_service_comes_before_what_needs_it_and_goes_after(subject: Subject) -> None:
    fleet = subject.fleet(service=True)
    events = subject.make(fleet)
    assert done(events, "route")[0] == "redis/1"
    assert [r.state for r in subject.runtime.observe(fleet).of("redis")] == [State.READY]
    assert not reconcile(fleet, subject.runtime.observe(fleet))
    events = subject.make(fleet.empty())
    assert done(events, "remove")[-1] == "redis/1"


def test_removing_leaves_nothing(subject: Subject) -> None:
    fleet = subject.fleet()
    subject.make(fleet)
    subject.make(fleet.empty())
    assert subject.runtime.observe(fleet).replicas == ()
    assert not reconcile(fleet.empty(), subject.runtime.observe(fleet.empty()))


def test_logs_are_those_of_every_replica(subject: Subject) -> None:
    fleet = subject.fleet()
    subject.make(fleet)
    lines = list(subject.runtime.logs(fleet, {"risk"}, Span(tail=5), silent))
    assert sorted(line.subject for line in lines if "mode ok" in line.text) == ["risk/1", "risk/2"]
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    assert list(subject.runtime.logs(fleet, {"other"}, Span(), silent)) == []


def test_two_changes_at_once_are_refused(subject: Subject) -> None:
    fleet = subject.fleet()
    second = subject.runtime.lock(fleet, "scale")
    with subject.runtime.lock(fleet, "up"), pytest.raises(Busy, match="another change is running"), second:
        pass
    with subject.runtime.lock(fleet, "up"):
        pass  # it was given back
