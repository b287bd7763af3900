"""`model.assess`, compiled: the same definitions in one pass over each portfolio's assets and its scenarios."""

import math

import numpy as np

from engines.base.compiled import compiled
from engines.base.kernels import keep_smallest
from engines.risk.model import FIGURES, ROUNDING, TINY, TOO_LOW, Floats, Scenarios, normal, tail_of

WIDTH = len(FIGURES)


def assess(
    scenarios: Scenarios, quantities: Floats, prices: Floats, cash: Floats, confidence: float
) -> tuple[Floats, Floats]:
    """As `model.assess`; its first call in a process loads or compiles the kernel."""
    tail, count = tail_of(confidence, len(scenarios.returns))
    z, density = normal(confidence)
    found, component = np.empty((len(quantities), WIDTH)), np.empty(quantities.shape)
    law = tail, count, z, density / (1 - confidence)
    _fill(quantities, prices, cash, scenarios.by_asset, scenarios.moments, law, found, component)
    return found, component


@compiled
def _fill(
    quantities: Floats,
    prices: Floats,
    cash: Floats,
    by_asset: Floats,
    moments: Floats,
    law: tuple[float, int, float, float],
    found: Floats,
    component: Floats,
) -> None:
    tail, count, z, reach = law
    weights, outcomes, worst = np.empty(len(prices)), np.empty(by_asset.shape[1]), np.empty(count)
    for row in range(len(quantities)):
        found[row, 9] = _fill_weights(quantities[row], prices, cash[row], weights)
        _fill_exposure(weights, found[row])
        _fill_outcomes(weights, by_asset, outcomes)
        keep_smallest(outcomes, worst)
        var = -worst[0]
        found[row, 5], found[row, 6] = var, var - (worst.sum() + count * var) / tail
        expected, deviation = _fill_components(weights, moments, z, component[row])
        found[row, 7], found[row, 8] = z * deviation - expected, reach * deviation - expected


@compiled
def _fill_weights(quantities: Floats, prices: Floats, cash: float, weights: Floats) -> float:
    """The weights of `model.weigh`; gives the equity."""
    equity = 0.0
    for column, quantity in enumerate(quantities):
        weights[column] = quantity * prices[column]
        equity += weights[column]
    equity += cash
    if not equity > 0:
        raise ValueError(TOO_LOW)
    weights /= equity
    return equity


@compiled
def _fill_exposure(weights: Floats, found: Floats) -> None:
    gross, net, concentration, squares, largest = 0.0, 0.0, -1.0, 0.0, 0
    for column, weight in enumerate(weights):
        size = abs(weight)
        gross += size
        net += weight
        squares += size * size
        if size > concentration:
            concentration, largest = size, column
    found[0], found[1], found[2], found[3] = gross, net, concentration, largest
    found[4] = squares / (gross * gross + TINY)


@compiled
def _fill_outcomes(weights: Floats, by_asset: Floats, outcomes: Floats) -> None:
    """The portfolio's return in each scenario."""
    outcomes[:] = 0.0
    for column, weight in enumerate(weights):
        for scenario in range(len(outcomes)):
            outcomes[scenario] += weight * by_asset[column, scenario]


@compiled
def _fill_components(weights: Floats, moments: Floats, z: float, component: Floats) -> tuple[float, float]:
    """Component VaR; gives the portfolio's mean and standard deviation."""
    mean, deviations, covariance = moments[0], moments[1], moments[2:]
    assets = len(mean)
    component[:] = 0.0
    for column, weight in enumerate(weights):
        for other in range(assets):
            component[other] += weight * covariance[column, other]
    expected, variance, unhedged = 0.0, 0.0, 0.0
    for column, weight in enumerate(weights):
        variance += weight * component[column]
        expected += weight * mean[column]
        unhedged += abs(weight) * deviations[column]
    if variance <= assets * ROUNDING * unhedged * unhedged:
        variance = 0.0  # a perfect hedge's, rounded
    deviation = math.sqrt(variance)
    slope = z * deviation / (variance + TINY)
    for column, weight in enumerate(weights):
        component[column] = weight * (slope * component[column] - mean[column])
    return expected, deviation
