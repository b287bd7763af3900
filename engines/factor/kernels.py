"""`model.factors`, compiled: every window of one instrument from a single walk back through its days."""

import math

import numpy as np

from engines.base.compiled import compiled
from engines.factor.model import DAYS, FAMILIES, ROUNDING, WINDOWS, Floats, Places, require


def factors(closes: Floats, market: Floats, windows: tuple[int, ...] = WINDOWS) -> Floats:
    """As `model.factors`; its first call in a process loads or compiles the kernel."""
    require(closes, market, windows)
    spans = np.array(windows)
    order = np.argsort(spans, kind="stable")
    values = np.empty((len(FAMILIES), len(windows), len(closes)))
    # What cannot be written, as a broadcast row, is another type to numba: another kernel, compiled within a request.
    closes, market = (np.require(levels, requirements=["C", "W"]) for levels in (closes, market))
    _fill(closes, market, spans[order], order, values)
    return values.reshape(-1, len(closes))


@compiled
def _variance(square: float, mean: float, w: int) -> float:
    """As in the model."""
    variance = square - mean * mean
    return variance if variance > w * ROUNDING * (square + ROUNDING) else 0.0


@compiled
def _fill(closes: Floats, market: Floats, spans: Places, order: Places, values: Floats) -> None:
    for instrument in range(len(closes)):
        _walk(closes[instrument], market[instrument], spans, order, values[:, :, instrument])


@compiled
def _walk(closes: Floats, market: Floats, spans: Places, order: Places, found: Floats) -> None:
    """Factors of one instrument (families, windows), spans ascending; prices in units of the newest one."""
    days = len(closes)
    newest = closes[-1]
    mean_return = 0.0
    for day in range(1, days):
        mean_return += closes[day] / closes[day - 1] - 1
    mean_return /= days - 1
    prices, price_squares, moved = 0.0, 0.0, 0.0
    low, high, best = 1.0, 1.0, -math.inf
    first, second, third, fourth = 0.0, 0.0, 0.0, 0.0
    markets, market_squares, products = 0.0, 0.0, 0.0
    start = 0
    for place in range(len(spans)):
        w = spans[place]
        for back in range(start, w):
            today, before = closes[days - 1 - back], closes[days - 2 - back]
            level = today / newest
            low, high = min(low, level), max(high, level)
            prices += level - 1
            price_squares += (level - 1) * (level - 1)
            moved += abs(today - before) / newest
            change = today / before - 1
            best = max(best, change)
            centred = change - mean_return
            squared = centred * centred
            first += centred
            second += squared
            third += squared * centred
            fourth += squared * squared
            rise = market[days - 1 - back] / market[days - 2 - back] - 1
            markets += rise
            market_squares += rise * rise
            products += change * rise
        start = w
        column = order[place]
        reached = closes[days - 1 - w] / newest
        m, m2, m3, m4 = first / w, second / w, third / w, fourth / w
        variance = _variance(m2, m, w)
        mean = prices / w
        found[0, column] = 1 / reached - 1
        found[1, column] = 1 / (1 + mean) - 1
        found[2, column] = math.sqrt(variance * (w / (w - 1)) * DAYS)
        found[3, column] = (m3 - m * (3 * m2 - 2 * m * m)) / (variance * math.sqrt(variance))
        found[4, column] = (m4 - m * (4 * m3 - m * (6 * m2 - 3 * m * m))) / (variance * variance) - 3
        found[5, column] = -mean / math.sqrt(price_squares / w - mean * mean)
        found[6, column] = 100 * (1 - low) / (high - low)
        found[7, column] = 50 * (1 + (1 - reached) / moved)
        found[8, column] = best
        spread = _variance(market_squares / w, markets / w, w)
        found[9, column] = (products / w - (m + mean_return) * (markets / w)) / spread
