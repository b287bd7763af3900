"""`nautilus new engine`: what it writes passes its own test and runs, and what is there stays as it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from nautilus_cli import scaffold
from nautilus_cli.errors import ConfigError
from nautilus_cli.loader import load
from nautilus_cli.loader.insert import with_engine
from tests.engines import conftest as of_engines
from tests.scenarios.load import bodies, eventually
from tests.scenarios.world import BASE, REDIS, World

ROOT = Path(__file__).parents[1]
HIDDEN = {"DOCKER_HOST": "tcp://127.0.0.1:1"}
prices_path, skfolio_package = of_engines.prices_path, of_engines.skfolio_package
IMAGES = {"NAUTILUS_BASE_IMAGE": BASE, "NAUTILUS_REDIS_IMAGE": REDIS}


def nautilus(folder: Path, *words: str, code: int = 0, **environ: Any) -> subprocess.CompletedProcess[str]:
    """The command line in a folder."""
    own = {**os.environ, "NO_COLOR": "1", "NAUTILUS_STATE_HOME": str(folder / "state"), **environ}
    command = [sys.executable, "-m", "nautilus_cli", *words]
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What of this repository its engines need, in a folder of the test's own."""
    for name in ("engines", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("engines.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A folder that `nautilus init` wrote."""
    nautilus(tmp_path, "init")
    return tmp_path


def everything(folder: Path) -> dict[str, bytes]:
    """Every file and what is in it."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


@contextmanager
def running(folder: Path, name: str, *words: str, **environ: Any) -> Iterator[None]:
    """The fleet of a folder."""
    try:
        nautilus(folder, "-p", name, "up", *words, **environ)
        yield
    finally:
        nautilus(folder, "-p", name, "down", "--volumes", **environ)


def document(port: int, path: str) -> dict[str, Any]:
    """What an engine answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def kept(text: str, more: str) -> bool:
    """Whether every line still stands there, in its order."""
    rest = iter(more.splitlines())
    return all(line in rest for line in text.splitlines())


@pytest.mark.parametrize("name", ["zeta", "alpha-beta"])
def test_an_engine_on_the_base_passes_its_test_and_the_linter(repository: Path, name: str, prices_path: Path) -> None:
    before, text = everything(repository), (repository / "engines.yaml").read_text()
    said = nautilus(repository, "new", "engine", name).stdout
    package = name.replace("-", "_")
    new = sorted(set(everything(repository)) - set(before) - {f"engines/{package}"})
    assert [f"wrote {path}" for path in new] == sorted(line for line in said.splitlines() if line.startswith("wrote"))
    assert kept(text, (repository / "engines.yaml").read_text())
    own = {**os.environ, "NAUTILUS_PRICES": str(prices_path)}
    tests = [path for path in new if path.startswith("tests/")]
    rules = "tests/engines/test_engines_rules.py"
    for command in (["pytest", "-q", *tests, rules], ["ruff", "check", *new], ["ruff", "format", "--check", *new]):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=repository, env=own, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_bus_the_port_and_the_measured_request_are_those_of_the_fleet(repository: Path) -> None:
    nautilus(repository, "new", "engine", "alpha-beta")
    made = load([repository / "engines.yaml"], {}).fleet.engines["alpha-beta"]
    assert (made.port % 100, made.depends_on) == (0, ("redis",))
    assert made.port > 8300
    assert made.bench
    assert made.bench.path == "/alpha-beta/volatility/AAPL"
    assert made.build
    assert made.build.inputs == ("base", "alpha_beta")


def test_it_runs_as_a_process(repository: Path, port_range: list[int]) -> None:
    nautilus(repository, "new", "engine", "alpha-beta", "--port", str(port_range[4]))
    with running(only(repository, "alpha-beta"), f"ns{os.getpid()}", "alpha-beta", **HIDDEN):
        assert document(port_range[4], "/alpha-beta/volatility/AAPL")["days"] == 252


@pytest.mark.docker
def test_it_runs_on_docker(repository: Path, world: World) -> None:
    nautilus(repository, "new", "engine", "alpha-beta", "--port", str(world.ports[0]))
    with running(only(repository, "alpha-beta"), world.name, "alpha-beta", **IMAGES):
        assert document(world.ports[0], "/alpha-beta/volatility/AAPL")["days"] == 252


def only(folder: Path, name: str) -> Path:
    """The folder with a file that declares this engine alone: the other ports may be in use on this machine."""
    file = folder / "engines.yaml"
    whole = yaml.safe_load(file.read_text())
    whole["engines"] = {name: whole["engines"][name]}
    whole.pop("gateway")
    file.write_text(yaml.safe_dump(whole))
    return folder


def test_beside_a_first_engine_it_is_a_server_of_its_own(first: Path, port_range: list[int]) -> None:
    said = nautilus(first, "new", "engine", "order-book", "--port", str(port_range[5])).stdout
    assert "python -m unittest tests/test_order_book.py" in said
    tested = [sys.executable, "-m", "unittest", "tests/test_order_book.py"]
    done = subprocess.run(tested, cwd=first, capture_output=True, text=True, check=False)
    assert "Ran 1 test" in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
    with running(first, f"nq{os.getpid()}", "order-book", **HIDDEN):
        assert len(eventually(lambda: bodies(port_range[5]))) == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [("hello", "in the file already"), ("Hello", "is not a name"), ("-", "is not a name"), ("tests", "here already")],
)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_changed(first: Path, name: str, said: str) -> None:
    (first / "tests").mkdir()
    (first / "tests/test_tests.py").touch()
    before = everything(first)
    assert said in nautilus(first, "new", "engine", "--", name, code=2).stderr
    assert everything(first) == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("base", "no Python package"),
        ("class", "no Python package"),
        ("3d", "no Python package"),
        ("risk", "in the file"),
    ],
)
def test_a_name_that_no_package_can_have_is_refused(repository: Path, name: str, said: str) -> None:
    before = everything(repository)
    assert said in nautilus(repository, "new", "engine", name, code=2).stderr
    assert everything(repository) == before


def test_a_port_that_is_taken_leaves_nothing_behind(first: Path) -> None:
    before = everything(first)
    assert "8000" in nautilus(first, "new", "engine", "second", "--port", "8000", code=2).stderr
    assert everything(first) == before


ENTRY = "new:\n  port: 2\n"
BLOCKS = [
    "engines:\n  a:\n    port: 1\n",
    "engines:\n  a:\n    port: 1",
    "engines:\n    a: {port: 1}\n\n# the rest\nservices: {}\n",
    "x-1: &x {port: 1}\nengines:\n  a:\n    <<: *x\n    labels:\n    - a\n    - b # end\n  # more to come\n\nname: x\n",
    "engines:\n  a:\n    port: 1\n    text: |\n      one\n      # two\nname: x\n",
    "engines:\n  a:\n    port: 1\n    text: >-\n      one\n\n\n# end\n",
    "engines:\n  a:\n    image:\n    port:\nname: x\n",
    "engines:\n  a: {\n    port: 1\n  }\n  b:\n",
]


@pytest.mark.parametrize("text", BLOCKS)
def test_an_entry_is_added_and_every_line_stays(text: str) -> None:
    before, more = yaml.safe_load(text), with_engine(text, ENTRY)
    assert yaml.safe_load(more) == {**before, "engines": {**before["engines"], "new": {"port": 2}}}
    assert kept(text, more)


@pytest.mark.parametrize("text", ["engines: {a: {port: 1}}\n", "name: x\n", "engines:\n", "- a\n", ""])
def test_engines_that_are_no_block_are_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ConfigError, match="not a block") as refused:
        with_engine(text, ENTRY)
    assert ENTRY in refused.value.hint


def test_a_port_is_the_next_in_the_steps_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = load([ROOT / "engines.yaml"], {}).fleet
    held = {8400}
    monkeypatch.setattr(scaffold, "bound", lambda host, port: port in held)
    highest = max(engine.port for engine in fleet.engines.values())
    assert scaffold.free_port(fleet) == max(highest, 8400) + 100
    odd = {"risk": fleet.engines["risk"].model_copy(update={"port": 8098})}
    assert scaffold.free_port(fleet.model_copy(update={"engines": odd})) == 8100  # 8099 is that of the metrics
