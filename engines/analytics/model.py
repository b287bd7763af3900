"""Performance measures of portfolios: numpy arrays in, numpy arrays out.

Every function works on `k` portfolios at once, one row each; a single portfolio is `k = 1`. Returns are simple and
daily; a year has 252 days. A measure that is not defined (a ratio over zero) is not finite.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAYS = 252
TAIL = 0.05
ROOT = math.sqrt(DAYS)
TOO_SHORT = "at least three daily values are needed"
TOO_LOW = "a portfolio's value must stay above zero"
ROUNDING = 1e-14  # daily returns that differ by no more are the same one, rounded: a ratio over it would be noise


class Measures(NamedTuple):
    """One array (k,) per measure; `measure` says what each one is."""

    pnl: Floats
    time_weighted_return: Floats
    cagr: Floats
    volatility: Floats
    sharpe: Floats
    sortino: Floats
    max_drawdown: Floats
    calmar: Floats
    var_95: Floats
    cvar_95: Floats
    beta: Floats
    alpha: Floats
    tracking_error: Floats
    information_ratio: Floats
    win_rate: Floats


def portfolio_values(quantities: Floats, closes: Floats, cash: Floats) -> Floats:
    """Value of constant holdings on every day.

    quantities (k, m) in shares, shorts negative; closes (days, m) in currency per share; cash (k,) in currency.
    Gives (k, days) in currency.
    """
    values: Floats = quantities @ closes.T + cash[:, None]
    return values


def returns_of(values: Floats, flows: Floats | None = None) -> Floats:
    """Daily time-weighted returns (k, n) of values (k, n + 1), a fraction per day.

    flows (k, n), in currency, positive into the portfolio at the end of each day after the first: r = (V1 - F) / V0 - 1
    (CFA Institute, GIPS: the portfolio is valued at each external flow). Raises ValueError for fewer than two returns
    or a value that is not positive, for no return is defined on it.
    """
    if values.shape[1] < 3:
        raise ValueError(TOO_SHORT)
    if not values.min() > 0:
        raise ValueError(TOO_LOW)
    ends = values[:, 1:] if flows is None else values[:, 1:] - flows
    returns: Floats = ends / values[:, :-1] - 1
    return returns


def wealth_of(returns: Floats) -> Floats:
    """What one unit grows to, (k, n)."""
    wealth: Floats = np.multiply.accumulate(1 + returns, axis=1)
    return wealth


def drawdowns(wealth: Floats) -> Floats:
    """Loss since the highest wealth so far, (k, n), a fraction in [0, 1]; the start, 1, counts as a high."""
    peaks = np.maximum.accumulate(wealth, axis=1)
    np.maximum(peaks, 1.0, out=peaks)
    losses: Floats = 1 - wealth / peaks
    return losses


def tail_loss(returns: Floats, tail: float = TAIL) -> tuple[Floats, Floats]:
    """Historical value at risk and its conditional, (k,) each: positive fractions of value lost in a day.

    VaR is the `tail` quantile of the returns, interpolated linearly (Hyndman and Fan's type 7, numpy's default).
    CVaR is the mean of the returns up to the order statistic at or below that quantile (empyrical's convention; the
    risk engine's expected shortfall is Rockafellar and Uryasev's, which weighs the last one in part).
    """
    ordered = np.sort(returns, axis=1)
    place = tail * (returns.shape[1] - 1)
    low = int(place)
    below = ordered[:, low]
    quantile = below + (place - low) * (ordered[:, low + 1] - below)
    return -quantile, -np.add.reduce(ordered[:, : low + 1], axis=1) / (low + 1)


def measure(values: Floats, benchmark: Floats, flows: Floats | None = None, risk_free: float = 0.0) -> Measures:
    """Every measure of `k` portfolios.

    values (k, n + 1) daily, in currency, n >= 2; benchmark (k, n) or (1, n), its daily returns, NaN where there is none
    (then beta, alpha, tracking error and information ratio are NaN); flows as in `returns_of`; risk_free a fraction per
    year, compounded daily. Raises ValueError as `returns_of` does.

    pnl: currency, without the flows. time_weighted_return: chain-linked over the whole span. cagr: the same per year,
    (1 + twr) ^ (252 / n) - 1. volatility: standard deviation (ddof 1) times sqrt(252). sharpe: mean excess return over
    its standard deviation, times sqrt(252) (Sharpe 1994). sortino: annual mean excess over the downside deviation, the
    root of the mean squared shortfall over all n days (Sortino and Price 1994). max_drawdown: largest of `drawdowns`.
    calmar: cagr over max_drawdown (Young 1991). var_95, cvar_95: as in `tail_loss`. beta: covariance with the benchmark
    over the benchmark's variance. alpha: Jensen's (1968), the mean daily one compounded to a year. tracking_error:
    standard deviation (ddof 1) of the return above the benchmark's, times sqrt(252). information_ratio: its mean over
    its deviation, times sqrt(252). win_rate: share of days with a return above zero.
    """
    with np.errstate(all="ignore"):
        return _measure(values, benchmark, flows, risk_free)


def table(values: Floats, benchmark: Floats, flows: Floats | None = None, risk_free: float = 0.0) -> Floats:
    """The measures of `measure`, in the order of `Measures`, as one row a portfolio (k, 15); raises as it does."""
    measures = measure(values, benchmark, flows, risk_free)
    return np.concatenate(measures).reshape(len(measures), -1).T  # numpy.stack takes several times as long


def _measure(values: Floats, benchmark: Floats, flows: Floats | None, risk_free: float) -> Measures:
    returns = returns_of(values, flows)
    n = returns.shape[1]
    rate = (1 + risk_free) ** (1 / DAYS) - 1
    mean = np.add.reduce(returns, axis=1) / n
    centred = returns - mean[:, None]
    deviation = _rooted(np.vecdot(centred, centred) / (n - 1))
    shortfall = np.minimum(returns - rate, 0.0)
    wealth = wealth_of(returns)
    growth = wealth[:, -1]
    cagr = growth ** (DAYS / n) - 1
    max_drawdown = _settled(np.maximum.reduce(drawdowns(wealth), axis=1))
    var, cvar = tail_loss(returns)
    excess = mean - rate
    pnl = values[:, -1] - values[:, 0]
    beta, alpha, tracking_error, information_ratio = _against(benchmark, mean, centred, rate)
    return Measures(
        pnl=pnl if flows is None else pnl - np.add.reduce(flows, axis=1),
        time_weighted_return=growth - 1,
        cagr=cagr,
        volatility=deviation * ROOT,
        sharpe=excess / deviation * ROOT,
        sortino=excess / _rooted(np.vecdot(shortfall, shortfall) / n) * ROOT,
        max_drawdown=max_drawdown,
        calmar=cagr / max_drawdown,
        var_95=var,
        cvar_95=cvar,
        beta=beta,
        alpha=alpha,
        tracking_error=tracking_error,
        information_ratio=information_ratio,
        win_rate=np.add.reduce(returns > 0, axis=1, dtype=np.float64) / n,
    )


def _against(benchmark: Floats, mean: Floats, centred: Floats, rate: float) -> tuple[Floats, Floats, Floats, Floats]:
    """beta, alpha, tracking error and information ratio of returns with that mean (k,), less it in `centred` (k, n)."""
    n = centred.shape[1]
    market = np.add.reduce(benchmark, axis=1) / n
    market_centred = benchmark - market[:, None]
    active = centred - market_centred
    market_deviation = _rooted(np.vecdot(market_centred, market_centred) / n)
    beta = np.vecdot(centred, market_centred) / n / (market_deviation * market_deviation)
    alpha = (1 + (mean - rate) - beta * (market - rate)) ** DAYS - 1
    active_deviation = _rooted(np.vecdot(active, active) / (n - 1))
    return beta, alpha, active_deviation * ROOT, (mean - market) / active_deviation * ROOT


def _rooted(squares: Floats) -> Floats:
    """A deviation from its mean square."""
    return _settled(np.sqrt(squares))


def _settled(size: Floats) -> Floats:
    """Zero where it may be rounding alone."""
    settled: Floats = size * ~(size <= ROUNDING)  # what is not a number stays so
    return settled
