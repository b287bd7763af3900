"""What `nautilus drill` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nautilus_cli.bench.drills import Effect, Result
from nautilus_cli.units import show_latency
from nautilus_cli.view.tables import grid

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

SCHEMA = "nautilus.drill/1"


def drills_view(results: Sequence[Result], rate: float) -> Group:
    """The table, and every promise that did not hold."""
    from rich.console import Group

    lines = [f"{r.fault} {r.target}: BROKEN: {text}" for r in results for text in r.broken]
    lines += [f"{result.fault}: skipped: {result.skipped}" for result in results if result.skipped]
    how = f"{rate:g} requests/s to each engine, half of them on new connections; lost: no answer, 4xx or 5xx;"
    what = "gap: the longest time without a good answer; well after: from the fault until nothing was lost any more"
    return Group(drills_table(results), *lines, how, what)


def drills_table(results: Sequence[Result]) -> Table:
    """One row for each engine in each drill."""
    table = grid("drill", "broke", "promise", "engine", "sent>", "lost>", "gap>", "well after>", "noticed")
    for result in results:
        verdict = "[red]BROKEN[/]" if result.broken else "held"
        for number, effect in enumerate(result.effects):
            head = ("", "", "") if number else (result.fault.value, result.target, verdict)
            table.add_row(*head, *cells(effect))
    return table


def cells(effect: Effect) -> tuple[str, ...]:
    """What one engine's users saw."""
    took = "never" if effect.recovery is None else show_latency(effect.recovery) if effect.recovery else "-"
    lost = f"[red]{effect.lost:,}[/]" if effect.lost else "0"
    return (effect.engine, f"{effect.sent:,}", lost, show_latency(effect.gap), took, effect.noticed or "no")


def drills_data(results: Sequence[Result], rate: float) -> dict[str, Any]:
    """The same for programs."""
    drills = [{**asdict(result), "held": not result.broken and not result.skipped} for result in results]
    return {"schema": SCHEMA, "rate": rate, "drills": drills}
