"""What the engines compute, in plain Python on lists: the baseline that numpy and numba are set against.

Written as one would without numpy, one pass where one pass does; tests hold that it gives the models' numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist

Row = Sequence[float]
Rows = Sequence[Row]

DAYS = 252
TAIL = 0.05


def performance(quantities: Row, closes: Rows, market: Row) -> list[float]:
    """The measures of analytics, in their order, of constant holdings: closes by day, market its returns."""
    values = [sum(q * close for q, close in zip(quantities, day, strict=True)) for day in closes]
    returns = [after / before - 1 for before, after in pairwise(values)]
    n, mean, market_mean = len(returns), sum(returns) / len(returns), sum(market) / len(market)
    deviation = math.sqrt(sum((r - mean) ** 2 for r in returns) / (n - 1))
    downside = math.sqrt(sum(min(r, 0.0) ** 2 for r in returns) / n)
    wealth = peak = 1.0
    drawdown = 0.0
    for r in returns:
        wealth *= 1 + r
        peak = max(peak, wealth)
        drawdown = max(drawdown, 1 - wealth / peak)
    cagr = wealth ** (DAYS / n) - 1
    ordered, place = sorted(returns), TAIL * (n - 1)
    low = int(place)
    var = -(ordered[low] + (place - low) * (ordered[low + 1] - ordered[low]))
    beta = sum((r - mean) * (m - market_mean) for r, m in zip(returns, market, strict=True))
    beta /= sum((m - market_mean) ** 2 for m in market)
    active = [r - m for r, m in zip(returns, market, strict=True)]
    active_mean = sum(active) / n
    tracking = math.sqrt(sum((a - active_mean) ** 2 for a in active) / (n - 1))
    root = math.sqrt(DAYS)
    return [
        *(values[-1] - values[0], wealth - 1, cagr, deviation * root),
        *(mean / deviation * root, mean / downside * root, drawdown, cagr / drawdown),
        *(var, -sum(ordered[: low + 1]) / (low + 1), beta, (1 + mean - beta * market_mean) ** DAYS - 1),
        *(tracking * root, active_mean / tracking * root, sum(r > 0 for r in returns) / n),
    ]


def risk(
    weights: Row, scenarios: Sequence[Row], mean: Row, covariance: Sequence[Row], confidence: float
) -> list[float]:
    """Gross, net, concentration, HHI, historical VaR and ES, parametric VaR and ES, and the component VaRs."""
    sizes = [abs(weight) for weight in weights]
    gross = sum(sizes)
    ordered = sorted(sum(w * r for w, r in zip(weights, row, strict=True)) for row in scenarios)
    tail = (1 - confidence) * len(scenarios)
    count = math.ceil(round(tail, 9))
    var = -ordered[count - 1]
    marginal = [sum(w * c for w, c in zip(weights, row, strict=True)) for row in covariance]
    deviation = math.sqrt(sum(w * m for w, m in zip(weights, marginal, strict=True)))
    expected = sum(w * m for w, m in zip(weights, mean, strict=True))
    normal = NormalDist()
    z = normal.inv_cdf(confidence)
    return [
        *(gross, sum(weights), max(sizes), sum(size * size for size in sizes) / gross**2),
        *(var, var - (sum(ordered[:count]) + count * var) / tail),
        *(z * deviation - expected, normal.pdf(z) / (1 - confidence) * deviation - expected),
        *(w * (z / deviation * m - e) for w, m, e in zip(weights, marginal, mean, strict=True)),
    ]


def factors(closes: Row, market: Row, windows: Sequence[int]) -> list[list[float]]:
    """The ten families of one instrument, each over every window."""
    families: list[list[float]] = [[] for _ in range(10)]
    returns = [after / before - 1 for before, after in pairwise(closes)]
    market_returns = [after / before - 1 for before, after in pairwise(market)]
    for w in windows:
        for family, value in zip(families, _window(closes, returns, market_returns, w), strict=True):
            family.append(value)
    return families


def _window(closes: Row, all_returns: Row, all_market: Row, w: int) -> list[float]:
    levels, returns, market = closes[-w:], all_returns[-w:], all_market[-w:]
    last, start, sma = closes[-1], closes[-w - 1], sum(levels) / w
    changes = [after - before for before, after in pairwise(closes[-w - 1 :])]
    gains = sum(change for change in changes if change > 0)
    mean, market_mean = sum(returns) / w, sum(market) / w
    centred = [r - mean for r in returns]
    squares = sum(c * c for c in centred)
    population = squares / w
    low, high = min(levels), max(levels)
    spread = [m - market_mean for m in market]
    return [
        last / start - 1,
        last / sma - 1,
        math.sqrt(squares / (w - 1) * DAYS),
        sum(c**3 for c in centred) / w / population**1.5,
        sum(c**4 for c in centred) / w / population**2 - 3,
        (last - sma) / math.sqrt(sum((level - sma) ** 2 for level in levels) / w),
        100 * (last - low) / (high - low),
        100 * gains / sum(map(abs, changes)),
        max(returns),
        sum(c * s for c, s in zip(centred, spread, strict=True)) / sum(s * s for s in spread),
    ]
