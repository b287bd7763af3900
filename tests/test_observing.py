"""What Docker says becomes a Replica: states, limits and ends."""

from __future__ import annotations

from typing import Any

import pytest

from nautilus_cli.gateways.base import Route
from nautilus_cli.runtimes import labels, observing
from nautilus_cli.snapshot import Limits, State

UP = {
    "Status": "running",
    "Running": True,
    "Paused": False,
    "Restarting": False,
    "ExitCode": 0,
    "Pid": 41,
    "StartedAt": "2026-11-22T10:00:01.5Z",
    "OOMKilled": False,
}
READY = Route("risk", "172.18.0.10", 8000, routed=True, healthy=True, detail="answers 200")
SICK = Route("risk", "172.18.0.10", 8000, routed=True, healthy=False, detail="answers 503")
WAITING = Route("risk", "172.18.0.10", 8000, routed=False, healthy=True, detail="answers 200")


def inspected(role: str = labels.ENGINE_ROLE, **state: Any) -> dict[str, Any]:
    marks = labels.replica_labels("demo", "risk", role, 2, "v1", {"image": "a"}, "sha256:1", 1)
    network = {"demo": {"IPAMConfig": {"IPv4Address": "172.18.0.10"}, "IPAddress": ""}}
    return {
        "Id": "1",
        "Name": "/demo-risk-2-abcd",
        "Created": "2026-11-22T10:00:00.123456789Z",
        "RestartCount": 1,
        "Config": {"Labels": marks, "Image": "demo/risk:1"},
        "State": {**UP, **state},
        "HostConfig": {"CpuQuota": 50_000, "CpuPeriod": 100_000, "Memory": 2**30},
        "NetworkSettings": {"Networks": network},
    }


def test_everything_that_was_written_at_creation_is_known_again() -> None:
    seen = observing.replica(inspected(), READY)
    assert (seen.engine, seen.slot, seen.name, seen.fingerprint) == ("risk", 2, "demo-risk-2-abcd", "v1")
    assert (seen.aspects, seen.wave, seen.restarts, seen.address) == ({"image": "a"}, 1, 1, "172.18.0.10")
    assert seen.limits == Limits(cpus=0.5, memory=2**30)
    assert (seen.created, seen.started) == (1795341600.0, 1795341601.0)
    assert observing.replica(inspected(Status="created", StartedAt="0001-01-01T00:00:00Z"), None).started == 0.0


@pytest.mark.parametrize(
    ("state", "route", "expected", "routed"),
    [
        ({}, READY, State.READY, True),
        ({}, SICK, State.UNHEALTHY, True),
        ({}, WAITING, State.STARTING, False),
        ({}, None, State.STARTING, False),
        ({"Paused": True, "Status": "paused"}, READY, State.UNHEALTHY, True),
        ({"Restarting": True, "Status": "restarting"}, SICK, State.UNHEALTHY, True),
        ({"Running": False, "Status": "exited", "ExitCode": 137}, SICK, State.EXITED, False),
        ({"Running": False, "Status": "created"}, None, State.CREATED, False),
    ],
)
def test_the_gateway_decides_on_an_engine(
    state: dict[str, Any], route: Route | None, expected: State, routed: bool
) -> None:
    seen = observing.replica(inspected(**state), route)
    assert (seen.state, seen.routed) == (expected, routed)
    assert seen.exit_code == (137 if state.get("ExitCode") else None)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({}, State.READY),
        ({"Health": {"Status": "starting"}}, State.READY),
        ({"Health": {"Status": "unhealthy"}}, State.UNHEALTHY),
        ({"Running": False, "Status": "exited"}, State.EXITED),
    ],
)
def test_dockers_check_decides_on_a_service(state: dict[str, Any], expected: State) -> None:
    seen = observing.replica(inspected(labels.SERVICE_ROLE, **state), None)
    assert (seen.state, seen.routed) == (expected, expected is not State.EXITED)


def test_a_restarting_process_does_not_live() -> None:
    assert observing.vitals(inspected()).alive
    ended = observing.vitals(inspected(Restarting=True, ExitCode=3))
    assert (ended.alive, ended.exit_code) == (False, 3)
