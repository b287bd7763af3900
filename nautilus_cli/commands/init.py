"""`nautilus init`: a first fleet in this folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from nautilus_cli.errors import ConfigError
from nautilus_cli.view.console import say

TEMPLATES = Path(__file__).parents[1] / "templates"
FILES = {"engines.yaml": "engines.yaml", "hello/Dockerfile": "Dockerfile", "hello/server.py": "server.py.txt"}


def init(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port of the first engine.")] = 8000,
) -> None:
    """Write a commented engines.yaml and a first engine into this folder; what is there already is left alone.

    `nautilus up` then runs it, with Docker or without.

    \b
    Examples:
      nautilus init
      nautilus init --port 9000
    """
    folder = Path.cwd()
    if present := [path for path in FILES if (folder / path).exists()]:
        hint = "run it in an empty folder, or move what is there; nothing was written"
        raise ConfigError(f"{folder}: {', '.join(present)} is here already", hint)
    for path, template in FILES.items():
        text = (TEMPLATES / template).read_text()
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text.replace("@NAME@", named(folder.name)).replace("@PORT@", str(port)))
        say(f"wrote {path}")
    say(f"next: nautilus up, then curl http://127.0.0.1:{port}/")


def named(folder: str) -> str:
    """A name for the fleet of a folder."""
    return re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")[:40].rstrip("-") or "fleet"
