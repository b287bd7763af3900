"""What `nautilus bench --monolith` shows: both sides beside each other, and what the figures are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nautilus_cli.bench.monolith import CLOSED, FAST_SHARE, SLOW_SHARE, Comparison, Event, Side
from nautilus_cli.units import show_duration
from nautilus_cli.view.bench_words import cell
from nautilus_cli.view.tables import grid

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA = "nautilus.monolith/1"


def view(found: Comparison) -> RenderableType:
    """A row a figure, a column a side."""
    from rich.console import Group
    from rich.text import Text

    table = grid("", *(f"{side.name}>" for side in found.sides), "fleet / monolith>")
    for row in rows(found):
        table.add_row(*row)
    return Group(table, Text("\n".join(["", *words(found)])))


def rows(found: Comparison) -> Iterator[tuple[str, ...]]:
    """Every figure of both sides."""
    fast, slow = found.work.fast, found.work.slow
    told = {
        "fast": f"{fast}/s, closed loop, alone",
        "slow": f"{slow}/s, closed loop, alone",
        "fast_beside": f"{fast}/s while {slow} is loaded too",
        "slow_beside": f"{slow}/s meanwhile",
    }
    for figure, what in told.items():
        ratio = found.ratio(figure)
        yield what, *(f"{getattr(s.peaks, figure):,.0f}" for s in found.sides), f"{ratio:.2f}" if ratio else "-"
    load = f"{fast} at {found.offered.fast:,.0f}/s"
    yield f"{load}: p50 alone", *(cell(s.beside.alone_p50) for s in found.sides), quotient(found, "alone_p50")
    yield f"{load}: p99 alone", *(cell(s.beside.alone_p99) for s in found.sides), quotient(found, "alone_p99")
    beside = f"{load}, {slow} at {found.offered.slow:,.0f}/s"
    yield f"{beside}: p50", *(cell(s.beside.p50) for s in found.sides), quotient(found, "p50")
    yield f"{beside}: p99", *(cell(s.beside.p99) for s in found.sides), quotient(found, "p99")
    yield f"{slow} crashes: errors of {fast}", *(errors(s.crash) for s in found.sides), ""
    yield f"{slow} crashes: until it serves", *(show_duration(s.crash.seconds) for s in found.sides), ""
    for way in ("rolled out", "restarted"):
        yield f"{slow} {way}: errors of {fast}", *(errors(s.releases.get(way)) for s in found.sides), ""
        yield f"{slow} {way}: time", *(took(s.releases.get(way)) for s in found.sides), ""


def quotient(found: Comparison, figure: str) -> str:
    """The fleet's latency over the monolith's."""
    ours, theirs = (getattr(side.beside, figure) for side in found.sides)
    return f"{ours / theirs:.2f}" if ours and theirs else "-"


def errors(event: Event | None) -> str:
    """How many requests failed while something happened."""
    return "-" if event is None else f"{event.errors:,} of {event.requests:,}"


def took(event: Event | None) -> str:
    """How long it took."""
    return "-" if event is None else show_duration(event.seconds)


def words(found: Comparison) -> Iterator[str]:
    """What was done, and what is to be known of it."""
    work = found.work
    yield (
        f"{len(work.engines)} engines as {len(work.engines)} processes, and as one; each side had all {found.cores} "
        f"cores in turn, which the gateway and the load generators use too"
    )
    yield (
        f"closed loops over {CLOSED.connections} connections to each engine; offered load: {FAST_SHARE:.0%} and "
        f"{SLOW_SHARE:.0%} of what the slower side answers alone; {rounds(found.rounds)}; one crash "
        "(SIGKILL) and one release of each kind"
    )
    if not found.healthy:
        yield "DOUBTFUL: the generator saw trouble at the offered load; a quieter machine tells more"


def rounds(count: int) -> str:
    """How often each figure was taken."""
    return "each measured once" if count == 1 else f"medians of {count} rounds in turns"


def data(found: Comparison, environment: Mapping[str, Any]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "schema": SCHEMA,
        "engines": list(found.work.engines),
        "fast": found.work.fast,
        "slow": found.work.slow,
        "offered": asdict(found.offered),
        "rounds": found.rounds,
        "cores": found.cores,
        "healthy": found.healthy,
        "sides": {side.name: side_data(side) for side in found.sides},
        "environment": dict(environment),
    }


def side_data(side: Side) -> dict[str, Any]:
    """One side."""
    return {
        "peaks": asdict(side.peaks),
        "beside": asdict(side.beside),
        "crash": asdict(side.crash),
        "releases": {way: asdict(event) for way, event in side.releases.items()},
    }
