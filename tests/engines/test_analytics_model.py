"""The measures against empyrical-reloaded, numpy and their own definitions, on real prices."""

from functools import partial

import empyrical
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engines.analytics.model import (
    Floats,
    Measures,
    drawdowns,
    measure,
    portfolio_values,
    returns_of,
    tail_loss,
    wealth_of,
)
from engines.base.portfolios import demo_portfolios
from engines.base.prices import Prices

assert_close = partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12)
daily_returns = arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(3, 60)), elements=st.floats(-0.5, 0.5))


@pytest.fixture(scope="module")
def years(prices: Prices) -> tuple[Floats, Floats]:
    """Values of the demo portfolios and returns of the index over three years apart, (36, 253) and (36, 252)."""
    held = demo_portfolios(prices).values()
    quantities = np.array([portfolio.quantities for portfolio in held])
    values, benchmark = [], []
    for end in (2000, 5000, len(prices.dates)):
        closes, index = prices.closes[end - 253 : end], prices.index[end - 253 : end]
        # Cash that keeps the value above zero whatever the prices were.
        cash = 1e6 - np.minimum(0, quantities @ closes.T).min(axis=1)
        values.append(portfolio_values(quantities, closes, cash))
        benchmark.append(np.repeat([index[1:] / index[:-1] - 1], len(quantities), axis=0))
    return np.concatenate(values), np.concatenate(benchmark)


@pytest.mark.parametrize("risk_free", [0.0, 0.03])
def test_every_ratio_is_empyricals(years: tuple[Floats, Floats], risk_free: float) -> None:
    values, benchmark = years
    found = measure(values, benchmark, risk_free=risk_free)
    rate = (1 + risk_free) ** (1 / 252) - 1
    for row, (returns, market) in enumerate(zip(returns_of(values), benchmark, strict=True)):
        expected = {
            "cagr": empyrical.annual_return(returns),
            "time_weighted_return": empyrical.cum_returns_final(returns),
            "volatility": empyrical.annual_volatility(returns),
            "sharpe": empyrical.sharpe_ratio(returns, rate),
            "sortino": empyrical.sortino_ratio(returns, rate),
            "max_drawdown": -empyrical.max_drawdown(returns),  # a loss is positive here
            "calmar": empyrical.calmar_ratio(returns),
            "var_95": -empyrical.value_at_risk(returns),
            "cvar_95": -empyrical.conditional_value_at_risk(returns),
            "beta": empyrical.beta(returns, market, rate),
            "alpha": empyrical.alpha(returns, market, rate),
            "tracking_error": empyrical.annual_volatility(returns - market),
            "information_ratio": empyrical.excess_sharpe(returns, market) * np.sqrt(252),  # empyrical's is daily
        }
        for name, value in expected.items():
            assert_close(getattr(found, name)[row], value, err_msg=f"{name} of row {row}")


def test_profit_and_win_rate_by_hand() -> None:
    found = measure(np.array([[100.0, 110.0, 99.0, 99.0, 102.0]]), np.full((1, 4), np.nan))
    assert found.pnl.tolist() == [2.0]
    assert found.win_rate.tolist() == [0.5]
    assert found.max_drawdown[0] == pytest.approx(0.1)


def test_a_batch_is_its_portfolios_one_by_one(years: tuple[Floats, Floats]) -> None:
    values, benchmark = years
    batch = measure(values, benchmark)
    for row in range(len(values)):
        single = measure(values[row : row + 1], benchmark[row : row + 1])
        for name in Measures._fields:
            assert_close(getattr(single, name)[0], getattr(batch, name)[row])


def test_flows_are_not_performance(years: tuple[Floats, Floats]) -> None:
    values, benchmark = years[0][:1], years[1][:1]
    returns = returns_of(values)[0]
    flows = np.zeros_like(benchmark)
    flows[0, [20, 90, 200]] = [5e5, -2e5, 1e5]
    money = np.empty_like(values)
    money[0, 0] = values[0, 0]
    for day, change in enumerate(returns):
        money[0, day + 1] = money[0, day] * (1 + change) + flows[0, day]
    with_flows, without = measure(money, benchmark, flows), measure(values, benchmark)
    assert with_flows.pnl[0] == pytest.approx(money[0, -1] - money[0, 0] - 4e5)
    for name in set(Measures._fields) - {"pnl"}:
        assert_close(getattr(with_flows, name), getattr(without, name), err_msg=name)


def test_what_is_not_defined_is_not_finite() -> None:
    found = measure(np.full((1, 10), 100.0), np.full((1, 9), np.nan))
    undefined = {name for name in Measures._fields if not np.isfinite(getattr(found, name)[0])}
    assert undefined == {"sharpe", "sortino", "calmar", "beta", "alpha", "tracking_error", "information_ratio"}


def test_shorts_and_cash_are_in_the_value() -> None:
    values = portfolio_values(np.array([[2.0, -1.0]]), np.array([[10.0, 5.0], [12.0, 4.0]]), np.array([100.0]))
    assert values.tolist() == [[115.0, 120.0]]


def test_growth_without_a_ripple_has_no_risk_and_no_ratio_over_its_rounding() -> None:
    values = 100 * 1.01 ** np.arange(61.0)[None, :]
    found = measure(values, np.full((1, 60), 0.01), risk_free=1.01**252 - 1)
    assert found.cagr[0] == pytest.approx(1.01**252 - 1)
    assert [found.volatility[0], found.max_drawdown[0], found.tracking_error[0]] == [0, 0, 0]
    ratios = (found.sharpe, found.sortino, found.calmar, found.beta, found.alpha, found.information_ratio)
    assert not np.isfinite(ratios).any()


@given(arrays(np.float64, (1, 7), elements=st.sampled_from([1e-9, 1.0, 1.0, 1 + 1e-15, 1.01, 1e6, 1e15])))
def test_any_values_have_measures_within_their_bounds(values: Floats) -> None:
    found = measure(values, np.full((1, 6), 0.001))
    assert (found.volatility >= 0).all()  # and a number
    assert 0 <= found.max_drawdown[0] <= 1
    assert 0 <= found.win_rate[0] <= 1
    assert not np.isfinite([found.beta, found.alpha]).any()  # the benchmark does not move


def test_values_without_a_return_are_refused() -> None:
    with pytest.raises(ValueError, match="at least three"):
        returns_of(np.array([[1.0, 2.0]]))
    with pytest.raises(ValueError, match="above zero"):
        returns_of(np.array([[1.0, 0.0, 2.0]]))


@given(daily_returns)
def test_drawdowns_are_fractions(returns: Floats) -> None:
    losses = drawdowns(wealth_of(returns))
    assert losses.shape == returns.shape
    assert (losses >= 0).all()
    assert (losses <= 1).all()


@given(daily_returns, st.floats(0.01, 0.5), st.floats(0.01, 0.5))
def test_the_tail_grows_worse_further_out(returns: Floats, one: float, other: float) -> None:
    near, far = max(one, other), min(one, other)
    near_var, near_cvar = tail_loss(returns, near)
    far_var, far_cvar = tail_loss(returns, far)
    assert (far_var >= near_var - 1e-12).all()
    assert (far_cvar >= near_cvar - 1e-12).all()
    assert (near_cvar >= near_var - 1e-12).all()


@given(daily_returns, st.floats(0.5, 1e6))
def test_measures_do_not_depend_on_the_currency(returns: Floats, scale: float) -> None:
    values = np.concatenate([np.ones((len(returns), 1)), wealth_of(returns)], axis=1)
    benchmark = np.full_like(returns, np.nan)
    one, other = measure(values, benchmark), measure(values * scale, benchmark)
    for name in ("time_weighted_return", "volatility", "max_drawdown", "var_95", "cvar_95"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-6, atol=1e-9, err_msg=name)
