"""What no engine may do."""

import ast
import tomllib
from pathlib import Path

import pytest

from tests.engines.conftest import ROOT

FILES = sorted((ROOT / "engines").rglob("*.py"))
MODELS = sorted((ROOT / "engines").glob("*/model.py"))


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_there_are_engines_to_look_at() -> None:
    assert {path.parent.name for path in MODELS} >= {"analytics", "risk", "factor"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_invented(path: Path) -> None:
    text = path.read_text()
    assert "random" not in text
    assert "sleep(" not in text.replace("asyncio.sleep(0)", "")  # which lets others have their turn


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_engines_know_the_base_and_themselves(path: Path) -> None:
    own = ("engines.base", f"engines.{path.relative_to(ROOT / 'engines').parts[0]}")
    strangers = {name for name in imports(path) if name.split(".")[0] in ("engines", "nautilus_cli")}
    assert {name for name in strangers if not name.startswith(own)} == set()


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.parent.name)
def test_models_are_numpy_and_the_standard_library_alone(path: Path) -> None:
    allowed = {"numpy", "math", "statistics", "functools", "dataclasses", "collections", "typing"}
    assert {name.split(".")[0] for name in imports(path)} <= allowed


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.parent.name)
def test_every_public_function_of_a_model_is_described(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") and node.name != "of":
            assert ast.get_docstring(node), node.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_the_development_extra_names_what_the_images_install() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras["engines"] == requirements("requirements.txt")
    assert [line.partition(";")[0] for line in extras["numba"]] == requirements("numba-requirements.txt")


def requirements(name: str) -> list[str]:
    lines = (ROOT / "engines/base" / name).read_text().splitlines()
    return sorted(line for line in lines if line and not line.startswith("#"))
