"""Many levels of load in turns: in which order, and the medians of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from nautilus_cli.bench.latency import PERCENTILES
from nautilus_cli.bench.report import Report

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Level:
    """One number of connections, as medians over its runs."""

    connections: int
    rate: float
    percentiles: Mapping[str, float | None]  # None where half of the runs had too few samples
    errors: int  # of all its runs
    runs: int


def order(levels: Sequence[int], rounds: int = ROUNDS) -> list[int]:
    """Every level once a round, up and down in turn, so that a machine that grows slower hurts each alike."""
    up = sorted(set(levels))
    return [level for number in range(rounds) for level in (up if number % 2 == 0 else reversed(up))]


def level(connections: int, reports: Sequence[Report]) -> Level:
    """The medians of the runs with so many connections."""
    found = {name: [at for report in reports if (at := report.service[name]) is not None] for name in PERCENTILES}
    return Level(
        connections,
        rate=median(report.rate for report in reports),
        percentiles={name: median(at) if 2 * len(at) > len(reports) else None for name, at in found.items()},
        errors=sum(report.errors for report in reports),
        runs=len(reports),
    )
