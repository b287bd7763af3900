"""Who may import whom, from the real imports of the package."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "nautilus_cli"

# The level of each module or folder: imports point to a lower level, or stay in their folder.
LEVELS = {
    "errors": -2, "units": -2, "events": -2, "fault": -2, "probe": -2,
    "values": 0,
    "fleet": 1,
    "snapshot": 2, "plan": 2, "loader": 2,
    "rollout": 3, "reconcile": 4, "health": 3, "history": 3,
    "gateways": 4, "repair": 5,
    "runtimes": 5,
    "scaffold": 5,
    "apply": 6,
    "bench": 6,
    "bus": 6,
    "data": 6,
    "view": 7,
    "complete": 7,
    "commands": 8,
    "main": 9, "__main__": 10,
}  # fmt: skip
PURE = {
    "fleet", "snapshot", "history", "repair", "plan", "reconcile", "rollout", "units", "events",
    "bench/address", "bench/campaign", "bench/capacity", "bench/cautions", "bench/compare", "bench/drills",
    "bench/histogram", "bench/interval", "bench/latency", "bench/objective", "bench/proof", "bench/recording",
    "bench/report", "bench/rounds", "bench/scaling", "bench/search", "bench/subjects", "bench/sweep", "bench/timeline",
    "bench/wish",
}  # fmt: skip
IMPURE_IMPORTS = {"time", "datetime", "os", "random", "socket", "subprocess", "pathlib", "logging", "threading"}
HOMES = {
    "docker": {"runtimes", "gateways"},
    "requests": {"runtimes", "gateways"},
    "rich": {"view"},
    "typer": {"commands", "main", "complete"},
    "yaml": {"loader", "complete"},
    "pydantic": {"fleet", "values", "loader"},
    "packaging": {"runtimes"},
    "numpy": {"bench"},
    "jinja2": {"view"},
    "markupsafe": {"view"},
    "pyarrow": {"data"},
    "fastapi": set(),
    "engines": set(),
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def home(path: Path) -> str:
    """The module or the folder that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            if node.module == "nautilus_cli":
                yield from (f"nautilus_cli.{alias.name}" for alias in node.names)


def test_every_module_has_a_level() -> None:
    assert {home(path) for path in MODULES} == set(LEVELS)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    own = home(path)
    used = {name.split(".")[1] for name in imports(path) if name.startswith("nautilus_cli.")}
    assert not {name for name in used - {own, "__version__"} if LEVELS[name] >= LEVELS[own]}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_third_parties_stay_at_home(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)}
    assert not {name for name in used & set(HOMES) if home(path) not in HOMES[name]}


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_modules_know_no_clock_and_no_world(name: str) -> None:
    path = PACKAGE / f"{name}.py"
    assert not {used.split(".")[0] for used in imports(path)} & IMPURE_IMPORTS
    calls = {
        n.func.id
        for n in ast.walk(ast.parse(path.read_text()))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }
    assert not calls & {"open", "print", "input"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_view_prints(path: Path) -> None:
    calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    printing = [n for n in calls if isinstance(n.func, ast.Name) and n.func.id == "print"]
    assert home(path) == "view" or not printing


def test_engines_and_the_cli_share_no_code() -> None:
    engines = PACKAGE.parent / "engines"
    assert not [p for p in engines.rglob("*.py") if any(name.startswith("nautilus_cli") for name in imports(p))]


@pytest.mark.parametrize(
    "words", [["--help"], ["up", "--help"], ["bench", "--help"], ["bench", "compare", "--help"], ["--version"]]
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from nautilus_cli.main import app\n"
        "try: app(sys.argv[1:])\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    loaded = set(run.stderr.split())
    assert "typer" in loaded
    assert not loaded & {"docker", "numpy", "httpx", "jinja2", "pyarrow", "rich.console", "rich.table", "requests"}


def test_the_fingerprint_knows_nothing_of_the_tool() -> None:
    used = {name for name in imports(PACKAGE / "fleet.py") if name.startswith("nautilus_cli")}
    assert used <= {"nautilus_cli.units", "nautilus_cli.values"}


def test_every_module_says_what_it_is() -> None:
    assert not [path for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))]
