"""The panel is 1,000 real stock-years, and its forward returns lie after what the factors saw."""

import numpy as np
import pytest

from engines.base.prices import Prices
from engines.factor import model
from engines.factor.panel import AHEAD, NEUTRAL_TO, Panel


@pytest.fixture(scope="module")
def panel(prices: Prices) -> Panel:
    return Panel.of(prices)


def test_the_panel_is_full(panel: Panel) -> None:
    assert panel.values.shape == (400, 1000)
    assert np.isfinite(panel.values).all()
    assert (len(panel.instruments), len(panel.names), len(panel.dates)) == (1000, 400, 50)
    assert list(panel.instruments)[::999] == ["AAPL@1997-06-26", "XOM@2022-12-28"]
    assert panel.forward.shape == (49, 20)
    assert panel.computed_ms > 0


def test_an_instrument_is_its_stock_at_its_date(panel: Panel, prices: Prices) -> None:
    for symbol, date in (("AAPL", panel.dates[0]), ("KO", panel.dates[26]), ("XOM", panel.dates[-1])):
        day = int(np.searchsorted(prices.dates, np.datetime64(date)))
        stock = prices.closes[: day + 1, prices.symbols.index(symbol)]
        found = panel.values[:, panel.instruments[f"{symbol}@{date}"]]
        assert found[panel.names["momentum_240"]] == pytest.approx(stock[-1] / stock[-241] - 1)
        index = prices.index[: day + 1]
        covariance = np.cov(stock[-60:] / stock[-61:-1], index[-60:] / index[-61:-1])
        assert found[panel.names["market_beta_060"]] == pytest.approx(covariance[0, 1] / covariance[1, 1])


def test_forward_returns_start_where_the_factors_end(panel: Panel, prices: Prices) -> None:
    for place in (0, 24, 48):
        day = int(np.searchsorted(prices.dates, np.datetime64(panel.dates[place])))
        np.testing.assert_allclose(panel.forward[place], prices.closes[day + AHEAD] / prices.closes[day] - 1)


def test_coefficients_are_per_date(panel: Panel) -> None:
    assert panel.coefficients.shape == (400, 49)
    columns = [panel.instruments[f"{symbol}@{panel.dates[30]}"] for symbol in panel.symbols]
    expected = model.rank_ic(panel.values[:, None, columns], panel.forward[30:31])
    np.testing.assert_allclose(panel.coefficients[:, 30], expected[:, 0])


def test_scores_and_ranks_are_over_all_instruments(panel: Panel) -> None:
    np.testing.assert_allclose(panel.scores.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(panel.scores.std(axis=1), 1)
    assert (panel.ranks.min() > 0, panel.ranks.max()) == (True, 1.0)


def test_neutral_scores_are_free_of_what_they_are_neutral_to(panel: Panel) -> None:
    for name in NEUTRAL_TO:
        exposure = panel.scores[panel.names[name]]
        assert np.abs(panel.neutral @ exposure).max() < 1e-6
    assert np.abs(panel.neutral[panel.names["momentum_240"]]).max() > 0.1
