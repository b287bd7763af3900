"""What happens, as it happens: a live table on a terminal, a line for each thing done elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from nautilus_cli.events import Emit, Event, Phase
from nautilus_cli.units import show_duration
from nautilus_cli.view.console import console, note

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

QUIET = {"stop", "remove", "drain"}  # told as one line each, without their beginnings


@contextmanager
def progress() -> Iterator[Emit]:
    """An `Emit` that shows events while the block runs."""
    out = console(stderr=True)
    if not out.is_terminal:
        yield line
        return
    with Board(out) as board:
        yield board.tell


def line(event: Event) -> None:
    """One event as a line of text; beginnings are left out, what ends says how long it took."""
    if event.phase in (Phase.STARTED, Phase.PROGRESS):
        return
    note(text_of(event))


def text_of(event: Event) -> str:
    """`analytics/2       route     0.84s  healthy after 0.8s`."""
    took = show_duration(event.seconds) if event.seconds else ""
    verdict = {Phase.FAILED: "FAILED ", Phase.WARNING: "warning: "}.get(event.phase, "")
    return f"{event.subject:<16} {event.verb:<9} {took:>6}  {verdict}{event.text}".rstrip()


@dataclass
class Row:
    """What one subject does now."""

    event: Event
    since: float


class Board:
    """A live table with a row for each engine, replica and image at work; finished work scrolls above it."""

    def __init__(self, out: Console) -> None:
        from rich.live import Live

        self._rows: dict[str, Row] = {}
        self._lock = threading.Lock()
        self._out = out
        self._live = Live(console=out, get_renderable=self._render, refresh_per_second=12, transient=True)

    def __enter__(self) -> Board:
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def tell(self, event: Event) -> None:
        """Take one event into the table."""
        with self._lock:
            if event.phase is Phase.STARTED:
                self._rows[event.subject] = Row(event, monotonic())
            elif event.phase is Phase.PROGRESS and event.subject in self._rows:
                self._rows[event.subject].event = event
            else:
                self._rows.pop(event.subject, None)
                style = {Phase.FAILED: "red", Phase.WARNING: "yellow"}.get(event.phase, "")
                self._out.print(text_of(event), style=style, markup=False)

    def _render(self) -> RenderableType:
        from rich.spinner import Spinner
        from rich.table import Table

        table = Table.grid(padding=(0, 1))
        with self._lock:
            rows = sorted(self._rows.items())
        for subject, row in rows[: max(1, self._out.height - 2)]:
            took = show_duration(round(monotonic() - row.since, 1))
            table.add_row(Spinner("dots"), subject, row.event.verb, took, row.event.text[:60])
        return table
