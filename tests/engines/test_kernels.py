"""The compiled kernels give what the numpy models give, on real prices and where nothing is defined."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engines.analytics import model as analytics
from engines.base import compiled
from engines.base.compiled import capable
from engines.base.portfolios import demo_portfolios
from engines.base.prices import Prices
from engines.factor import model as factor
from engines.risk import model as risk
from tests.engines.conftest import ROOT

if not compiled.AVAILABLE:
    pytest.skip("numba is not installed or switched off, or the processor is below x86-64-v3", allow_module_level=True)

from engines.analytics import kernels as analytics_kernels
from engines.factor import kernels as factor_kernels
from engines.risk import kernels as risk_kernels

Floats = analytics.Floats
assert_close = partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-11)
some_returns = arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(2, 40)), elements=st.floats(-0.5, 0.5))


@pytest.fixture(scope="module")
def year(prices: Prices) -> Prices:
    return prices.last(253)


@pytest.fixture(scope="module")
def held(year: Prices) -> Floats:
    return np.array([portfolio.quantities for portfolio in demo_portfolios(year).values()])


@pytest.mark.parametrize("with_flows", [False, True])
@pytest.mark.parametrize("benchmarks", ["one", "each", "none"])
def test_performance(year: Prices, held: Floats, with_flows: bool, benchmarks: str) -> None:
    values = analytics.portfolio_values(held, year.closes, np.full(len(held), 5e7))
    flows = np.zeros((len(held), 252)) + np.arange(252) % 7 * 1e4 if with_flows else None
    market = np.diff(year.index)[None, :] / year.index[:-1]
    benchmark = {"one": market, "each": np.repeat(market, len(held), axis=0), "none": np.full((1, 252), np.nan)}
    given = (values, benchmark[benchmarks], flows, 0.03)
    for name, found, expected in zip(
        analytics.Measures._fields, analytics_kernels.table(*given).T, analytics.table(*given).T, strict=True
    ):
        assert_close(found, expected, err_msg=name)


@given(some_returns)
@settings(deadline=None)
def test_performance_of_any_returns(returns: Floats) -> None:
    values = 100 * np.concatenate([np.ones((len(returns), 1)), analytics.wealth_of(returns)], axis=1)
    pairs = zip(analytics_kernels.table(values, -returns).T, analytics.table(values, -returns).T, strict=True)
    for name, (found, expected) in zip(analytics.Measures._fields, pairs, strict=True):
        if name not in ("sharpe", "sortino", "beta", "alpha", "information_ratio", "calmar"):  # over nearly zero
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9, err_msg=name)


def test_performance_of_what_does_not_move() -> None:
    flat = (np.full((1, 10), 100.0), np.full((1, 9), np.nan))
    np.testing.assert_array_equal(analytics_kernels.table(*flat), analytics.table(*flat))


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_risk(year: Prices, held: Floats, confidence: float) -> None:
    quantities, cash = held.copy(), np.full(len(held), 1e6)
    quantities[0] = 0
    scenarios = risk.Scenarios.of(year.closes[1:] / year.closes[:-1] - 1)
    (found, components), (expected, parts) = (
        module.assess(scenarios, quantities, year.closes[-1], cash, confidence) for module in (risk_kernels, risk)
    )
    for name, one, other in zip(risk.FIGURES, found.T, expected.T, strict=True):
        assert_close(one, other, err_msg=name)
    assert_close(components, parts)


def test_factors(prices: Prices) -> None:
    closes = np.concatenate([prices.closes[end - 253 : end].T for end in (1000, 5000, 8313)])
    market = np.repeat([prices.index[end - 253 : end] for end in (1000, 5000, 8313)], 20, axis=0)
    for windows in (factor.WINDOWS, (63, 21, 252)):
        given = (closes, market, windows)
        np.testing.assert_allclose(factor_kernels.factors(*given), factor.factors(*given), rtol=1e-8, atol=1e-9)


def test_factors_of_what_does_not_move() -> None:
    flat = np.full((1, 10), 5.0)
    np.testing.assert_array_equal(factor_kernels.factors(flat, flat, (6,)), factor.factors(flat, flat, (6,)))


def test_factors_of_a_stock_that_was_not_traded_and_of_a_market_that_only_grows(prices: Prices) -> None:
    closes = prices.closes[-253:].T.copy()
    closes[:, -30:] = closes[:, [-30]]
    market = np.broadcast_to(100 * 1.01 ** np.arange(253), closes.shape)
    found, expected = (module.factors(closes, market, (6, 60)) for module in (factor_kernels, factor))
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
    some = np.isfinite(found)
    np.testing.assert_allclose(found[some], expected[some], rtol=1e-8, atol=1e-9)


def test_performance_of_growth_without_a_ripple() -> None:
    steady = (100 * 1.01 ** np.arange(61.0)[None, :], np.full((1, 60), 0.01))
    found, expected = analytics_kernels.table(*steady), analytics.table(*steady)
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
    np.testing.assert_allclose(found[np.isfinite(found)], expected[np.isfinite(found)], rtol=1e-9, atol=1e-14)


def test_risk_of_a_hedge(year: Prices) -> None:
    returns = year.closes[1:, :2] / year.closes[:-1, :2] - 1
    scenarios = risk.Scenarios.of(np.column_stack([returns, returns @ [0.3, 0.7]]))
    weights = np.array([[0.3, 0.7, -1.0]])
    _, component = risk_kernels.assess(scenarios, weights, np.ones(3), np.ones(1), 0.95)
    np.testing.assert_array_equal(component[0], [-0.3, -0.7, 1.0] * scenarios.mean)


@pytest.mark.parametrize("kernel", [analytics_kernels.table, analytics.table])
def test_values_without_a_return_are_refused(kernel: Callable[[Floats, Floats], object]) -> None:
    with pytest.raises(ValueError, match="above zero"):
        kernel(np.array([[1.0, 0.0, 2.0]]), np.zeros((1, 2)))


@pytest.mark.parametrize("kernel", [risk_kernels.assess, risk.assess])
def test_an_impossible_confidence_is_refused(kernel: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="confidence"):
        kernel(risk.Scenarios.of(np.eye(2)), np.ones((1, 2)), np.ones(2), np.ones(1), 1.0)


@pytest.mark.parametrize("kernel", [risk_kernels.assess, risk.assess])
def test_a_portfolio_without_equity_is_refused(kernel: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="above zero"):
        kernel(risk.Scenarios.of(np.eye(2)), np.ones((1, 2)), np.ones(2), np.array([-2.0]), 0.95)


@pytest.mark.parametrize("kernel", [factor_kernels.factors, factor.factors])
def test_impossible_windows_are_refused(kernel: Callable[[Floats, Floats, tuple[int, ...]], object]) -> None:
    with pytest.raises(ValueError, match="windows must be between 2 and 9"):
        kernel(np.ones((1, 10)), np.ones((1, 10)), (10,))


def test_what_a_broadcast_row_gives_is_no_second_kernel(prices: Prices) -> None:
    """A kernel is compiled for each combination of types: one that a request met first would be waited for."""
    kernel: Any = factor_kernels._fill
    factor_kernels.factors(np.ones((2, 4)), np.ones((2, 4)), (2,))
    closes = np.array([[1.0, 2.0, 3.0, 2.5]])
    factor_kernels.factors(closes, np.broadcast_to(np.array([1.0, 2.0, 2.5, 2.0]), closes.shape), (2,))
    factor_kernels.factors(np.asfortranarray(np.ones((3, 4))), np.ones((3, 4)), (2,))
    assert len(kernel.signatures) == 1


def test_processors_below_the_fixed_one_compute_with_numpy() -> None:
    enough = "processor: 0\nflags\t\t: fpu avx2 bmi1 bmi2 f16c fma movbe\n"
    assert capable(enough)
    assert not capable(enough.replace("fma ", ""))
    assert not capable("")


def test_a_shipped_cache_is_used_where_it_cannot_be_written(tmp_path: Path) -> None:
    """What an image holds: source and cache, in folders that cannot be written (which root, here, could)."""
    package = tmp_path / "shipped"
    package.mkdir()
    (package / "kernels.py").write_text(
        "from engines.base.compiled import compiled\n\n\n@compiled\ndef double(x):\n    return 2 * x\n"
    )
    code = "from shipped.kernels import double; print(double(4.0), sum(double.stats.cache_hits.values()))"
    closed = "import os, tempfile; os.access = lambda *_: False; tempfile.TemporaryFile = None; "
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}

    def run(words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", words], env=environment, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() or done.stderr.splitlines()[-1]

    assert run(closed + code) == "TypeError: 'NoneType' object is not callable"
    assert run(code) == "8.0 0"
    assert run(closed + code) == "8.0 1"
