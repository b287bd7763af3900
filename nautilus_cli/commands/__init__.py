"""One file a command: each opens a context, calls the core and shows the result.

A command line needs one of them: the others are not even imported, which halves what it takes to begin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.main import get_command


class Commands(Mapping[str, Any]):
    """Commands by name, each imported and built when it is asked for.

    `nautilus_cli.commands.NAME` holds it: an `app` of Typer's, or a function of the same name.
    """

    def __init__(self, *names: str) -> None:
        self._names = names

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        module = import_module(f"{__name__}.{name}")
        app = getattr(module, "app", None)
        if app is None:
            app = typer.Typer(add_completion=False, rich_markup_mode=None)
            app.command(name)(getattr(module, name))
        return get_command(app)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
