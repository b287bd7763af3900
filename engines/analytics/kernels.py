"""`model.table`, compiled: the same definitions in three passes over each portfolio's days."""

import math

import numpy as np

from engines.analytics.model import DAYS, ROOT, ROUNDING, TAIL, TOO_LOW, TOO_SHORT, Floats, Measures
from engines.base.compiled import compiled
from engines.base.kernels import keep_smallest

NO_FLOWS = np.empty((1, 0))


def table(values: Floats, benchmark: Floats, flows: Floats | None = None, risk_free: float = 0.0) -> Floats:
    """As `model.table`; its first call in a process loads or compiles the kernel."""
    if values.shape[1] < 3:
        raise ValueError(TOO_SHORT)
    found = np.empty((len(values), len(Measures._fields)))
    rate = (1 + risk_free) ** (1 / DAYS) - 1
    _fill(values, NO_FLOWS if flows is None else flows, benchmark, rate, found)
    return found


@compiled
def _fill(values: Floats, flows: Floats, benchmark: Floats, rate: float, found: Floats) -> None:
    n = values.shape[1] - 1
    returns, worst = np.empty(n), np.empty(int(TAIL * (n - 1)) + 2)
    for row in range(len(values)):
        pnl = _fill_returns(values[row], flows[row if len(flows) > 1 else 0], returns)
        keep_smallest(returns, worst)
        var, cvar = _tail(worst, n)
        growth, short, deepest, wins = _course(returns, rate)
        mean, deviation, beta, market, active = _spread(returns, benchmark[row if len(benchmark) > 1 else 0])
        cagr = growth ** (DAYS / n) - 1
        alpha = (1 + (mean - rate) - beta * (market - rate)) ** DAYS - 1
        found[row, 0], found[row, 1], found[row, 2], found[row, 3] = pnl, growth - 1, cagr, deviation * ROOT
        found[row, 4], found[row, 5] = (mean - rate) / deviation * ROOT, (mean - rate) / _rooted(short / n) * ROOT
        found[row, 6], found[row, 7], found[row, 8], found[row, 9] = deepest, cagr / deepest, var, cvar
        found[row, 10], found[row, 11], found[row, 12] = beta, alpha, active * ROOT
        found[row, 13], found[row, 14] = (mean - market) / active * ROOT, wins / n


@compiled
def _fill_returns(values: Floats, flows: Floats, returns: Floats) -> float:
    """The returns of `model.returns_of`; gives the profit without the flows."""
    put_in = 0.0
    for day in range(len(returns)):
        if not values[day] > 0:
            raise ValueError(TOO_LOW)
        flow = flows[day] if len(flows) else 0.0
        returns[day] = (values[day + 1] - flow) / values[day] - 1
        put_in += flow
    if not values[-1] > 0:
        raise ValueError(TOO_LOW)
    pnl: float = values[-1] - values[0] - put_in
    return pnl


@compiled
def _tail(worst: Floats, n: int) -> tuple[float, float]:
    """VaR and CVaR of `model.tail_loss`, from the smallest of n returns down to the one above the quantile."""
    place = TAIL * (n - 1)
    low = len(worst) - 2
    above, below = worst[0], worst[1:].max()
    return -(below + (place - low) * (above - below)), -(worst[1:].sum() / (low + 1))


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
