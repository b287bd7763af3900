"""Whether a load has become steady: what warm-up waits for; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean

SLICE = 0.2  # seconds
SLICES = 5  # that have to agree
TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Slice:
    """What one slice of the warm-up saw."""

    answers: int
    p50: float  # seconds


def steady(slices: Sequence[Slice]) -> bool:
    """Whether neither the rate nor the median latency of the last second still moves in one direction."""
    last = slices[-SLICES:]
    if len(last) < SLICES or not all(one.answers for one in last):
        return False
    # Of n answers that come by chance, n varies by its root: few answers cannot show less.
    chance = 2 / sqrt(mean(one.answers for one in last))
    return all(
        abs(drift(values)) <= max(TOLERANCE, chance)
        for values in ([one.answers for one in last], [one.p50 for one in last])
    )


def drift(values: Sequence[float]) -> float:
    """The change over the whole series as a share of its mean, by the line of least squares."""
    centre, middle = mean(values), (len(values) - 1) / 2
    slope = sum((place - middle) * value for place, value in enumerate(values)) / sum(
        (place - middle) ** 2 for place in range(len(values))
    )
    return slope * (len(values) - 1) / centre if centre else 0.0
