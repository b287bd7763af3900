"""The runs that were saved, one row a subject."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nautilus_cli.bench.campaign import Result
from nautilus_cli.bench.export import summary
from nautilus_cli.bench.saved import Saved
from nautilus_cli.view.bench import verdict
from nautilus_cli.view.bench_words import UNKNOWN, cell, load
from nautilus_cli.view.tables import grid

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = "nautilus.bench.history/1"


def history_table(runs: Sequence[Saved]) -> Table:
    """When, of what, and what came of it."""
    table = grid("run", "subject", "load", "peak/s>", "p50>", "p99>", "errors>", "objective", "revision")
    table.columns[0].no_wrap = True  # it is copied
    for run in runs:
        for result in run.results:
            report = result.headline
            table.add_row(
                run.name,
                result.subject.name,
                what(result),
                f"{result.peak.rate:,.0f}" if result.peak else UNKNOWN,
                *((cell(report.response["p50"]), cell(report.response["p99"])) if report else (UNKNOWN, UNKNOWN)),
                f"{report.errors:,}" if report else UNKNOWN,
                verdict(result) + ("" if result.healthy else " [yellow](doubtful)[/]"),
                revision(run),
            )
    return table


def what(result: Result) -> str:
    """The load that stands for a result."""
    if result.levels:
        return f"sweep of {len(result.levels)}"
    if result.found:
        return "search" if result.found.held is None else f"held {result.found.held:,.0f}/s"
    return load(result.headline.profile) if result.headline else UNKNOWN


def revision(run: Saved) -> str:
    """The commit that it was measured at; a plus where something differed from it."""
    git = run.environment.get("git")
    return f"{git['revision'][:8]}{'+' if git['dirty'] else ''}" if git else UNKNOWN


def history_data(runs: Sequence[Saved]) -> dict[str, Any]:
    """The same for programs."""
    return {"schema": SCHEMA, "runs": [row for run in runs for row in rows(run)]}


def rows(run: Saved) -> Iterator[dict[str, Any]]:
    """One entry a subject."""
    for result in run.results:
        report = result.headline
        yield {
            "run": run.name,
            "began": run.began,
            "subject": result.subject.name,
            "load": what(result),
            "peak": result.peak.rate if result.peak else None,
            "held": result.found.held if result.found else None,
            "rate": report.rate if report else None,
            "response": summary(report.response) if report else None,
            "errors": report.errors if report else None,
            "healthy": result.healthy,
            "missed": result.missed,
            "git": run.environment.get("git"),
        }
