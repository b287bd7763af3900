"""The demo portfolios follow from the prices alone."""

import numpy as np
import pytest

from engines.base.portfolios import EQUITY, Position, demo_portfolios, quantities_of
from engines.base.prices import Prices
from engines.base.problem import Problem


def test_every_portfolio_is_worth_the_same(prices: Prices) -> None:
    held = demo_portfolios(prices)
    assert list(held) == [f"portfolio_{number:03}" for number in range(1, 13)]
    for portfolio in held.values():
        assert portfolio.quantities @ prices.closes[-1] + portfolio.cash == pytest.approx(EQUITY, abs=1e-6)
        assert np.array_equal(portfolio.quantities, np.trunc(portfolio.quantities))


def test_the_same_prices_give_the_same_portfolios(prices: Prices) -> None:
    first, second = demo_portfolios(prices), demo_portfolios(prices)
    for id_, portfolio in first.items():
        np.testing.assert_array_equal(portfolio.quantities, second[id_].quantities)


def test_what_the_names_promise(prices: Prices) -> None:
    held = {
        portfolio.name: portfolio.quantities * prices.closes[-1] / EQUITY
        for portfolio in demo_portfolios(prices).values()
    }
    assert held["concentrated"].max() == pytest.approx(0.4, abs=1e-4)
    assert np.abs(held["leveraged equal weight"]).sum() == pytest.approx(3.2, abs=1e-3)
    assert held["long-short momentum"].sum() == pytest.approx(0, abs=1e-3)
    assert np.abs(held["long-short momentum"]).sum() == pytest.approx(2, abs=1e-3)
    assert held["130/30 momentum"].sum() == pytest.approx(1, abs=1e-3)
    year = prices.closes[-1] / prices.closes[-253]
    assert year[held["momentum"] > 0].min() > year[held["momentum"] == 0].max()
    assert (held["health care"] > 0).sum() == 5


def test_lots_of_one_symbol_add_up() -> None:
    lots = [Position("B", 2), Position("A", 1), Position("B", -5)]
    assert quantities_of(lots, {"A": 0, "B": 1}, "positions") == [1, -3]


def test_an_unknown_symbol_is_named() -> None:
    with pytest.raises(Problem, match="no prices of 'C'") as caught:
        quantities_of([Position("A", 1), Position("C", 1)], {"A": 0}, "[2].positions")
    assert caught.value.field == "[2].positions[1].symbol"
