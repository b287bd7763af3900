"""Factors and cross-sections against naive numpy, pandas, scipy, statsmodels and alphalens, on real prices."""

from functools import partial

import alphalens
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from engines.base.prices import Prices
from engines.factor import model
from engines.factor.model import FAMILIES, WINDOWS, Floats

assert_close = partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-9)


@pytest.fixture(scope="module")
def panel(prices: Prices) -> tuple[Floats, Floats]:
    """Closes and the market of 60 stock-years, (60, 253) each."""
    ends = (1000, 5000, len(prices.dates))
    closes = np.concatenate([prices.closes[end - 253 : end].T for end in ends])
    return closes, np.repeat([prices.index[end - 253 : end] for end in ends], len(prices.symbols), axis=0)


def naive(closes: Floats, market: Floats, w: int) -> dict[str, float]:
    """One instrument's factors, each as its definition says it."""
    returns, market_returns = (levels[-w:] / levels[-w - 1 : -1] - 1 for levels in (closes, market))
    last, changes = closes[-w:], np.diff(closes[-w - 1 :])
    gains = changes[changes > 0].sum()
    return {
        "momentum": closes[-1] / closes[-1 - w] - 1,
        "price_to_sma": closes[-1] / last.mean() - 1,
        "volatility": returns.std(ddof=1) * np.sqrt(252),
        "skewness": stats.skew(returns),
        "kurtosis": stats.kurtosis(returns),
        "bollinger_z": (closes[-1] - last.mean()) / last.std(),
        "stochastic_k": 100 * (closes[-1] - last.min()) / (last.max() - last.min()),
        "rsi": 100 * gains / np.abs(changes).sum(),
        "max_return": returns.max(),
        "market_beta": np.cov(returns, market_returns)[0, 1] / market_returns.var(ddof=1),
    }


def test_every_factor_is_what_its_definition_says(panel: tuple[Floats, Floats]) -> None:
    closes, market = panel
    found = model.factors(closes, market).reshape(len(FAMILIES), len(WINDOWS), len(closes))
    for place, window in enumerate(WINDOWS):
        for instrument in range(len(closes)):
            expected = naive(closes[instrument], market[instrument], window)
            assert list(expected) == list(FAMILIES)
            assert_close(found[:, place, instrument], list(expected.values()), err_msg=f"window {window}")


def test_rolling_statistics_are_pandas(panel: tuple[Floats, Floats]) -> None:
    closes, market = panel
    found = dict(zip(model.names(), model.factors(closes, market), strict=True))
    frame = pd.DataFrame(closes.T)
    returns = frame.pct_change()
    for window in (6, 60, 240):
        mean = frame.rolling(window).mean().iloc[-1]
        deviation = frame.rolling(window).std(ddof=0).iloc[-1]
        expected = {
            "price_to_sma": frame.iloc[-1] / mean - 1,
            "bollinger_z": (frame.iloc[-1] - mean) / deviation,
            "volatility": returns.rolling(window).std().iloc[-1] * np.sqrt(252),
            "max_return": returns.rolling(window).max().iloc[-1],
        }
        for family, values in expected.items():
            np.testing.assert_allclose(found[f"{family}_{window:03}"], values, rtol=1e-8, atol=1e-10)


def test_the_names_are_in_the_order_of_the_rows(panel: tuple[Floats, Floats]) -> None:
    closes, market = panel
    names = model.names()
    assert len(names) == 400
    assert (names[0], names[39], names[40], names[-1]) == (
        "momentum_006",
        "momentum_240",
        "price_to_sma_006",
        "market_beta_240",
    )
    found = model.factors(closes, market, (21, 63))
    assert found.shape == (20, len(closes))
    np.testing.assert_allclose(found[model.names((21, 63)).index("momentum_063")], closes[:, -1] / closes[:, -64] - 1)


def test_blocks_do_not_show(panel: tuple[Floats, Floats], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model.factors(*panel)
    monkeypatch.setattr(model, "BLOCK", 7)
    np.testing.assert_array_equal(model.factors(*panel), whole)


def test_prices_in_another_currency_give_the_same_factors(panel: tuple[Floats, Floats]) -> None:
    closes, market = panel
    assert_close(model.factors(closes * 7.3, market * 0.01), model.factors(closes, market))


def test_what_is_not_defined_is_not_finite() -> None:
    flat = np.full((1, 10), 5.0)
    found = dict(zip(model.names((6,)), model.factors(flat, flat, (6,))[:, 0], strict=True))
    undefined = {name for name, value in found.items() if not np.isfinite(value)}
    assert undefined == {
        f"{name}_006" for name in ("skewness", "kurtosis", "bollinger_z", "stochastic_k", "rsi", "market_beta")
    }


@pytest.mark.parametrize("still", [7, 30])
def test_a_stock_that_was_not_traded_has_a_volatility_of_zero_and_no_shape(prices: Prices, still: int) -> None:
    closes, market = prices.closes[-253:].T.copy(), np.repeat([prices.index[-253:]], len(prices.symbols), axis=0)
    closes[:, -still:] = closes[:, [-still]]
    found = dict(zip(model.names((6, 60)), model.factors(closes, market, (6, 60)), strict=True))
    assert (found["volatility_006"] == 0).all()
    assert not np.isfinite([found["skewness_006"], found["kurtosis_006"]]).any()
    assert (found["volatility_060"] > 0.01).all()
    assert_close(found["kurtosis_060"][0], naive(closes[0], market[0], 60)["kurtosis"])


def test_nothing_is_measured_against_a_market_that_only_grows(panel: tuple[Floats, Floats]) -> None:
    closes, _ = panel
    market = np.broadcast_to(100 * 1.01 ** np.arange(closes.shape[1]), closes.shape)
    found = dict(zip(model.names(), model.factors(closes, market), strict=True))
    assert not np.isfinite([found[f"market_beta_{window:03}"] for window in WINDOWS]).any()


@given(
    arrays(np.float64, (2, 9), elements=st.sampled_from([0.5, 1.0, 1.0, 1 + 1e-15, 1.01, 3.0])),
    st.sampled_from([1e-9, 1.0, 7.3, 1e14]),
)
def test_any_prices_have_factors_within_their_bounds(prices: Floats, scale: float) -> None:
    found = model.factors(prices[:1] * scale, prices[1:] * scale, (2, 5, 8))[:, 0].reshape(len(FAMILIES), 3)
    named = dict(zip(FAMILIES, found, strict=True))
    assert (named["volatility"] >= 0).all()  # and a number
    for name, low, high in (("stochastic_k", 0, 100), ("rsi", 0, 100), ("kurtosis", -2, 8)):
        values = named[name][np.isfinite(named[name])]
        assert (values >= low - 1e-6).all(), name
        assert (values <= high + 1e-6).all(), name


def test_impossible_input_is_refused(panel: tuple[Floats, Floats]) -> None:
    closes, market = panel
    with pytest.raises(ValueError, match="shape"):
        model.factors(closes, market[:1])
    for windows in ((), (1,), (253,)):
        with pytest.raises(ValueError, match="windows must be between 2 and 252"):
            model.factors(closes, market, windows)
    with pytest.raises(ValueError, match="above zero"):
        model.factors(closes - closes, market)


def test_scores_are_scipys_after_pandas_clipping(panel: tuple[Floats, Floats]) -> None:
    values = model.factors(*panel)
    frame = pd.DataFrame(values.T)
    clipped = frame.clip(frame.quantile(0.01), frame.quantile(0.99), axis=1)
    assert_close(model.z_scores(values), stats.zscore(clipped.to_numpy().T, axis=1))


def test_what_has_no_value_has_no_score_and_counts_for_nothing() -> None:
    values = np.array([[1.0, np.nan, 3.0, np.inf, 8.0], [np.nan] * 5, [4.0] * 5])
    found = model.z_scores(values)
    np.testing.assert_array_equal(np.isnan(found[0]), [False, True, False, True, False])
    assert_close(found[0, [0, 2, 4]], model.z_scores(values[:1, [0, 2, 4]])[0])
    assert np.isnan(found[1:]).all()


@given(
    arrays(
        np.float64, st.tuples(st.integers(1, 3), st.integers(1, 12)), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0])
    )
)
def test_ranks_are_pandas_average_ranks(values: Floats) -> None:
    expected = pd.DataFrame(values).rank(axis=1, method="average").to_numpy()
    np.testing.assert_array_equal(model.ranks(values), expected)


def test_rank_ic_is_alphalens(prices: Prices) -> None:
    ends = range(2000, 8000, 400)
    closes = np.concatenate([prices.closes[end - 253 : end].T for end in ends])
    market = np.repeat([prices.index[end - 253 : end] for end in ends], len(prices.symbols), axis=0)
    forward = np.array([prices.closes[end + 20] / prices.closes[end - 1] - 1 for end in ends])
    values = model.factors(closes, market, (21, 126)).reshape(20, len(ends), len(prices.symbols))
    found = model.rank_ic(values, forward)
    assert found.shape == (20, len(ends))
    dates = pd.DatetimeIndex([prices.dates[end - 1] for end in ends])
    index = pd.MultiIndex.from_product([dates, prices.symbols], names=["date", "asset"])
    for factor, expected in enumerate(values):
        data = pd.DataFrame({"factor": expected.ravel(), "21D": forward.ravel()}, index=index)
        oracle = alphalens.performance.factor_information_coefficient(data)["21D"]
        assert_close(found[factor], oracle.to_numpy())


def test_residuals_are_statsmodels(panel: tuple[Floats, Floats]) -> None:
    values = model.factors(*panel)
    exposures = values[[399, 119]].T
    found = model.neutralise(values, exposures)
    design = sm.add_constant(exposures)
    for row in range(0, 400, 13):
        np.testing.assert_allclose(found[row], sm.OLS(values[row], design).fit().resid, rtol=1e-8, atol=1e-8)
    assert np.abs(exposures.T @ (found / np.abs(values).max(axis=1, keepdims=True)).T).max() < 1e-9


def test_collinear_exposures_are_refused(panel: tuple[Floats, Floats]) -> None:
    values = model.factors(*panel)
    with pytest.raises(ValueError, match="collinear"):
        model.neutralise(values, values[[0, 0]].T)


def test_correlation_is_pandas(panel: tuple[Floats, Floats]) -> None:
    scores = model.z_scores(model.factors(*panel))
    assert_close(model.correlation(scores), pd.DataFrame(scores.T).corr().to_numpy())
