"""What `nautilus bench` shows: a line while load is made, tables and charts of what it brought."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nautilus_cli.bench.campaign import Result, Run, Subject
from nautilus_cli.bench.latency import BEYOND, PERCENTILES, Latency
from nautilus_cli.bench.recording import Live, Profile
from nautilus_cli.bench.report import Report
from nautilus_cli.units import about_size, show_latency
from nautilus_cli.view import charts
from nautilus_cli.view.bench_words import UNKNOWN, cell, doubts, explained, found_text, load
from nautilus_cli.view.console import note
from nautilus_cli.view.tables import grid

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nautilus_cli.bench.selftest import Check

SELF_TEST = "nautilus.selftest/1"


class Ticker:
    """Tells each run as a line; on a terminal it shows the one under way too, with as little work as possible.

    The load comes from a process of its own, but on few cores whatever is drawn is taken from it and from the target.
    """

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._head = ""
        self._rates: list[float] = []

    def began(self, subject: Subject, purpose: str, profile: Profile) -> None:
        """A run begins."""
        self._head = f"{subject.name:<12} {purpose:<8} {load(profile):<17}"
        self._rates.clear()
        if self._terminal:
            sys.stderr.write(f"{self._head}\r")
            sys.stderr.flush()

    def live(self, now: Live) -> None:
        """What the run shows of itself."""
        if not self._terminal:
            return
        self._rates.append(now.rate)
        what = "warming up" if now.warming else f"{max(0.0, now.total - now.elapsed):.0f} s left"
        errors = f"  {now.errors:,} errors" if now.errors else ""
        figures = f"{now.rate:,.0f}/s p50 {show_latency(now.p50)} p99 {show_latency(now.p99)}{errors}"
        sys.stderr.write(f"\x1b[2K{self._head} {figures}  {charts.columns(self._rates[-16:])} {what}\r")
        sys.stderr.flush()

    def ended(self, _: Subject, run: Run) -> None:
        """It is over."""
        if self._terminal:
            sys.stderr.write("\x1b[2K")
        note(f"{self._head} {line(run)}".rstrip())


def line(run: Run) -> str:
    """What one run brought, on one line."""
    report = run.report
    if run.purpose == "check":
        return run.note or f"answers in {show_latency(report.service['p50'] or report.service.mean)}"
    told = "  ".join(f"{name} {cell(report.response[name])}" for name in PERCENTILES if report.response[name])
    doubt = "" if report.healthy else f"  ({', '.join(c.code for c in report.cautions if c.distrust)})"
    errors = f"  {report.errors:,} errors" if report.errors else ""
    return f"{report.rate:,.0f}/s  {told}{errors}{doubt}" + (f"  {run.note}" if run.note else "")


def view(results: Sequence[Result]) -> RenderableType:
    """Everything that was measured, for people."""
    from rich.console import Group

    parts: list[RenderableType] = []
    if any(result.levels for result in results):
        parts += [sweep_table(result) for result in results]
    elif any(result.found for result in results):
        parts += [plain(found_text(result)) for result in results]
    elif any(result.peak for result in results) or len(results) > 1:
        parts.append(campaign_table(results))
    if len(results) == 1 and results[0].headline:
        parts.append(run_view(results[0].headline))
    words = [*explained(results), *(text for result in results for text in doubts(result))]
    return Group(*parts, plain("\n".join(words)))


def plain(text: str) -> RenderableType:
    """Text without markup."""
    from rich.text import Text

    return Text(text)


def campaign_table(results: Sequence[Result]) -> RenderableType:
    """One row a subject."""
    table = grid(
        "engine", "ready", "peak/s>", "at/s>", *(f"{name}>" for name in PERCENTILES), "errors>", "shares", "objective"
    )
    for result in results:
        report = result.headline
        table.add_row(
            result.subject.name,
            UNKNOWN if result.subject.ready is None else f"{result.subject.ready}/{result.subject.wanted}",
            f"{result.peak.rate:,.0f}" if result.peak else UNKNOWN,
            f"{report.rate:,.0f}" if report else UNKNOWN,
            *((cell(report.response[name]) for name in PERCENTILES) if report else [UNKNOWN] * len(PERCENTILES)),
            f"{report.errors:,}" if report else UNKNOWN,
            shares(report) if report else UNKNOWN,
            verdict(result),
        )
    return table


def shares(report: Report) -> str:
    """The share of each replica in percent, in the order of their names."""
    found = [f"{100 * share.share:.0f}" for share in sorted(report.replicas, key=lambda share: share.replica)]
    return " ".join(found) + "%" if found else UNKNOWN


def verdict(result: Result) -> str:
    """Whether the objective is met, in its colour."""
    if result.failed:
        return "[red]not measured[/]"
    if result.gone:
        return "[red]target gone[/]"
    if missed := [v.objective for v in result.verdicts if v.met is False]:
        return f"[red]missed: {', '.join(missed)}[/]"
    if unknown := [v.objective for v in result.verdicts if v.met is None]:
        return f"[yellow]unknown: {', '.join(unknown)}[/]"
    return "[green]met[/]" if result.verdicts else UNKNOWN


def run_view(report: Report) -> RenderableType:
    """One run: latencies in three clocks, by percentile, over time and per replica."""
    from rich.console import Group

    parts: list[RenderableType] = [latency_table(report), plain(totals(report))]
    total = report.response.count
    known = [step for step in report.response.histogram.steps() if total * (1 - step.share) >= BEYOND]
    chart = charts.percentile_chart([(step.share, step.nanoseconds / 1e9) for step in known])
    if chart:
        parts.append(plain(f"\nlatency by percentile\n{chart}\n\n{over_time(report)}"))
    if report.replicas:
        parts.append(replica_table(report))
    return Group(*parts)


def latency_table(report: Report) -> RenderableType:
    """One row a clock."""
    table = grid("latency", "from", "mean>", *(f"{name}>" for name in PERCENTILES), "max>")
    clocks: list[tuple[str, str, Latency | None]] = [
        ("response", "due to last byte", report.response if report.offered else None),
        ("service", "sent to last byte", report.service),
        ("wire", "sent until the kernel had the answer", report.wire),
    ]
    for name, what, latency in clocks:
        if latency and latency.count:
            told = (cell(latency[percentile]) for percentile in PERCENTILES)
            table.add_row(name, what, show_latency(latency.mean), *told, show_latency(latency.max))
    return table


def totals(report: Report) -> str:
    """How many requests there were and what became of them."""
    kinds = {**report.statuses, **report.failures}
    told = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items()) or "none"
    asked = f" of {report.offered:,.0f} asked" if report.offered else ""
    done = f"{report.rate:,.1f} answers/s{asked}; {report.requests:,} requests: {told}"
    return f"{done}; {about_size(report.received)} received; {report.connects:,} connections opened"


def over_time(report: Report) -> str:
    """A line for each figure that changes over time."""
    lines = ["over time"]
    rates = [part.rate for part in report.slices]
    rows: list[tuple[str, list[float | None], str]] = [
        ("rate", list(rates), f"{min(rates):,.0f} to {max(rates):,.0f}/s")
    ]
    for name, values in (("p50", [p.p50 for p in report.slices]), ("p99", [p.p99 for p in report.slices])):
        if known := [value for value in values if value is not None]:
            rows.append((name, values, f"{show_latency(min(known))} to {show_latency(max(known))}"))
    return "\n".join([*lines, *(f"{name:>6} {charts.columns(values)}  {told}" for name, values, told in rows)])


def replica_table(report: Report) -> RenderableType:
    """One row a replica, with its share as a bar."""
    table = grid("replica", "share", "answers>", "p50>", "p99>", "errors>")
    most = max(share.share for share in report.replicas)
    for share in sorted(report.replicas, key=lambda one: one.replica):
        bar = f"{charts.bar(share.share / most, 24):<24} {share.share:.1%}"
        latency = share.latency
        told = cell(latency["p50"]), cell(latency["p99"])
        table.add_row(share.replica, bar, f"{share.answers:,}", *told, f"{share.errors:,}")
    return table


def sweep_table(result: Result) -> RenderableType:
    """One row a level: medians of its rounds."""
    table = grid("connections>", "requests/s>", "", *(f"{name}>" for name in PERCENTILES), "errors>", "rounds>")
    most = max((level.rate for level in result.levels), default=0.0)
    for level in result.levels:
        told = (cell(level.percentiles[name]) for name in PERCENTILES)
        bar = charts.bar(level.rate / most, 16) if most else ""
        table.add_row(
            f"{level.connections:,}", f"{level.rate:,.0f}", f"{bar:<16}", *told, f"{level.errors:,}", str(level.runs)
        )
    return table


def check_table(checks: Sequence[Check]) -> RenderableType:
    """What the self-test found."""
    table = grid("", "verdict", "what", "required", "measured", "others' cpu>")
    for one in checks:
        word = "[green]ok[/]" if one.passed else "[red]failed[/]"
        table.add_row(one.name, word, one.what, one.bound, one.measured, f"{one.disturbed:.2f}")
    return table


def check_data(checks: Sequence[Check]) -> dict[str, Any]:
    """The same for programs."""
    return {"schema": SELF_TEST, "passed": all(one.passed for one in checks), "checks": [asdict(one) for one in checks]}
