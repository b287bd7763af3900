"""The latencies of many answers in a few figures, each told only where enough samples stand behind it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nautilus_cli.bench.histogram import Histogram
from nautilus_cli.bench.recording import Nanoseconds

PERCENTILES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
BEYOND = 10  # samples that must lie beyond a percentile before it is told
NS = 1e9


@dataclass(frozen=True)
class Latency:
    """The latencies of some answers, in seconds."""

    count: int
    mean: float
    max: float
    percentiles: Mapping[str, float | None]  # of PERCENTILES; None where too few samples lie beyond it
    histogram: Histogram

    @classmethod
    def of(cls, nanoseconds: Nanoseconds) -> Latency:
        """Summarise them; exact percentiles, by nearest rank."""
        count = nanoseconds.size
        ranked = np.sort(nanoseconds)
        return cls(
            count=count,
            mean=float(ranked.mean()) / NS if count else 0.0,
            max=float(ranked[-1]) / NS if count else 0.0,
            percentiles={name: ranked_at(ranked, share) for name, share in PERCENTILES.items()},
            histogram=Histogram.of(ranked),
        )

    def __getitem__(self, name: str) -> float | None:
        return self.percentiles[name]

    @property
    def highest(self) -> tuple[str, float] | None:
        """The highest percentile that is known."""
        return next(((name, at) for name, at in reversed(list(self.percentiles.items())) if at is not None), None)

    @property
    def missing(self) -> str:
        """Which percentiles are not told, and why; empty when all are."""
        lacking = [name for name, at in self.percentiles.items() if at is None]
        if not lacking:
            return ""
        need = samples_for(PERCENTILES[lacking[-1]])
        return f"{' and '.join(lacking)} not told: {lacking[-1]} needs {need:,} answers, there are {self.count:,}"


def samples_for(share: float) -> int:
    """How many samples a percentile needs, so that enough lie beyond it."""
    return round(BEYOND / (1 - share))


def ranked_at(ranked: Nanoseconds, share: float) -> float | None:
    """The percentile of ascending values by nearest rank, in seconds; None where too few lie beyond it."""
    if ranked.size < samples_for(share):
        return None
    return float(ranked[int(np.ceil(ranked.size * share)) - 1]) / NS
