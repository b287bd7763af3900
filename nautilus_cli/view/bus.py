"""The message bus as a table, as lines, and as data for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from nautilus_cli.bus.contract import DEAD_LETTERS, Group, Message, Overview
from nautilus_cli.view.tables import grid

if TYPE_CHECKING:
    from rich.console import Group as Renderables

SCHEMA = "nautilus.bus/1"


def overview_view(overview: Overview) -> Renderables:
    """A row for each group of each stream, and what was given up."""
    from rich.console import Group as Renderables

    table = grid("stream", "messages>", "group", "consumers>", "lag>", "pending>")
    for stream in overview.streams:
        for number, group in enumerate(stream.groups or (None,)):
            head = (stream.name, str(stream.length)) if number == 0 else ("", "")
            table.add_row(*head, *group_cells(group))
    return Renderables(table, summary(overview))


def group_cells(group: Group | None) -> tuple[str, ...]:
    """The cells of one group; a stream without one has no reader."""
    if group is None:
        return ("-", "-", "-", "-")
    return (group.name, str(group.consumers), "?" if group.lag is None else str(group.lag), str(group.pending))


def summary(overview: Overview) -> str:
    """How many messages were given up."""
    if not overview.streams:
        return "nothing was published yet"
    count = overview.dead_letters
    return f"{count} dead letters, in {DEAD_LETTERS}" if count else "no dead letters"


def overview_data(overview: Overview) -> dict[str, Any]:
    """The same for programs."""
    return {"schema": SCHEMA, **asdict(overview)}


def message_line(message: Message, as_json: bool) -> str:
    """One message on one line."""
    at = datetime.fromtimestamp(int(message.entry.split("-")[0]) / 1000).astimezone()
    if as_json:
        return json.dumps({"schema": SCHEMA, "at": at.isoformat(timespec="milliseconds"), **asdict(message)})
    payload = json.dumps(message.payload, ensure_ascii=False)
    return f"{at:%H:%M:%S.%f}"[:-3] + f" {message.topic} {payload}"
