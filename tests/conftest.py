"""Builders that every test may use, and a world on real Docker that leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.api.client import APIClient

from nautilus_cli.fleet import Engine, Fleet, Replicas, Service, Update
from nautilus_cli.snapshot import Replica, State
from tests.scenarios.world import World, dead, port_block, sweep


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` writes the text files that tests compare with; `--soak` takes its time."""
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing")
    parser.addoption("--soak", action="store_true", help="the long form of tests/scenarios/test_soak.py")


def engine(name: str = "risk", **changes: Any) -> Engine:
    """An engine with sensible values, changed where a test needs it."""
    values: dict[str, Any] = {
        "name": name,
        "image": "img",
        "port": 8000,
        "container_port": 8000,
        "replicas": Replicas(min=1, max=8),
        "update": Update(monitor=0),
    }
    return Engine(**{**values, **changes})


def fleet(*workloads: Engine | Service, **changes: Any) -> Fleet:
    """A fleet of these engines and services."""
    return Fleet(
        name=changes.pop("name", "demo"),
        directory="/nowhere",
        engines={w.name: w for w in workloads if isinstance(w, Engine)},
        services={w.name: w for w in workloads if isinstance(w, Service)},
        **changes,
    )


def replica(slot: int = 1, fingerprint: str = "v1", state: State = State.READY, **changes: Any) -> Replica:
    """One observed replica, ready and routed unless a test says otherwise."""
    values: dict[str, Any] = {
        "engine": "risk",
        "slot": slot,
        "name": f"{changes.get('engine', 'risk')}-{slot}-{fingerprint}",
        "id": f"id-{slot}-{fingerprint}",
        "fingerprint": fingerprint,
        "state": state,
        "routed": state in (State.READY, State.UNHEALTHY),
    }
    return Replica(**{**values, **changes})


@pytest.fixture(scope="session")
def api() -> Iterator[APIClient]:
    """The Docker engine of this machine, without leftovers of dead test runs."""
    client = docker.APIClient(version="auto")
    sweep(client, dead)
    yield client
    client.close()


@pytest.fixture(scope="session")
def port_range() -> Iterator[list[int]]:
    """Ports that belong to this test run."""
    with port_block() as ports:
        yield ports


@pytest.fixture
def world(tmp_path: Path, api: APIClient, port_range: list[int]) -> Iterator[World]:
    """A fleet of this test alone."""
    scene = World(tmp_path, port_range, api)
    yield scene
    scene.sweep()
