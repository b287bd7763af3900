"""What `nautilus bench --capacity` shows: what each count holds and uses, and how many replicas a load needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nautilus_cli.bench import objective
from nautilus_cli.bench.capacity import Answer, Limits, Point, Verdict
from nautilus_cli.bench.export import slo_data
from nautilus_cli.fleet import Slo
from nautilus_cli.units import about_size, show_cpus, show_latency
from nautilus_cli.view.tables import grid

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA = "nautilus.capacity/1"


def view(found: Answer, name: str, slo: Slo, limits: Limits) -> RenderableType:
    """The table of the measured counts, and the answer in words."""
    from rich.console import Group
    from rich.text import Text

    table = grid("replicas>", "hold/s>", "at/s>", "cpus>", "memory>", "busy cores>", "above it")
    for point in found.points:
        table.add_row(*row(point, limits))
    words = Text("\n".join(["", *answer_text(found, name, slo, limits)]))
    return Group(table, words) if found.points else words


def row(point: Point, limits: Limits) -> tuple[str, ...]:
    """One measured count."""
    if not point.knee:
        return str(point.replicas), "none", "-", "-", "-", "-", point.why
    used = f"{point.cpus:.2f}", about_size(point.memory), f"{point.busy:.1f} of {limits.cores}"
    return str(point.replicas), f"{point.knee:,.0f}", f"{point.rate:,.0f}", *used, point.why


def answer_text(found: Answer, name: str, slo: Slo, limits: Limits) -> Iterator[str]:
    """How many replicas the load needs, and what follows from it."""
    promised = ", ".join(f"{key} <= {show_latency(bound)}" for key, bound in objective.bounds(slo))
    load = f"{found.load:,.0f} requests/s within {promised}"
    if found.verdict is Verdict.HELD and found.point:
        yield f"{name}: {replicas(found.replicas)} hold{'s' if found.replicas == 1 else ''} {load}"
        less = f"; {found.why}" if found.why else ""
        yield f"headroom: {found.headroom:.0%}, the edge is at {found.point.knee:,.0f}/s{less}"
        yield cost(found.point, limits)
        yield f"to hold it while one is lost or exchanged: {replicas(found.point.replicas + 1)}"
    elif found.verdict is Verdict.ESTIMATED and found.low:
        end = f" to {found.high}" if found.high and found.high > found.low else " or more" if not found.high else ""
        yield f"{name}: {load} needs an estimated {found.low}{end} replicas; not measured: {found.why}"
        most = found.high or found.low
        yield f"to know: engines.{name}.replicas.max: {most} in the file, `nautilus up`, and measure again"
    elif found.verdict is Verdict.REFUSED:
        yield f"{name}: this host cannot hold {load}: {found.why}"
    else:
        yield f"{name}: not known what {load} needs: {found.why}"
    if found.law and len(found.points) > 1:
        yield law_text(found)


def law_text(found: Answer) -> str:
    """How throughput grows."""
    assert found.law
    counts = len(found.points)
    unknown = "" if counts > 2 else "; coherency is not known from two counts"
    return (
        f"scaling law of {counts} counts: one replica {found.law.rate:,.0f}/s, contention "
        f"{found.law.contention:.1%}, coherency {found.law.coherency:.2%}{unknown}"
    )


def cost(point: Point, limits: Limits) -> str:
    """What the replicas use at the load, beside what the file allows them."""
    cpus = "" if limits.cpus is None else f" of the {show_cpus(limits.cpus * point.replicas)} allowed"
    memory = "" if limits.each is None else f" of {about_size(limits.each * point.replicas)}"
    used = f"{point.cpus:.2f} CPUs{cpus}, {about_size(point.memory)} memory{memory}"
    return f"cost at {point.rate:,.0f}/s: {used}; {point.busy:.1f} of {limits.cores} cores busy, generator included"


def replicas(count: int | None) -> str:
    """`1 replica`, `2 replicas`."""
    return f"{count} replica{'' if count == 1 else 's'}"


def data(found: Answer, name: str, slo: Slo, limits: Limits, environment: Mapping[str, Any]) -> dict[str, Any]:
    """The same for programs: docs/capacity.schema.json."""
    return {
        "schema": SCHEMA,
        "engine": name,
        "load": found.load,
        "objective": slo_data(slo),
        "verdict": found.verdict.value,
        "why": found.why,
        "replicas": found.replicas,
        "headroom": found.headroom,
        "estimate": None if found.low is None else {"low": found.low, "high": found.high},
        "law": asdict(found.law) if found.law else None,
        "points": [asdict(point) for point in found.points],
        "limits": asdict(limits),
        "environment": dict(environment),
    }
