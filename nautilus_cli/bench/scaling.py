"""How throughput grows with replicas, as far as a few measured counts can tell. Pure.

The Universal Scalability Law (Gunther, 'Guerrilla Capacity Planning', 2007): n replicas answer

    X(n) = rate * n / (1 + contention * (n - 1) + coherency * n * (n - 1))

requests per second. `contention` is the share of the work that all wait for (Amdahl); `coherency` what each costs each
other one. No parameter is fitted that the number of points does not allow: one point is a straight line through it,
two add contention, three add coherency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product
from math import sqrt

import numpy as np

STEP = 0.1  # between the rate that held and the first that did not
KNOWN = STEP / 2  # a measured knee is no better known than this, up and down
PERTURBED = 6  # points that are moved both ways for the range; of more the last ones


@dataclass(frozen=True, slots=True)
class Law:
    """The curve through the measured points."""

    rate: float  # requests per second of one replica
    contention: float = 0.0
    coherency: float = 0.0

    def at(self, replicas: int) -> float:
        """What so many replicas answer."""
        others = replicas - 1
        return self.rate * replicas / (1 + self.contention * others + self.coherency * replicas * others)

    def needed(self, load: float, most: int) -> int | None:
        """The fewest replicas that answer a load; None where not even `most` do."""
        return next((count for count in range(1, most + 1) if self.at(count) >= load * (1 - 1e-9)), None)


def fit(points: Mapping[int, float]) -> Law:
    """The law of these knees by count, all above 0: the least relative squares over parameters of 0 and more."""
    counts = np.array(sorted(points), float)
    rates = np.array([points[count] for count in sorted(points)])
    # n / X = a + b (n-1) + c n (n-1) is linear in a = 1/rate, b = contention/rate, c = coherency/rate.
    terms = np.stack([np.ones_like(counts), counts - 1, counts * (counts - 1)], axis=1)
    weighted = terms * (rates / counts)[:, None]
    best, least = np.array([float(np.mean(counts / rates)), 0.0, 0.0]), np.inf
    for chosen in subsets(min(3, len(points))):
        part, *_ = np.linalg.lstsq(weighted[:, chosen], np.ones_like(counts), rcond=None)
        if (part < 0).any() or part[0] <= 0:
            continue
        error = float(np.sum((weighted[:, chosen] @ part - 1) ** 2))
        if error < least - 1e-12:
            best, least = np.zeros(3), error
            best[list(chosen)] = part
    return Law(1 / float(best[0]), float(best[1] / best[0]), float(best[2] / best[0]))


def subsets(parameters: int) -> list[list[int]]:
    """Which parameters may be above 0 together: the first one always."""
    rest = range(1, 3) if parameters > 1 else range(0)
    return [[0, *others] for size in range(parameters) for others in combinations(rest, size)]


def spread(points: Mapping[int, float]) -> float:
    """How well a knee is known: the search's step, or what the law misses the points by where that is more."""
    law, freedom = fit(points), len(points) - 3
    if freedom <= 0:
        return KNOWN
    missed = sum((law.at(count) / rate - 1) ** 2 for count, rate in points.items())
    return max(KNOWN, sqrt(missed / freedom))


def range_needed(points: Mapping[int, float], load: float, most: int) -> tuple[int | None, int | None]:
    """The fewest and the most replicas that a load may need, as far as the points are known.

    Each point is moved up and down by its spread, in every combination; the range holds eight of ten of what the laws
    through them need, and what the law through the points themselves does. None stands for more than `most`. One point
    knows nothing of how throughput grows: only the lower end, as in a straight line, is told.
    """
    known, off = dict(points), spread(points)
    moved = sorted(known)[-PERTURBED:]
    found = []
    for signs in product((1 - off, 1 + off), repeat=len(moved)):
        shifted = known | {count: known[count] * sign for count, sign in zip(moved, signs, strict=True)}
        found.append(fit(shifted).needed(load, most) or most + 1)
    found.sort()
    middle, cut = fit(known).needed(load, most) or most + 1, len(found) // 10
    low, high = min(found[cut], middle), max(found[-1 - cut], middle)
    return (low if low <= most else None), (high if high <= most and len(known) > 1 else None)
