"""Whether a report meets an objective, and why not. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nautilus_cli.bench.latency import PERCENTILES, samples_for
from nautilus_cli.bench.report import Report
from nautilus_cli.fleet import Slo
from nautilus_cli.units import show_latency

KEYS = {"p50": "p50", "p90": "p90", "p99": "p99", "p999": "p99.9"}  # of the file, and of a report
MOST_ERRORS = 0.001  # of a load that is held, where the objective names no other share
KEPT = 0.99  # of the rate that is asked for


@dataclass(frozen=True, slots=True)
class Verdict:
    """One objective and what was measured: seconds, or a share for errors."""

    objective: str  # p50, p90, p99, p99.9, errors
    bound: float
    value: float | None  # None where too few samples were had
    met: bool | None  # None where that is not known


def bounds(slo: Slo) -> Iterator[tuple[str, float]]:
    """Each latency that is promised, under the name that a report has for it."""
    for key, name in KEYS.items():
        bound: float | None = getattr(slo, key)
        if bound is not None:
            yield name, bound


def verdicts(slo: Slo, report: Report) -> tuple[Verdict, ...]:
    """Each objective of an engine against what was measured."""
    found = []
    for name, bound in bounds(slo):
        value = report.response[name]
        found.append(Verdict(name, bound, value, None if value is None else value <= bound))
    if slo.errors is not None:
        share = report.error_share if report.requests else None
        found.append(Verdict("errors", slo.errors, share, None if share is None else share <= slo.errors))
    return tuple(found)


def fault(slo: Slo, report: Report) -> str:
    """Why this load is not held within the objective; empty when it is.

    A generator that was late only adds to the latencies, so what is held in spite of it is held.
    """
    most = MOST_ERRORS if slo.errors is None else slo.errors
    if report.error_share > most:
        return f"errors {report.error_share:.2%} > {most:.2%}"
    if report.offered and not kept_up(report, report.offered):
        return f"answered {report.rate:,.0f} of {report.offered:,.0f} requests/s"
    for name, bound in bounds(slo):
        value = report.response[name]
        if value is None:
            return f"too few answers to know {name}"
        if value > bound:
            return f"{name} {show_latency(value)} > {show_latency(bound)}"
    return ""


def kept_up(report: Report, offered: float) -> bool:
    """Whether the answers came as fast as requests were due.

    What is under way when the time ends is no backlog as long as it is what the mean latency explains (Little's law),
    and one request more or less is none either.
    """
    due = offered * max(0.0, report.seconds - report.response.mean)
    return report.rate * report.seconds + 1 >= KEPT * due


def samples(slo: Slo) -> int:
    """How many answers a run needs before every promised percentile is known."""
    return max((samples_for(PERCENTILES[name]) for name, _ in bounds(slo)), default=1)
