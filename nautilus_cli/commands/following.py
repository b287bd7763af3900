"""What the commands share that show what comes: since when, and a quiet end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import typer

from nautilus_cli.errors import INTERRUPTED, ConfigError
from nautilus_cli.units import parse_duration

PIPE = 141  # what a shell shows of a program that a closed pipe ended


@contextmanager
def quiet_end() -> Iterator[None]:
    """Ctrl-C, and a reader that has seen enough, are the usual ends: nothing is half done."""
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains when it flushes at its end
        raise typer.Exit(PIPE) from None


def moment(text: str | None, now: float) -> float | None:
    """Seconds since the epoch of `10m` (ago), `2026-11-22T15:04`, with a zone or of this machine's, or `1700000000`."""
    if text is None:
        return None
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        return float(text) if text.replace(".", "", 1).isdecimal() else datetime.fromisoformat(text).timestamp()
    except ValueError:
        hint = "write 10m, 2026-11-22T15:04:05, or seconds since 1970"
        raise ConfigError(f"--since: {text!r} is neither a duration nor a time", hint) from None
