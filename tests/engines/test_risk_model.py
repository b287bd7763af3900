"""Risk figures against QuantLib, scipy, linear programming and published constants, on real returns."""

import math
from functools import partial

import numpy as np
import pytest
import QuantLib
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.optimize import linprog

from engines.base.portfolios import demo_portfolios
from engines.base.prices import Prices
from engines.risk.model import Floats, Scenarios, exposure, historical, parametric, tail_risk, weigh

assert_close = partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12)
CONFIDENCES = (0.9, 0.95, 0.975, 0.99)
scenario_sets = arrays(np.float64, st.tuples(st.integers(2, 80), st.just(3)), elements=st.floats(-0.5, 0.5))
some_weights = arrays(np.float64, (1, 3), elements=st.floats(-3, 3))
confidences = st.floats(0.5, 0.999)


@pytest.fixture(scope="module")
def weights(prices: Prices) -> Floats:
    """Weights of the demo portfolios, (12, 20)."""
    held = demo_portfolios(prices).values()
    quantities = np.array([portfolio.quantities for portfolio in held])
    return weigh(quantities, prices.closes[-1], np.array([portfolio.cash for portfolio in held]))[0]


def returns_over(prices: Prices, days: int) -> Floats:
    closes = prices.closes[-days - 1 :]
    return closes[1:] / closes[:-1] - 1


def quantlib(returns: Floats) -> QuantLib.RiskStatistics:
    statistics = QuantLib.RiskStatistics()
    for value in returns:
        statistics.add(float(value), 1.0)
    return statistics


def test_historical_var_is_quantlibs(prices: Prices, weights: Floats) -> None:
    """Where (1 - confidence) T is not whole; where it is, QuantLib takes the next order statistic."""
    returns = returns_over(prices, 252)
    for confidence in CONFIDENCES:
        var, _ = historical(returns, weights, confidence)
        expected = [quantlib(returns @ row).valueAtRisk(confidence) for row in weights]
        assert_close(var, expected)


def test_expected_shortfall_is_quantlibs(prices: Prices, weights: Floats) -> None:
    """QuantLib's is the mean of what is strictly beyond VaR; ours adds the part of VaR itself that is in the tail."""
    returns = returns_over(prices, 252)
    for confidence in CONFIDENCES:
        _, shortfall = historical(returns, weights, confidence)
        tail = (1 - confidence) * 252
        beyond = math.ceil(tail) - 1
        for row, portfolio in enumerate(weights):
            statistics = quantlib(returns @ portfolio)
            part = (tail - beyond) * statistics.valueAtRisk(confidence)
            assert_close(shortfall[row], (beyond * statistics.expectedShortfall(confidence) + part) / tail)


@pytest.mark.parametrize("days", [37, 252])
def test_expected_shortfall_is_the_minimum_of_rockafellar_and_uryasev(
    prices: Prices, weights: Floats, days: int
) -> None:
    returns = returns_over(prices, days)
    for row in weights[[0, 5, 7]]:
        losses, tail = -returns @ row, 0.05 * days
        # minimise v + sum(u) / tail, u >= loss - v, u >= 0
        cost = np.concatenate([[1.0], np.full(days, 1 / tail)])
        bounds = [(None, None), *[(0, None)] * days]
        constraints = -np.column_stack([np.ones(days), np.eye(days)])
        solution = linprog(cost, A_ub=constraints, b_ub=-losses, bounds=bounds)
        _, shortfall = historical(returns, row[None, :], 0.95)
        assert shortfall[0] == pytest.approx(solution.fun, rel=1e-9)


def test_parametric_losses_are_scipys(prices: Prices, weights: Floats) -> None:
    scenarios = Scenarios.of(returns_over(prices, 252))
    for confidence in CONFIDENCES:
        var, shortfall, _ = parametric(scenarios, weights, confidence)
        for row, returns in enumerate(scenarios.returns @ portfolio for portfolio in weights):
            normal = stats.norm(returns.mean(), returns.std(ddof=1))
            assert_close(var[row], -normal.ppf(1 - confidence))
            tail_mean = normal.expect(lambda value: value, ub=normal.ppf(1 - confidence), conditional=True)
            np.testing.assert_allclose(shortfall[row], -tail_mean, rtol=1e-7)  # scipy integrates numerically


def test_the_constants_of_the_standard_normal() -> None:
    """Hull, Risk Management and Financial Institutions: 1.645, 2.326; ES of 97.5 % is 2.338, close to VaR of 99 %."""
    standard = Scenarios(np.zeros((2, 1)), np.zeros(1), np.ones((1, 1)))
    expected = {0.95: (1.644853627, 2.062712808), 0.975: (1.959963985, 2.337802792), 0.99: (2.326347874, 2.665214220)}
    for confidence, losses in expected.items():
        var, shortfall, _ = parametric(standard, np.ones((1, 1)), confidence)
        assert (var[0], shortfall[0]) == pytest.approx(losses, abs=5e-9)


def test_component_var_adds_up_and_is_the_gradient(prices: Prices, weights: Floats) -> None:
    scenarios = Scenarios.of(returns_over(prices, 252))
    var, _, component = parametric(scenarios, weights, 0.95)
    assert_close(component.sum(axis=1), var)
    step = 1e-6
    for asset in range(weights.shape[1]):
        shift = np.zeros(weights.shape[1])
        shift[asset] = step
        up, down = (parametric(scenarios, weights + sign * shift, 0.95)[0] for sign in (1, -1))
        np.testing.assert_allclose(component[:, asset], weights[:, asset] * (up - down) / (2 * step), atol=1e-8)


def test_exposure_by_hand() -> None:
    found = exposure(np.array([[0.5, -0.25, 0.25], [0.0, 0.0, 0.0]]))
    assert found.gross_leverage.tolist() == [1.0, 0.0]
    assert found.net_leverage.tolist() == [0.5, 0.0]
    assert found.concentration.tolist() == [0.5, 0.0]
    assert found.largest.tolist() == [0, 0]
    assert found.herfindahl.tolist() == [0.375, 0.0]


def test_a_short_counts_with_its_size() -> None:
    weights, equity = weigh(np.array([[1.0, -6.0]]), np.array([10.0, 10.0]), np.array([150.0]))
    assert equity.tolist() == [100.0]
    assert weights.tolist() == [[0.1, -0.6]]
    assert exposure(weights).concentration.tolist() == [0.6]


def test_a_batch_is_its_portfolios_one_by_one(prices: Prices, weights: Floats) -> None:
    scenarios = Scenarios.of(returns_over(prices, 252))
    batch = tail_risk(scenarios, weights, 0.95)
    for row in range(len(weights)):
        single = tail_risk(scenarios, weights[row : row + 1], 0.95)
        for name in type(batch)._fields:
            assert_close(getattr(single, name)[0], getattr(batch, name)[row])


def test_nothing_is_worth_nothing() -> None:
    scenarios = Scenarios.of(np.array([[0.1, 0.2], [-0.1, 0.0]]))
    found = tail_risk(scenarios, np.zeros((1, 2)), 0.95)
    assert [getattr(found, name).ravel().tolist() for name in ("historical_var", "historical_es")] == [[0.0], [0.0]]
    assert found.parametric_var.tolist() == [0.0]
    assert found.component_var.tolist() == [[0.0, 0.0]]


def test_a_whole_tail_is_not_rounded_up() -> None:
    """0.05 * 260 is 13.000000000000002 in floating point: VaR stays the 13th largest loss."""
    returns = np.arange(260.0)[:, None] / 1000
    var, _ = historical(-returns, np.ones((1, 1)), 0.95)
    assert var[0] == pytest.approx(0.247)


def test_impossible_input_is_refused() -> None:
    with pytest.raises(ValueError, match="equity"):
        weigh(np.ones((1, 2)), np.ones(2), np.array([-2.0]))
    with pytest.raises(ValueError, match="two scenarios"):
        Scenarios.of(np.ones((1, 2)))
    scenarios = Scenarios.of(np.eye(2))
    for confidence in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match="confidence"):
            tail_risk(scenarios, np.ones((1, 2)), confidence)


def test_a_perfect_hedge_has_no_risk_and_no_gap_in_its_figures() -> None:
    returns = np.zeros((7, 3))
    returns[-1] = -0.5, 0.5, 0.0
    found = tail_risk(Scenarios.of(returns), np.full((1, 3), 0.32068776), 0.95)  # its variance is rounded below zero
    assert found.parametric_var[0] == pytest.approx(0, abs=1e-12)
    assert found.component_var[0] == pytest.approx(-0.32068776 * returns.mean(axis=0), abs=1e-12)


@given(
    arrays(np.float64, (30, 2), elements=st.floats(-0.5, 0.5)),
    st.floats(0.01, 0.99),
    st.sampled_from([1e-6, 1.0, 3.2, 1e6]),
)
def test_a_replica_sold_against_its_parts_has_no_risk(returns: Floats, share: float, size: float) -> None:
    parts = np.array([share, 1 - share])
    scenarios = Scenarios.of(np.column_stack([returns, returns @ parts]))
    weights = size * np.array([[*parts, -1.0]])
    found = tail_risk(scenarios, weights, 0.95)
    np.testing.assert_allclose(found.component_var, -weights * scenarios.mean, rtol=1e-9, atol=1e-12 * size)
    assert found.parametric_var == pytest.approx(0, abs=1e-14 * size)


@given(scenario_sets, some_weights, confidences, confidences)
def test_losses_grow_with_the_confidence(returns: Floats, weights: Floats, one: float, other: float) -> None:
    low, high = (tail_risk(Scenarios.of(returns), weights, value) for value in sorted((one, other)))
    for name in ("historical_var", "historical_es", "parametric_var", "parametric_es"):
        assert getattr(high, name)[0] >= getattr(low, name)[0] - 1e-9, name


@given(scenario_sets, some_weights, confidences)
def test_the_mean_loss_beyond_var_is_no_smaller(returns: Floats, weights: Floats, confidence: float) -> None:
    found = tail_risk(Scenarios.of(returns), weights, confidence)
    assert found.historical_es[0] >= found.historical_var[0] - 1e-12
    assert found.parametric_es[0] >= found.parametric_var[0] - 1e-12


@given(scenario_sets, some_weights, some_weights, confidences)
def test_expected_shortfall_rewards_diversification(
    returns: Floats, one: Floats, other: Floats, confidence: float
) -> None:
    """Sub-additive, which VaR is not."""
    single, second, both = (historical(returns, weights, confidence)[1][0] for weights in (one, other, one + other))
    assert both <= single + second + 1e-9


@given(scenario_sets, some_weights, confidences, st.floats(0.1, 10))
def test_losses_scale_with_the_position(returns: Floats, weights: Floats, confidence: float, scale: float) -> None:
    scenarios = Scenarios.of(returns)
    one, other = tail_risk(scenarios, weights, confidence), tail_risk(scenarios, weights * scale, confidence)
    for name in ("historical_var", "historical_es", "parametric_var", "parametric_es"):
        np.testing.assert_allclose(getattr(other, name), scale * getattr(one, name), rtol=1e-7, atol=1e-9)


@given(arrays(np.float64, (2, 5), elements=st.floats(-5, 5)))
def test_exposure_is_ordered(weights: Floats) -> None:
    assume(np.abs(weights).sum(axis=1).min() > 1e-6)
    found = exposure(weights)
    assert (found.concentration <= found.gross_leverage + 1e-12).all()
    assert (np.abs(found.net_leverage) <= found.gross_leverage + 1e-12).all()
    assert (found.herfindahl >= 1 / 5 - 1e-9).all()
    assert (found.herfindahl <= 1 + 1e-9).all()
