"""`model.assess`, compiled: the same definitions in one pass over each portfolio's assets and worst scenarios."""

import math

import numpy as np

from engines.base.compiled import compiled
from engines.risk.model import ROUNDING, TINY, Exposure, Floats, Places, Scenarios, TailRisk, normal, tail_of


def assess(scenarios: Scenarios, weights: Floats, confidence: float) -> tuple[Exposure, TailRisk]:
    """As `model.assess`; its first call in a process loads or compiles the kernel."""
    tail, count = tail_of(confidence, len(scenarios.returns))
    z, density = normal(confidence)
    ordered = np.sort(weights @ scenarios.returns.T, axis=1)
    found, largest, component = np.empty((8, len(weights))), np.empty(len(weights), np.intp), np.empty(weights.shape)
    moments = scenarios.mean, scenarios.deviation, scenarios.covariance
    _fill(weights, ordered, tail, count, *moments, z, density / (1 - confidence), found, largest, component)
    gross, net, concentration, herfindahl, *losses = found
    return Exposure(gross, net, concentration, largest, herfindahl), TailRisk._make((*losses, component))


@compiled
def _fill(
    weights: Floats,
    ordered: Floats,
    tail: float,
    count: int,
    mean: Floats,
    deviations: Floats,
    covariance: Floats,
    z: float,
    reach: float,
    found: Floats,
    largest: Places,
    component: Floats,
) -> None:
    _fill_exposure(weights, found, largest)
    _fill_historical(ordered, tail, count, found)
    _fill_parametric(weights, mean, deviations, covariance, z, reach, found, component)


@compiled
def _fill_exposure(weights: Floats, found: Floats, largest: Places) -> None:
    for row in range(len(weights)):
        gross, net, concentration, squares, place = 0.0, 0.0, -1.0, 0.0, 0
        for column, weight in enumerate(weights[row]):
            size = abs(weight)
            gross += size
            net += weight
            squares += size * size
            if size > concentration:
                concentration, place = size, column
        found[0, row], found[1, row], found[2, row] = gross, net, concentration
        found[3, row] = squares / (gross * gross + TINY)
        largest[row] = place


@compiled
def _fill_historical(ordered: Floats, tail: float, count: int, found: Floats) -> None:
    for row in range(len(ordered)):
        var = -ordered[row, count - 1]
        found[4, row] = var
        found[5, row] = var - (ordered[row, :count].sum() + count * var) / tail


@compiled
def _fill_parametric(
    weights: Floats,
    mean: Floats,
    deviations: Floats,
    covariance: Floats,
    z: float,
    reach: float,
    found: Floats,
    component: Floats,
) -> None:
    assets = len(mean)
    for row in range(len(weights)):
        expected, variance, unhedged = 0.0, 0.0, 0.0
        for column in range(assets):
            marginal = 0.0
            for other in range(assets):
                marginal += weights[row, other] * covariance[other, column]
            component[row, column] = marginal
            variance += weights[row, column] * marginal
            expected += weights[row, column] * mean[column]
            unhedged += abs(weights[row, column]) * deviations[column]
        if variance <= assets * ROUNDING * unhedged * unhedged:
            variance = 0.0  # a perfect hedge's, rounded
        deviation = math.sqrt(variance)
        slope = z * deviation / (variance + TINY)
        for column in range(assets):
            component[row, column] = weights[row, column] * (slope * component[row, column] - mean[column])
        found[6, row], found[7, row] = z * deviation - expected, reach * deviation - expected
