"""Risk figures of portfolios: numpy arrays in, numpy arrays out.

Every function works on `k` portfolios at once, one row each; a single portfolio is `k = 1`. A weight is a position's
value over the portfolio's equity (positions and cash): shorts are negative, and weights need not sum to one. Losses
are positive fractions of equity over one scenario period (a day, for daily returns); nothing is annualised.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

TOO_LOW = "the portfolio's equity (positions and cash) must be above zero"
TINY = 1e-100  # added where only a portfolio without positions would divide zero by zero
ROUNDING = 2.0**-50  # of each product that a variance is the sum of


@dataclass(frozen=True)
class Scenarios:
    """Returns of m assets in T scenarios (T, m), with their mean (m,) and covariance (m, m, ddof 1)."""

    returns: Floats
    mean: Floats
    covariance: Floats

    @classmethod
    def of(cls, returns: Floats) -> "Scenarios":
        """Raises ValueError for fewer than two scenarios."""
        if len(returns) < 2:
            raise ValueError("at least two scenarios are needed")
        covariance = np.cov(returns, rowvar=False).reshape(-1, returns.shape[1])
        return cls(np.ascontiguousarray(returns), returns.mean(axis=0), covariance)

    @cached_property
    def deviation(self) -> Floats:
        """Of each asset (m,)."""
        deviation: Floats = np.sqrt(self.covariance.diagonal())
        return deviation

    @cached_property
    def by_asset(self) -> Floats:
        """The returns of each asset in a row (m, T)."""
        return np.ascontiguousarray(self.returns.T)

    @cached_property
    def moments(self) -> Floats:
        """Mean, deviation and covariance in rows (2 + m, m)."""
        return np.vstack([self.mean, self.deviation, self.covariance])


class Exposure(NamedTuple):
    """What the weights alone say, (k,) each; `largest` is the column of the largest position."""

    gross_leverage: Floats
    net_leverage: Floats
    concentration: Floats
    largest: Places
    herfindahl: Floats


class TailRisk(NamedTuple):
    """Losses at one confidence, (k,) each; component_var (k, m) sums to parametric_var over the assets."""

    historical_var: Floats
    historical_es: Floats
    parametric_var: Floats
    parametric_es: Floats
    component_var: Floats


FIGURES = (*Exposure._fields, *TailRisk._fields[:-1], "equity")


def weigh(quantities: Floats, prices: Floats, cash: Floats) -> tuple[Floats, Floats]:
    """Weights (k, m) and equity (k,), in currency.

    quantities (k, m) in shares; prices (m,) or (k, m) in currency per share; cash (k,) in currency, negative if
    borrowed. Raises ValueError where the equity is not above zero: no weight is defined on it.
    """
    values = quantities * prices
    equity = np.add.reduce(values, axis=1) + cash
    if not np.minimum.reduce(equity) > 0:
        raise ValueError(TOO_LOW)
    return values / equity[:, None], equity


def exposure(weights: Floats) -> Exposure:
    """Gross leverage: sum of absolute weights. Net: their sum. Concentration: the largest absolute weight.

    herfindahl: sum of squared shares of the gross exposure, 1/m to 1 (Herfindahl 1950), and 0 without a position.
    """
    sizes = np.abs(weights)
    gross = np.add.reduce(sizes, axis=1)
    return Exposure(
        gross_leverage=gross,
        net_leverage=np.add.reduce(weights, axis=1),
        concentration=np.maximum.reduce(sizes, axis=1),
        largest=sizes.argmax(axis=1),
        herfindahl=np.vecdot(sizes, sizes) / (gross * gross + TINY),
    )


def historical(returns: Floats, weights: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Value at risk and expected shortfall (k,) over the scenarios `returns` (T, m), each as likely as the other.

    VaR is the smallest loss that is not exceeded with probability `confidence`: the k-th largest of the T, k =
    ceil((1 - confidence) T). ES is the mean of the worst (1 - confidence) T, the last of them weighed in part
    (Rockafellar and Uryasev 2002; coherent, Acerbi and Tasche 2002); ES >= VaR.
    """
    tail, count = tail_of(confidence, len(returns))
    worst = np.sort(weights @ returns.T, axis=1)[:, :count]
    var = -worst[:, -1]
    return var, var - (np.add.reduce(worst, axis=1) + count * var) / tail


def parametric(scenarios: Scenarios, weights: Floats, confidence: float) -> tuple[Floats, Floats, Floats]:
    """VaR (k,), ES (k,) and component VaR (k, m) under a normal distribution of the scenarios' mean and covariance.

    VaR = z s - m and ES = s phi(z) / (1 - confidence) - m, with m and s the portfolio's mean and standard deviation
    (McNeil, Frey and Embrechts 2015, 2.14 and 2.18). Component VaR is Euler's allocation w_i (z (C w)_i / s - mean_i)
    (Tasche 1999); a portfolio without risk has components of its mean alone.
    """
    z, density = normal(confidence)
    marginal = weights @ scenarios.covariance
    variance = np.vecdot(weights, marginal)
    unhedged = np.abs(weights) @ scenarios.deviation
    variance *= variance > len(scenarios.mean) * ROUNDING * unhedged * unhedged  # or it is a perfect hedge's, rounded
    deviation = np.sqrt(variance)
    mean = weights @ scenarios.mean
    slope = z * deviation / (variance + TINY)
    component = weights * (slope[:, None] * marginal - scenarios.mean)
    return z * deviation - mean, density / (1 - confidence) * deviation - mean, component


def tail_risk(scenarios: Scenarios, weights: Floats, confidence: float) -> TailRisk:
    """`historical` and `parametric` losses of weights (k, m); ValueError for a confidence outside (0, 1)."""
    tail_of(confidence, len(scenarios.returns))
    historical_var, historical_es = historical(scenarios.returns, weights, confidence)
    parametric_var, parametric_es, component = parametric(scenarios, weights, confidence)
    return TailRisk(historical_var, historical_es, parametric_var, parametric_es, component)


def assess(
    scenarios: Scenarios, quantities: Floats, prices: Floats, cash: Floats, confidence: float
) -> tuple[Floats, Floats]:
    """`exposure` and `tail_risk` of what `weigh` is given, one row a portfolio; raises ValueError as those do.

    Gives the figures (k, 10), whose columns are named by `FIGURES`, and component VaR (k, m).
    """
    weights, equity = weigh(quantities, prices, cash)
    *losses, component = tail_risk(scenarios, weights, confidence)
    figures = np.concatenate((*exposure(weights), *losses, equity))
    return figures.reshape(len(FIGURES), -1).T, component


@lru_cache(maxsize=64)
def tail_of(confidence: float, scenarios: int) -> tuple[float, int]:
    """How many of the scenarios are beyond the confidence, as a fraction and rounded up; ValueError outside (0, 1)."""
    if not 0 < confidence < 1:
        raise ValueError("the confidence must be between 0 and 1")
    tail = (1 - confidence) * scenarios
    return tail, math.ceil(round(tail, 9))  # 0.05 * 260 is 13, not 13.000000000000002


@lru_cache(maxsize=64)
def normal(confidence: float) -> tuple[float, float]:
    """The quantile of the standard normal distribution at `confidence`, and its density there."""
    standard = NormalDist()
    z = standard.inv_cdf(confidence)
    return z, standard.pdf(z)
