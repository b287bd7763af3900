"""What the shells offer: names, counts and options, from files in whatever state they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

FILE = {
    "engines": {
        "factor": {"image": "x", "port": 1, "replicas": {"min": 4, "max": 6}},
        "features": {"image": "x", "port": 2, "replicas": 3},
        "risk": None,
    },
    "services": {"redis": {"image": "r"}},
}


def offered(folder: Path, words: str, shell: str = "bash") -> list[str]:
    """What a shell would show after these words; the last one is still being typed."""
    environ = {key: value for key, value in os.environ.items() if key != "NAUTILUS_FILE"}
    environ |= {
        "_NAUTILUS_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    code = "import sys; sys.argv[0] = 'nautilus'; from nautilus_cli.main import run; run()"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
    return run.stdout.split()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "engines.yaml").write_text(yaml.safe_dump(FILE))
    (tmp_path / "other.yaml").write_text("engines: {book: {image: x, port: 3}}")
    (tmp_path / ".nautilus/bench").mkdir(parents=True)
    (tmp_path / ".nautilus/bench/20261122T1-risk.json").touch()
    (tmp_path / "broken.yaml").write_text("engines: [")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("nautilus sc", ["scale"]),
        ("nautilus up f", ["factor", "features"]),
        ("nautilus up ", ["factor", "features", "redis", "risk"]),
        ("nautilus restart ri", ["risk"]),
        ("nautilus build r", ["redis", "risk"]),
        ("nautilus bench r", ["report", "risk"]),
        ("nautilus bench compare 2", ["20261122T1-risk"]),
        ("nautilus bench report ", ["20261122T1-risk"]),
        ("nautilus bench compare f", ["factor", "features"]),
        ("nautilus bench compare --fail", ["--fail-above"]),
        ("nautilus bench --swe", ["--sweep"]),
        ("nautilus scale f", ["factor", "features"]),
        ("nautilus scale r", ["risk"]),
        ("nautilus scale factor ", ["4", "5", "6"]),
        ("nautilus scale features ", ["3"]),
        ("nautilus up --dry", ["--dry-run"]),
        ("nautilus -f other.yaml up ", ["book"]),
        ("nautilus -f engines.yaml -f other.yaml up b", ["book"]),
        ("nautilus -f broken.yaml up ", []),
        ("nautilus -f none.yaml up ", []),
    ],
)
def test_bash(folder: Path, words: str, expected: list[str]) -> None:
    assert offered(folder, words) == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_offer_the_same(folder: Path, shell: str) -> None:
    assert "factor" in " ".join(offered(folder, "nautilus up fac", shell))


def test_it_imports_nothing_that_takes_long(folder: Path) -> None:
    environ = {**os.environ, "_NAUTILUS_COMPLETE": "complete_bash", "COMP_WORDS": "nautilus up f", "COMP_CWORD": "2"}
    code = (
        "import atexit, sys; sys.argv[0] = 'nautilus'\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from nautilus_cli.main import run; run()"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert run.stdout.split() == ["factor", "features"]
    assert not {"docker", "pydantic", "numpy", "httpx", "rich.console", "requests"} & set(run.stderr.split())
