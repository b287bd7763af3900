"""Factors of instruments from their prices, and cross-sectional statistics: numpy arrays in, numpy arrays out.

Ten families of factors over forty windows, every window of one instrument from a single pass: with the newest day
first, the cumulative sum up to place w - 1 is the sum over the last w days. A factor that is not defined (a division by
a volatility of zero, as of a stock that was not traded) is not finite.

Amihud's illiquidity needs volume, which the bundled prices do not have; Bali's MAX stands in its place.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

DAYS = 252
WINDOWS = tuple(range(6, 246, 6))
ROUNDING = 2.0**-50  # of each number that a mean of squares is made of
BLOCK = 64  # instruments worked on at once, so that their sums stay in the processor's cache

FAMILIES = {
    "momentum": "return over the last w days (Jegadeesh and Titman 1993)",
    "price_to_sma": "last close over the mean of the last w closes, less 1",
    "volatility": "standard deviation (ddof 1) of the last w daily returns, times sqrt(252)",
    "skewness": "third standardised moment (population) of the last w daily returns",
    "kurtosis": "fourth standardised moment (population) of the last w daily returns, less 3",
    "bollinger_z": "last close less the mean of the last w, over their standard deviation (population)",
    "stochastic_k": "place of the last close between the lowest and highest of the last w, 0 to 100 (Lane)",
    "rsi": "gains over gains and losses of the last w daily changes, 0 to 100 (Cutler's RSI)",
    "max_return": "largest of the last w daily returns (Bali, Cakici and Whitelaw 2011)",
    "market_beta": "covariance with the market over its variance, last w daily returns",
}


def names(windows: tuple[int, ...] = WINDOWS) -> list[str]:
    """Factor names in the order of `factors`' rows: family by family, windows ascending."""
    return [f"{family}_{window:03}" for family in FAMILIES for window in windows]


def factors(closes: Floats, market: Floats, windows: tuple[int, ...] = WINDOWS) -> Floats:
    """Every factor of every instrument on its last day, (10 len(windows), instruments); `FAMILIES` has the formulas.

    closes (instruments, days), oldest first, in currency per share; market (instruments, days), the market's level on
    the same days; windows in days, 2 to days - 1. Returns are simple and daily; only volatility is annualised. Raises
    ValueError for shapes or windows that do not fit and for prices that are not above zero.
    """
    require(closes, market, windows)
    values = np.empty((len(FAMILIES), len(windows), len(closes)))
    spans = np.array(windows)
    with np.errstate(divide="ignore", invalid="ignore"):
        for start in range(0, len(closes), BLOCK):
            block = slice(start, start + BLOCK)
            families = _families(_newest_first(closes[block]), _newest_first(market[block]), spans)
            for family, found in enumerate(families):
                values[family, :, block] = found.T
    return values.reshape(-1, len(closes))


def require(closes: Floats, market: Floats, windows: tuple[int, ...]) -> None:
    """Raises ValueError for shapes or windows that do not fit and for prices that are not above zero."""
    if closes.shape != market.shape:
        raise ValueError("closes and market differ in shape")
    if not windows or min(windows) < 2 or max(windows) >= closes.shape[1]:
        raise ValueError(f"windows must be between 2 and {closes.shape[1] - 1} days")
    if not ((closes > 0).all() and (market > 0).all()):
        raise ValueError("prices must be above zero")


def _families(prices: Floats, market: Floats, spans: Places) -> Iterator[Floats]:
    """One array (instruments, windows) per family, in the order of FAMILIES."""
    returns = _returns(prices)
    yield 1 / prices[:, spans] - 1
    mean, deviation = _moments(prices - 1, spans)
    yield 1 / (1 + mean) - 1
    yield from _shape(returns, spans)
    yield -mean / deviation
    low = np.minimum.accumulate(prices, axis=1)[:, spans - 1]
    high = np.maximum.accumulate(prices, axis=1)[:, spans - 1]
    yield 100 * (1 - low) / (high - low)
    moved = _sums(np.abs(prices[:, :-1] - prices[:, 1:]), spans)
    yield 50 * (1 + (1 - prices[:, spans]) / moved)  # gains = (moved + net) / 2
    yield np.maximum.accumulate(returns, axis=1)[:, spans - 1]
    yield _beta(returns, _returns(market), spans)


def _newest_first(levels: Floats) -> Floats:
    """Levels in units of the newest one, which comes first."""
    return levels[:, ::-1] / levels[:, -1:]


def _returns(prices: Floats) -> Floats:
    return prices[:, :-1] / prices[:, 1:] - 1


def _sums(values: Floats, spans: Places) -> Floats:
    sums: Floats = np.cumsum(values, axis=1)[:, spans - 1]
    return sums


def _moments(values: Floats, spans: Places) -> tuple[Floats, Floats]:
    """Mean and population standard deviation over each window."""
    mean = _sums(values, spans) / spans
    return mean, np.sqrt(_sums(values * values, spans) / spans - mean * mean)


def _shape(returns: Floats, spans: Places) -> Iterator[Floats]:
    """Volatility, skewness and excess kurtosis, from raw moments about the instrument's own mean."""
    centred = returns - returns.mean(axis=1, keepdims=True)
    squared = centred * centred
    first, second = _sums(centred, spans) / spans, _sums(squared, spans) / spans
    third, fourth = _sums(squared * centred, spans) / spans, _sums(squared * squared, spans) / spans
    variance = _variance(second, first, spans)
    yield np.sqrt(variance * (spans / (spans - 1)) * DAYS)
    yield (third - first * (3 * second - 2 * first * first)) / (variance * np.sqrt(variance))
    yield (fourth - first * (4 * third - first * (6 * second - 3 * first * first))) / (variance * variance) - 3


def _beta(returns: Floats, market: Floats, spans: Places) -> Floats:
    mean, market_mean = _sums(returns, spans) / spans, _sums(market, spans) / spans
    covariance = _sums(returns * market, spans) / spans - mean * market_mean
    return covariance / _variance(_sums(market * market, spans) / spans, market_mean, spans)


def _variance(square: Floats, mean: Floats, spans: Places) -> Floats:
    """From the mean square of w numbers and their mean; zero where rounding alone may have left it."""
    variance = square - mean * mean
    return np.where(variance > spans * ROUNDING * (square + ROUNDING), variance, 0)


def z_scores(values: Floats, tail: float = 0.01) -> Floats:
    """Standard scores (population) along the last axis, after winsorising at the `tail` and 1 - `tail` quantiles.

    What is not finite has no score (NaN) and counts for nothing; nor has any where all values are the same.
    """
    defined = np.isfinite(values)
    if defined.all():
        return _standardised(values, tail)
    scores = np.full(values.shape, np.nan)
    for row in np.ndindex(values.shape[:-1]):
        if (some := defined[row]).any():
            scores[row][some] = _standardised(values[row][some], tail)
    return scores


def _standardised(values: Floats, tail: float) -> Floats:
    low, high = np.quantile(values, [tail, 1 - tail], axis=-1, keepdims=True)
    kept = np.clip(values, low, high)
    deviation = np.where(high > low, kept.std(axis=-1, keepdims=True), np.nan)
    scores: Floats = (kept - kept.mean(axis=-1, keepdims=True)) / deviation
    return scores


def ranks(values: Floats) -> Floats:
    """Ranks along the last axis, 1 for the smallest; equal values share the mean of their ranks."""
    order = np.argsort(values, axis=-1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=-1)
    places = np.broadcast_to(np.arange(values.shape[-1]), values.shape)
    differs = ordered[..., 1:] != ordered[..., :-1]
    edge = np.ones((*values.shape[:-1], 1), dtype=bool)
    first = np.maximum.accumulate(np.where(np.concatenate([edge, differs], axis=-1), places, 0), axis=-1)
    last_or_end = np.where(np.concatenate([differs, edge], axis=-1), places, values.shape[-1])
    last = np.minimum.accumulate(last_or_end[..., ::-1], axis=-1)[..., ::-1]
    shared = np.empty(values.shape)
    np.put_along_axis(shared, order, (first + last) / 2 + 1, axis=-1)
    return shared


def rank_ic(values: Floats, forward: Floats) -> Floats:
    """Spearman's rank correlation (factors, dates) of values (factors, dates, stocks) with the returns that followed.

    forward (dates, stocks), a fraction. One coefficient per date, the cross-section of its stocks (Grinold and Kahn's
    information coefficient).
    """
    return _correlate(ranks(values), ranks(forward))


def _correlate(left: Floats, right: Floats) -> Floats:
    left = left - left.mean(axis=-1, keepdims=True)
    right = right - right.mean(axis=-1, keepdims=True)
    correlation: Floats = np.vecdot(left, right) / np.sqrt(np.vecdot(left, left) * np.vecdot(right, right))
    return correlation


def correlation(values: Floats) -> Floats:
    """Pearson's correlation (factors, factors) of values (factors, instruments)."""
    return np.atleast_2d(np.corrcoef(values))


def neutralise(values: Floats, exposures: Floats) -> Floats:
    """What the exposures do not explain: OLS residuals (factors, instruments), with an intercept.

    values (factors, instruments); exposures (instruments, k). Raises ValueError where the exposures are collinear.
    """
    design = np.column_stack([np.ones(len(exposures)), exposures])
    coefficients, _, rank, _ = np.linalg.lstsq(design, values.T, rcond=None)
    if rank < design.shape[1]:
        raise ValueError("the exposures are collinear")
    residuals: Floats = values - (design @ coefficients).T
    return residuals
