"""`model.measure`, compiled: the same definitions in two passes over each portfolio's days."""

import math

import numpy as np

from engines.analytics.model import DAYS, ROOT, ROUNDING, TAIL, Floats, Measures, returns_of
from engines.base.compiled import compiled

NO_FLOWS = np.empty((0, 0))


def measure(values: Floats, benchmark: Floats, flows: Floats | None = None, risk_free: float = 0.0) -> Measures:
    """As `model.measure`; its first call in a process loads or compiles the kernel."""
    returns = returns_of(values, flows)
    if benchmark.shape != returns.shape:
        benchmark = np.ascontiguousarray(np.broadcast_to(benchmark, returns.shape))
    rate = (1 + risk_free) ** (1 / DAYS) - 1
    found = np.empty((len(Measures._fields), len(values)))
    _fill(values, NO_FLOWS if flows is None else flows, returns, np.sort(returns, axis=1), benchmark, rate, found)
    return Measures._make(found)


@compiled
def _fill(
    values: Floats, flows: Floats, returns: Floats, ordered: Floats, benchmark: Floats, rate: float, found: Floats
) -> None:
    for row in range(len(returns)):
        pnl = values[row, -1] - values[row, 0]
        if len(flows):
            pnl -= flows[row].sum()
        var, cvar = _tail(ordered[row])
        growth, short, deepest, wins = _course(returns[row], rate)
        mean, deviation, beta, market, active = _spread(returns[row], benchmark[row])
        n = returns.shape[1]
        cagr = growth ** (DAYS / n) - 1
        alpha = (1 + (mean - rate) - beta * (market - rate)) ** DAYS - 1
        found[0, row], found[1, row], found[2, row], found[3, row] = pnl, growth - 1, cagr, deviation * ROOT
        found[4, row], found[5, row] = (mean - rate) / deviation * ROOT, (mean - rate) / _rooted(short / n) * ROOT
        found[6, row], found[7, row], found[8, row], found[9, row] = deepest, cagr / deepest, var, cvar
        found[10, row], found[11, row], found[12, row] = beta, alpha, active * ROOT
        found[13, row], found[14, row] = (mean - market) / active * ROOT, wins / n


@compiled
def _tail(ordered: Floats) -> tuple[float, float]:
    """VaR and CVaR of `model.tail_loss`, from returns in ascending order."""
    place = TAIL * (len(ordered) - 1)
    low = int(place)
    quantile = ordered[low] + (place - low) * (ordered[low + 1] - ordered[low])
    return -quantile, -ordered[: low + 1].sum() / (low + 1)


@compiled
def _course(returns: Floats, rate: float) -> tuple[float, float, float, int]:
    """Growth of one unit, the sum of squared shortfalls below the rate, the deepest drawdown, and the days won."""
    wealth, peak, short, deepest, wins = 1.0, 1.0, 0.0, 0.0, 0
    for change in returns:
        short += min(change - rate, 0.0) ** 2
        wins += change > 0
        wealth *= 1 + change
        peak = max(peak, wealth)
        deepest = max(deepest, 1 - wealth / peak)
    return wealth, short, _settled(deepest), wins


@compiled
def _spread(returns: Floats, market: Floats) -> tuple[float, float, float, float, float]:
    """Mean, deviation and beta of the returns, the market's mean, and the deviation of the difference; ddof 1."""
    mean, market_mean = returns.mean(), market.mean()
    squares, market_squares, products, active = 0.0, 0.0, 0.0, 0.0
    for day in range(len(returns)):
        own, other = returns[day] - mean, market[day] - market_mean
        squares += own * own
        market_squares += other * other
        products += own * other
        active += (own - other) ** 2
    n = len(returns)
    market_deviation = _rooted(market_squares / n)
    beta = products / n / (market_deviation * market_deviation)
    return mean, _rooted(squares / (n - 1)), beta, market_mean, _rooted(active / (n - 1))


@compiled
def _rooted(squares: float) -> float:
    """As in the model."""
    return _settled(math.sqrt(squares))


@compiled
def _settled(size: float) -> float:
    """As in the model."""
    return 0.0 if size <= ROUNDING else size
