"""Where each value of `nautilus config --origin` comes from, and the option that names several files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from nautilus_cli.loader import annotated, load, render
from nautilus_cli.main import app
from tests.golden import compare

BASE = "engines:\n  a:\n    image: nginx\n    port: 80\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a build context in it."""
    (tmp_path / "engines" / "risk").mkdir(parents=True)
    (tmp_path / "engines" / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(*texts: str) -> list[Path]:
    files = [Path("engines.yaml"), Path("production.yaml")][: len(texts)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    return files


def shown(*texts: str, environ: Mapping[str, str] | None = None, name: str | None = None) -> str:
    return annotated(load(write(*texts), environ or {}, name))


ORIGIN_BASE = """
defaults:
  build: {context: engines, args: {BASE: "${BASE_IMAGE:-debian}", CALLER: }}
  healthcheck:
    interval: 5s
  env_file: shared.env
engines:
  risk:
    port: 8200
    replicas: {min: 1, max: 3}
    environment: {TZ: , DB_PASSWORD: "${PASSWORD}", BOTH: "${TAG}-${ZONE:-eu}-${TAG}"}
    volumes: ["data:/data", "more:/more"]
    depends_on: [store]
services:
  store: {kind: redis, image: "redis:${TAG}"}
"""
ORIGIN_OVER = """
defaults:
  healthcheck: {retries: 9, path: "${EMPTY:-/health}"}
engines:
  risk:
    replicas: {max: 6}
    volumes: ["ssd:/data:ro"]
    command: serve $$HOME
"""


def test_origin_tells_of_each_value_where_it_comes_from(folder: Path, request: pytest.FixtureRequest) -> None:
    (folder / ".env").write_text("BASE_IMAGE=trixie\nTAG=8\nEMPTY=\n")
    (folder / "shared.env").write_text("LEVEL=info\nAPI_TOKEN=hush\n")
    environ = {"TZ": "UTC", "PASSWORD": "hush", "TAG": "7"}
    text = shown(ORIGIN_BASE, ORIGIN_OVER, environ=environ, name="demo")
    assert "hush" not in text
    compare(request, "origin", text.replace(str(folder), "/fleet"))


@pytest.mark.parametrize(
    ("name", "environ", "told"),
    [
        (None, {}, "engines.yaml:1"),
        ("arg", {}, "--project-name"),
        (None, {"NAUTILUS_PROJECT_NAME": "env"}, "NAUTILUS_PROJECT_NAME from the environment"),
        ("env", {"NAUTILUS_PROJECT_NAME": "env"}, "NAUTILUS_PROJECT_NAME from the environment"),
    ],
)
def test_origin_of_the_name(name: str | None, environ: dict[str, str], told: str) -> None:
    text = shown("name: demo\n" + BASE, environ=environ, name=name)
    assert text.splitlines()[0].split("  # ")[1] == told


def test_origin_of_the_folders_name_and_of_the_base_image() -> None:
    text = shown(BASE, environ={"NAUTILUS_BASE_IMAGE": "mine"})
    assert re.search(r"^name: \S+  # default$", text, re.MULTILINE)
    assert "  base_image: mine  # default via NAUTILUS_BASE_IMAGE from the environment\n" in text


def test_a_comment_stays_on_its_line_whatever_a_file_is_called() -> None:
    file = Path("a\nport: 1.yaml")
    file.write_text(BASE + "    environment: {LONG: '" + "word " * 60 + '\', LINES: "a\\n\\nb # c"}\n')
    loaded = load([file], {})
    assert yaml.safe_load(annotated(loaded)) == yaml.safe_load(render(loaded.fleet))


def cli(*words: str, **environ: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(words), env=environ)
    return result.exit_code, result.stdout, result.stderr


def test_the_option_is_repeatable_and_so_is_its_variable() -> None:
    write(BASE, "engines: {a: {port: 81}}")
    several = cli("-f", "engines.yaml", "--file", "production.yaml", "config", "--origin")
    assert "    port: 81  # production.yaml:1\n" in several[1]
    assert cli("config", "--origin", NAUTILUS_FILE="engines.yaml:production.yaml") == several
    assert "    port: 80  # engines.yaml:4\n" in cli("config", "--origin")[1]
    assert "# " not in cli("-f", "engines.yaml", "-f", "production.yaml", "config")[1]


@pytest.mark.parametrize("word", ["--json", "--schema"])
def test_json_has_no_comments(word: str) -> None:
    write(BASE)
    code, out, said = cli("config", "--origin", word)
    assert (code, out) == (2, "")
    assert "--origin writes comments" in said
