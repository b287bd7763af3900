"""Where text goes: results to standard output, progress and errors to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, Any

from nautilus_cli.errors import NautilusError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

WIDTH = 100  # of tables where no terminal says otherwise


def console(stderr: bool = False) -> Console:
    """A console that is plain where its stream is no terminal or NO_COLOR is set."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, soft_wrap=False, width=None if stream.isatty() else WIDTH)


def say(text: str) -> None:
    """A result in words."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Something to know that is no result."""
    sys.stderr.write(text + "\n")


def expect() -> None:
    """A table will be shown: what draws it is loaded beside what is waited for until then."""
    Thread(target=_load).start()


def _load() -> None:
    for module in ("rich.console", "rich.table", "rich.box"):
        import_module(module)


def show(what: RenderableType) -> None:
    """A table or another rich object."""
    console().print(what)


def redraw(frame: Callable[[], RenderableType], pause: float) -> None:
    """Draw a frame in place again and again, without flicker, until Ctrl-C."""
    from rich.live import Live

    try:
        with Live(frame(), console=console(), auto_refresh=False) as live:
            while True:
                sleep(pause)
                live.update(frame(), refresh=True)
    except KeyboardInterrupt:
        return


def show_json(data: Any) -> None:
    """Plain data for programs."""
    sys.stdout.write(json.dumps(data, indent=2) + "\n")


def warn(text: str) -> None:
    """A warning; the command goes on."""
    note(f"warning: {text}")


def fail(error: NautilusError) -> None:
    """What went wrong, and what to do."""
    note(f"error: {error.message}")
    if error.hint:
        note(f"hint: {error.hint}")
