"""Logs and happenings as lines: who, coloured per engine on a terminal, and what."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import IO

from nautilus_cli.runtimes.base import Happening, Line

SCHEMA = "nautilus.event/1"
COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)  # of ANSI; red is left to errors
GREY = 90


class Lines:
    """Writes the lines of engines, each with who wrote it in front; at once if asked."""

    def __init__(self, engines: Collection[str], stamps: bool = False, prompt: bool = False) -> None:
        self._out = sys.stdout
        if isinstance(self._out, io.TextIOWrapper):
            self._out.reconfigure(errors="backslashreplace")  # what this terminal cannot show must not end it
        self._colours = palette(engines) if coloured(self._out) else {}
        self._width = max((len(name) + 2 for name in engines), default=0) if self._out.isatty() else 0
        self._stamps, self._prompt = stamps, prompt

    def show(self, line: Line) -> None:
        """One line of a log."""
        self._write(line.subject, f"{line.stamp} {line.text}" if self._stamps else line.text)

    def tell(self, happening: Happening) -> None:
        """One happening, at the time of day here."""
        at = datetime.fromtimestamp(happening.at).astimezone()
        self._write(happening.subject, happening.text, f"{at:%Y-%m-%d %H:%M:%S} ")

    def data(self, happening: Happening) -> None:
        """One happening as a line of JSON."""
        self._out.write(json.dumps(event_data(happening)) + "\n")
        self._flush()

    def _write(self, subject: str, text: str, before: str = "") -> None:
        prefix = f"{subject:<{self._width}} | "
        if self._colours:
            prefix = f"\x1b[{self._colours.get(subject.partition('/')[0], GREY)}m{prefix}\x1b[0m"
        self._out.write(f"{before}{prefix}{text}\n")
        self._flush()

    def _flush(self) -> None:
        if self._prompt:
            self._out.flush()


def palette(engines: Collection[str]) -> dict[str, int]:
    """A colour for each engine, the same in every run."""
    return {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(sorted(engines))}


def coloured(out: IO[str]) -> bool:
    """Whether colours are wanted here: https://no-color.org."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def event_data(happening: Happening) -> dict[str, object]:
    """A happening for programs."""
    engine, _, slot = happening.subject.partition("/")
    at = datetime.fromtimestamp(happening.at).astimezone()
    where = {"engine": engine if engine != "fleet" else None, "slot": int(slot) if slot else None}
    return {"schema": SCHEMA, **asdict(happening), "at": at.isoformat(timespec="milliseconds"), **where}
