"""Comparison with text files: `--update-golden` writes them, everything else compares."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

FOLDER = Path(__file__).parent / "golden"
WIDTH = 100


def rendered(what: RenderableType) -> str:
    """A table as plain text of a fixed width."""
    out = io.StringIO()
    Console(file=out, width=WIDTH, color_system=None, highlight=False).print(what)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def compare(request: pytest.FixtureRequest, name: str, text: str) -> None:
    """The text is what stands in the golden file."""
    path = FOLDER / f"{name}.txt"
    if request.config.getoption("--update-golden"):
        path.write_text(text)
    assert text == path.read_text()
