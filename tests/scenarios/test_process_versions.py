"""Without Docker: the bus, data from files, and versions with the code that they ran."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.load import Load, answering, eventually
from tests.scenarios.process_world import ProcessWorld
from tests.scenarios.world import REDIS, SERVER

ROOT = Path(__file__).parents[2]
HELD = {"portfolio_id": "held", "positions": [{"symbol": "KO", "quantity": 5}], "cash": 1.0}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, port_range: list[int]) -> Iterator[ProcessWorld]:
    """An engine of this repository with its bus, and one that is built from a folder of the test's own."""
    scene = ProcessWorld(tmp_path_factory.mktemp("versions"), port_range[8:], None)  # type: ignore[arg-type]
    (scene.folder / "alpha").mkdir()
    (scene.folder / "alpha/Dockerfile").write_text("FROM none\n")
    code(scene, "1")
    common: dict[str, Any] = {"healthcheck": {"interval": "1s"}, "update": {"monitor": "0s"}, "build": "alpha"}
    started = {"command": "python -m engines.base.local", "requirements": str(ROOT / "engines/base/requirements.txt")}
    scene.declare(
        engines={
            "alpha": {**common, "port": scene.ports[0], "process": {"command": "python alpha/server.py"}},
            "analytics": {
                **common,
                "port": scene.ports[1],
                "process": started,
                "environment": {"PYTHONPATH": str(ROOT)},
                "depends_on": ["redis"],
            },
        },
        services={"redis": {"kind": "redis", "image": REDIS}},
    )
    try:
        scene.run("up")
        yield scene
    finally:
        scene.run("down")
        assert not scene.processes()
        assert list(scene.home.iterdir()) == []


def code(scene: ProcessWorld, version: str) -> None:
    """The source of the engine says that it is of this version."""
    (scene.folder / "alpha/server.py").write_text(SERVER.replace("'VERSION', '1'", f"'VERSION', '{version}'"))


def history(scene: ProcessWorld) -> list[dict[str, Any]]:
    """The versions of the engine, the newest first."""
    found: list[dict[str, Any]] = json.loads(scene.run("history", "alpha", "--json").stdout)["versions"]
    return found


def test_the_bus_is_followed_and_published_to(fleet: ProcessWorld) -> None:
    following = fleet.start("bus", "tail", "analytics.**")
    eventually(lambda: fleet.run("bus", "publish", "trading.positions.held", json.dumps(HELD)) and following.lines)
    following.until("analytics.performance.held")
    assert following.end(2) == 130
    eventually(lambda: groups(fleet).get("analytics") == (0, 0))
    assert "no dead letters" in fleet.run("bus").stdout


def groups(scene: ProcessWorld) -> dict[str, tuple[int, int]]:
    """Lag and pending of every reader of positions."""
    found = json.loads(scene.run("bus", "--json").stdout)
    return {
        g["name"]: (g["lag"], g["pending"]) for s in found["streams"] if s["name"] == "trading" for g in s["groups"]
    }


def test_data_from_files_is_served(fleet: ProcessWorld) -> None:
    (fleet.folder / "desk.csv").write_text("symbol,quantity\nKO,100\nPG,50\n")
    said = fleet.run("load", "portfolio", "desk.csv", "-e", "analytics").stdout
    assert "portfolio desk: 2 positions taken by analytics" in said
    (fleet.folder / "prices.csv").write_text("date,symbol,close\n2023-01-03,KO,63\n")
    assert "1 prices taken by analytics" in fleet.run("load", "prices", "prices.csv", "-e", "analytics").stdout


def test_a_version_goes_back_with_its_code_and_loses_no_request(fleet: ProcessWorld) -> None:
    port = fleet.port("alpha")
    assert answering(port) == {"alpha 1"}
    with Load([port]) as load:
        code(fleet, "2")
        fleet.run("up")
        assert answering(port) == {"alpha 2"}
        assert "image changed" in fleet.run("rollback", "alpha").stdout
        assert answering(port) == {"alpha 1"}
        load.proves()
    newest, second, first = history(fleet)
    assert (newest["runs"], second["runs"], newest["fingerprint"]) == (1, 0, first["fingerprint"])
    assert newest["cause"] == "rollback alpha=1: image changed"
    assert "image changed" in fleet.run("up", "--dry-run").stdout, "the folder holds the newer code"
    fleet.run("up")
    assert answering(port) == {"alpha 2"}


def test_a_version_whose_code_is_gone_is_refused_and_touches_nothing(fleet: ProcessWorld) -> None:
    code(fleet, "3")
    fleet.run("up")
    before = fleet.specs("alpha")
    for kept in (fleet.home / fleet.name / "versions/code").glob("alpha-*/code.json"):
        kept.unlink()
    said = fleet.run("rollback", "alpha", code=2).stderr
    assert "is not here any more" in said
    assert fleet.specs("alpha") == before
