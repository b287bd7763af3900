"""`nautilus init`: what it writes is a fleet that runs, and what is there is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nautilus_cli.commands.init import named
from nautilus_cli.loader import load
from tests.scenarios.load import bodies, eventually
from tests.scenarios.world import BASE, World

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def nautilus(tmp_path: Path) -> Run:
    """The command line in a folder of its own."""
    environ = {**os.environ, "NO_COLOR": "1", "NAUTILUS_STATE_HOME": str(tmp_path / "state")}
    folder = tmp_path / "My Desk_1"
    folder.mkdir()

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "nautilus_cli", *words]
        return subprocess.run(command, cwd=folder, env={**environ, **more}, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(
    ("folder", "name"), [("My Desk_1", "my-desk-1"), ("--", "fleet"), ("a" * 60, "a" * 40), ("x" * 39 + "-y", "x" * 39)]
)
def test_every_folder_gives_a_name(folder: str, name: str) -> None:
    assert named(folder) == name


def test_what_it_writes_is_a_fleet_without_warnings(nautilus: Run, tmp_path: Path) -> None:
    said = nautilus("init", "--port", "9000").stdout
    assert said.splitlines()[-1] == "next: nautilus up, then curl http://127.0.0.1:9000/"
    loaded = load([tmp_path / "My Desk_1" / "engines.yaml"], {}, None)
    assert (loaded.fleet.name, loaded.fleet.engines["hello"].port, loaded.warnings) == ("my-desk-1", 9000, ())


def test_what_is_there_is_left_alone(nautilus: Run, tmp_path: Path) -> None:
    file = tmp_path / "My Desk_1" / "engines.yaml"
    file.write_text("name: mine\n")
    refused = nautilus("init")
    assert refused.returncode == 2
    assert "engines.yaml is here already" in refused.stderr
    assert [path.name for path in file.parent.iterdir()] == ["engines.yaml"]
    assert file.read_text() == "name: mine\n"


def test_it_runs_without_docker(nautilus: Run, port_range: list[int]) -> None:
    hidden = {"DOCKER_HOST": "tcp://127.0.0.1:1"}
    nautilus("init", "--port", str(port_range[3]))
    try:
        up = nautilus("-p", f"ni{os.getpid()}", "up", **hidden)
        assert up.returncode == 0, up.stderr
        assert len(eventually(lambda: bodies(port_range[3]))) == 2
    finally:
        assert nautilus("-p", f"ni{os.getpid()}", "down", **hidden).returncode == 0


@pytest.mark.docker
def test_it_runs_on_docker(nautilus: Run, world: World) -> None:
    nautilus("init", "--port", str(world.ports[0]))
    up = nautilus("-p", world.name, "up", NAUTILUS_BASE_IMAGE=BASE)
    assert up.returncode == 0, up.stderr
    assert len(eventually(lambda: bodies(world.ports[0]))) == 2
    assert nautilus("-p", world.name, "down", NAUTILUS_BASE_IMAGE=BASE).returncode == 0
