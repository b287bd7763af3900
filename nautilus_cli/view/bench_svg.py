"""The pictures of a bench report: latency by percentile, over time, the share of each replica, a sweep, a search."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

from nautilus_cli.bench import objective
from nautilus_cli.bench.campaign import Found, Run
from nautilus_cli.bench.latency import BEYOND, PERCENTILES, Latency
from nautilus_cli.bench.report import Report, Share
from nautilus_cli.bench.sweep import Level
from nautilus_cli.fleet import Slo
from nautilus_cli.units import show_latency
from nautilus_cli.view.svg import Panel, Scale, Tick, around, legend, picture, rectangle, rule, text

LEFT, RIGHT = 54.0, 464.0  # of every plot
CSS = {"response": "first", "service": "second", "wire": "third"}


def seconds_of(scale: Scale) -> list[Tick]:
    """The figures of an axis of latencies."""
    return [(value, show_latency(value)) for value in scale.ticks()]


def rates_of(scale: Scale) -> list[Tick]:
    """The figures of an axis of rates."""
    return [(value, f"{value:,.0f}" if scale.high >= 5 else f"{value:,.1f}") for value in scale.ticks()]


def clocks(report: Report) -> dict[str, Latency]:
    """The latencies of a run that say something of their own: in a closed loop response is service."""
    found = {"response": report.response if report.offered else None, "service": report.service, "wire": report.wire}
    return {name: latency for name, latency in found.items() if latency and latency.count}


def nines(share: float) -> float:
    """How far along a percentile lies: 1 for p90, 2 for p99."""
    return -log10(1 - share)


def curve(latency: Latency) -> list[tuple[float, float | None]]:
    """Latency by percentile as far as enough answers lie beyond it."""
    steps = latency.histogram.steps()
    return [
        (nines(step.share), max(step.nanoseconds, 1000) / 1e9)
        for step in steps
        if step.share < 1 and latency.count * (1 - step.share) >= BEYOND
    ]


def percentiles(key: str, report: Report, slo: Slo) -> str:
    """Latency (logarithmic) by percentile: each further nine is as wide as the one before."""
    curves = {name: points for name, latency in clocks(report).items() if (points := curve(latency))}
    if not curves:
        return ""
    last = max(points[-1][0] for points in curves.values())
    promised = [(nines(PERCENTILES[name]), bound, name) for name, bound in objective.bounds(slo)]
    promised = [one for one in promised if one[0] <= last]
    known = [y for points in curves.values() for _, y in points if y is not None]
    panel = Panel(
        Scale(0, max(1.0, last), LEFT, RIGHT), Scale(*around([*known, *(b for _, b, _ in promised)]), 214, 42, log=True)
    )
    named = [(nines(share), name) for name, share in {**PERCENTILES, "p99.99": 0.9999, "p99.999": 0.99999}.items()]
    across = [(0.0, "p0"), *((at, name) for at, name in named if at <= max(1.0, last))]
    parts = [panel.grid(across, seconds_of(panel.y))]
    for name, points in reversed(curves.items()):
        parts.append(panel.line(points, CSS[name]))
    first = next(iter(curves))
    marks = [(nines(PERCENTILES[n]), at, n) for n, at in clocks(report)[first].percentiles.items() if at is not None]
    parts.append(panel.dots([(x, at, f"{first} {n}: {show_latency(at)}") for x, at, n in marks], CSS[first]))
    for x, bound, name in promised:
        at = panel.y(bound)
        parts.append(rule(panel.x(x) - 14, at, panel.x(x) + 14, at, "bound"))
        parts.append(
            text(panel.x(x), at - 6, f"{name} objective", "end" if x > last * 0.8 else "middle", "label bound")
        )
    parts.append(legend([(name, CSS[name]) for name in curves], 14))
    told = ", ".join(f"{n} {show_latency(at)}" for _, at, n in marks) or "too few answers"
    return picture(key, "Latency by percentile", f"{first} latency: {told}", 238, parts)


def over_time(key: str, report: Report) -> str:
    """Answers per second above, latency below, across the time measured."""
    parts = report.slices
    if not parts:
        return ""
    middle = report.seconds / len(parts) / 2
    x = Scale(0, report.seconds, LEFT, RIGHT)
    upper = Panel(x, Scale(0, max(part.rate for part in parts) * 1.1 or 1.0, 104, 30))
    known = [at for part in parts for at in (part.p50, part.p99) if at is not None]
    lower = Panel(x, Scale(*around(known), 214, 130, log=True))
    rates = [(part.at + middle, part.rate) for part in parts]
    across = [(at, f"{at:g} s") for at in x.ticks()]
    drawn = [
        upper.grid([(at, "") for at, _ in across], rates_of(upper.y)),
        upper.area(rates, "first"),
        upper.line(rates, "first"),
        lower.grid(across, seconds_of(lower.y)),
        lower.line([(part.at + middle, part.p99) for part in parts], "fourth"),
        lower.line([(part.at + middle, part.p50) for part in parts], "third"),
        *(
            rectangle(x(part.at), 108, x(2 * middle) - LEFT, 6, "bad", f"{part.errors} errors")
            for part in parts
            if part.errors
        ),
        legend([("answers/s", "first"), ("p50", "third"), ("p99", "fourth")], 14),
    ]
    low, high = min(part.rate for part in parts), max(part.rate for part in parts)
    told = f"{low:,.0f} to {high:,.0f} answers/s over {report.seconds:.1f} s"
    return picture(key, "Over time", told, 238, drawn)


def shares(key: str, replicas: Sequence[Share]) -> str:
    """A bar for each replica; the dashed line is an equal share."""
    ordered = sorted(replicas, key=lambda one: one.replica)
    if not ordered:
        return ""
    most, fair = max(share.share for share in ordered), 1 / len(ordered)
    height, scale = 26, Scale(0, max(most, fair), 150, 410)
    parts = []
    for number, share in enumerate(ordered):
        top = 14 + number * height
        told = f"{share.replica}: {share.answers:,} answers, {share.errors:,} errors"
        parts.append(text(142, top + 13, shortened(share.replica), "end"))
        parts.append(rectangle(150, top, scale(share.share) - 150, 18, "bar", told))
        parts.append(text(scale(max(share.share, fair)) + 6, top + 13, f"{share.share:.1%}"))
    bottom = 14 + len(ordered) * height
    parts.append(rule(scale(fair), 6, scale(fair), bottom, "fair"))
    told = ", ".join(f"{share.replica} {share.share:.1%}" for share in ordered)
    return picture(key, "Share of each replica", told, bottom + 6, parts)


def shortened(name: str, most: int = 20) -> str:
    """A name that fits beside a bar; its end tells replicas apart."""
    return name if len(name) <= most else "…" + name[1 - most :]


def sweep(key: str, levels: Sequence[Level]) -> str:
    """Answers per second above, latency below, by connections."""
    if len(levels) < 2:
        return ""
    x = Scale(levels[0].connections, levels[-1].connections, LEFT + 6, RIGHT - 10, log=True)
    upper = Panel(x, Scale(0, max(level.rate for level in levels) * 1.1 or 1.0, 114, 30))
    known = [at for level in levels for name in ("p50", "p99") if (at := level.percentiles[name]) is not None]
    lower = Panel(x, Scale(*around(known), 234, 140, log=True))
    across = [(level.connections, f"{level.connections:,}") for level in levels]
    drawn = [
        upper.grid([(at, "") for at, _ in across], rates_of(upper.y)),
        upper.line([(level.connections, level.rate) for level in levels], "first"),
        upper.dots([(v.connections, v.rate, f"{v.connections:,}: {v.rate:,.0f}/s") for v in levels], "first"),
        lower.grid(across, seconds_of(lower.y)),
    ]
    for name, css in (("p99", "fourth"), ("p50", "third")):
        found = [(level.connections, level.percentiles[name]) for level in levels]
        drawn.append(lower.line(found, css))
        drawn.append(lower.dots([(x, at, f"{name} {show_latency(at)}") for x, at in found if at is not None], css))
    drawn.append(legend([("answers/s", "first"), ("p50", "third"), ("p99", "fourth")], 14))
    drawn.append(text((LEFT + RIGHT) / 2, 268, "connections", "middle"))
    best = max(levels, key=lambda level: level.rate)
    told = f"the most, {best.rate:,.0f} answers/s, with {best.connections:,} connections"
    return picture(key, "Sweep over connections", told, 276, drawn)


def search(key: str, found: Found, runs: Sequence[Run]) -> str:
    """Each rate that was tried: the highest promised percentile against its objective."""
    name, bound = max(objective.bounds(found.slo), key=lambda one: PERCENTILES[one[0]], default=("", 0.0))
    tried = [
        (run.report.offered, at, run)
        for run in runs
        if run.purpose in ("search", "confirm") and run.report.offered and name and (at := run.report.response[name])
    ]
    if not tried:
        return ""
    rates = [rate for rate, _, _ in tried]
    panel = Panel(
        Scale(*around(rates, 1.3), LEFT, RIGHT, log=True),
        Scale(*around([bound, *(at for _, at, _ in tried)]), 214, 30, log=True),
    )
    parts = [panel.grid(rates_of(panel.x), seconds_of(panel.y))]
    at = panel.y(bound)
    parts += [rule(LEFT, at, RIGHT, at, "bound"), text(RIGHT, at - 6, f"{name} objective", "end", "label bound")]
    for word, css, held in (("held", "good", True), ("failed", "bad", False)):
        points = [(rate, at, f"{rate:,.0f}/s: {name} {show_latency(at)}: {run.note}") for rate, at, run in tried
                  if (run.note == "held") is held]  # fmt: skip
        parts.append(panel.dots(points, css))
        parts.append(f'<circle cx="{60 if held else 130}" cy="14" r="4" class="dot {css}"/>')
        parts.append(text(70 if held else 140, 18, word))
    parts.append(text((LEFT + RIGHT) / 2, 248, "requests/s", "middle"))
    return picture(key, f"The search: {name} by rate", f"{len(tried)} runs", 256, parts)
