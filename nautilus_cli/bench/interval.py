"""How much one thing differs from another, and how sure that is: ratios with 95 % confidence intervals. Pure.

Latencies and rates vary by factors, not by sums, so everything is counted in logarithms: A against B is the inverse of
B against A. With the few rounds that a person waits for, Student's t holds its promise where a bootstrap, which needs
many, claims too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import atan, cos, exp, floor, log, pi, sin, sqrt
from statistics import fmean, variance

SURE = 0.95
LEAST = 3  # values without which no interval is told


@dataclass(frozen=True, slots=True)
class Change:
    """B as a multiple of A, and the bounds between which it lies with 95 % confidence; None where that is not known."""

    ratio: float
    low: float | None = None
    high: float | None = None

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return self.low is not None

    @property
    def real(self) -> bool:
        """Whether it is more than noise: no change at all lies outside of the interval."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high


def paired(a: Sequence[float], b: Sequence[float]) -> Change:
    """The change between values that were measured pair by pair: what both of a pair suffered cancels out."""
    changes = [log(after / before) for before, after in zip(a, b, strict=True)]
    if len(changes) < LEAST:
        return Change(exp(fmean(changes)))
    return interval(fmean(changes), variance(changes) / len(changes), len(changes) - 1)


def apart(ratio: float, a: Sequence[float], b: Sequence[float]) -> Change:
    """A change that is known, with Welch's interval from values of each side that have no partners."""
    if min(len(a), len(b)) < LEAST:
        return Change(ratio)
    parts = [(variance([log(value) for value in side]) / len(side), len(side) - 1) for side in (a, b)]
    error = sum(part for part, _ in parts)
    freedom = error**2 / sum(part**2 / degrees for part, degrees in parts) if error else min(len(a), len(b)) - 1
    return interval(log(ratio), error, floor(freedom + 1e-9))


def interval(centre: float, error: float, freedom: int) -> Change:
    """The bounds around a mean of logarithms with this squared standard error."""
    reach = student(max(1, freedom)) * sqrt(error)
    return Change(exp(centre), exp(centre - reach), exp(centre + reach))


@cache
def student(freedom: int) -> float:
    """How many standard errors the interval reaches to each side."""
    low, high = 0.0, 13.0  # 12.7 with one degree of freedom, less with more
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, freedom) < SURE else (low, middle)
    return (low + high) / 2


def within(bound: float, freedom: int) -> float:
    """The share of Student's distribution between -bound and bound (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = atan(bound / sqrt(freedom))
    term, total = (cos(angle) if freedom % 2 else 1.0), 0.0
    for number in range(2 + freedom % 2, freedom + 1, 2):
        total += term
        term *= cos(angle) ** 2 * (number - 1) / number
    return 2 / pi * (angle + sin(angle) * total) if freedom % 2 else sin(angle) * total
