"""HDR counts of latencies: three significant digits at any magnitude, equal to those of every HdrHistogram library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, log2, sqrt

import numpy as np
from numpy.typing import NDArray

from nautilus_cli.bench.recording import Nanoseconds

DIGITS = 3
HIGHEST = 3600 * 10**9  # nanoseconds; what is longer counts as this
SUB_BITS = 11  # 2048 steps in the first bucket, the least power of two that keeps three digits
HALF = 1 << (SUB_BITS - 1)
BUCKETS = HIGHEST.bit_length() - SUB_BITS + 1
TICKS = 5  # lines of a .hgrm file each time that the distance to 100 % halves


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a percentile distribution."""

    nanoseconds: int  # the highest value that HDR cannot tell from the one at this percentile
    share: float  # 0 to 1
    total: int  # values up to it


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often each value was seen; a value stands for all that share its first three digits."""

    values: Nanoseconds  # the lowest of each class, ascending
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, nanoseconds: Nanoseconds) -> Histogram:
        """Count values of at least 0."""
        indices, counts = np.unique(index(np.minimum(nanoseconds, HIGHEST)), return_counts=True)
        return cls(lowest(indices), counts.astype(np.int64))

    @property
    def total(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    def steps(self) -> Iterator[Step]:
        """The distribution, finer and finer towards 100 %, as HdrHistogram's percentile iterator walks it."""
        if not self.counts.size:
            return
        highest, running = self._highest(), self.counts.cumsum()
        percents, percent, place = 100.0 * running / running[-1], 0.0, 0
        while running[place] < running[-1] or percent == 0.0:
            place = int(np.searchsorted(percents, percent))
            yield Step(int(highest[place]), percent / 100, int(running[place]))
            percent += 100.0 / (TICKS * 2 ** (floor(log2(100 / (100.0 - percent))) + 1))
        yield Step(int(highest[-1]), 1.0, int(running[-1]))

    def hgrm(self) -> str:
        """The distribution in milliseconds as text, as HdrHistogram's plotter and wrk2 write and read it."""
        lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", ""]
        for step in self.steps():
            inverse = f" {1 / (1 - step.share):14.2f}" if step.share < 1 else ""
            lines.append(f"{step.nanoseconds / 1e6:12.3f} {step.share:2.12f} {step.total:10d}{inverse}")
        mean, deviation = self._moments()
        last = self._highest()[-1] if self.counts.size else 0
        lines += [
            f"#[Mean    = {mean / 1e6:12.3f}, StdDeviation   = {deviation / 1e6:12.3f}]",
            f"#[Max     = {last / 1e6:12.3f}, TotalCount     = {self.total:12.3f}]",
            f"#[Buckets = {BUCKETS:12d}, SubBuckets     = {2 * HALF:12d}]",
        ]
        return "\n".join(lines) + "\n"

    def _highest(self) -> Nanoseconds:
        return self.values + width(self.values) - 1

    def _moments(self) -> tuple[float, float]:
        """Mean and standard deviation, each class counted with its middle."""
        if not self.counts.size:
            return 0.0, 0.0
        middle = self.values + width(self.values) // 2
        mean = float(np.average(middle, weights=self.counts))
        return mean, sqrt(float(np.average((middle - mean) ** 2, weights=self.counts)))


def bucket(values: Nanoseconds) -> NDArray[np.int64]:
    """How many low bits of each value are beyond three digits; a float's exponent is an integer's length."""
    return np.frexp((values | (2 * HALF - 1)).astype(np.float64))[1].astype(np.int64) - SUB_BITS


def width(values: Nanoseconds) -> Nanoseconds:
    """How many values share the class of each."""
    return np.int64(1) << bucket(values)


def index(values: Nanoseconds) -> NDArray[np.int64]:
    """The place of each value in the counts of an HdrHistogram."""
    high = bucket(values)
    return high * HALF + (values >> high)


def lowest(indices: NDArray[np.int64]) -> Nanoseconds:
    """The lowest value of each place."""
    high = np.maximum(indices // HALF - 1, 0)
    values: Nanoseconds = (indices - high * HALF) << high
    return values
