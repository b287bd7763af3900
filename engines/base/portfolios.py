"""Positions as callers send them, and the demo portfolios, built from the bundled prices alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from engines.base.fields import Amount, Name, Quantity
from engines.base.prices import Floats, Prices
from engines.base.problem import Problem, invalid

EQUITY = 10_000_000.0
YEAR = 252


class Position(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Shares of one symbol, negative when sold short."""

    symbol: Name
    quantity: Quantity


Positions = Annotated[list[Position], Meta(min_length=1, max_length=10_000)]


class Holding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A portfolio as callers write it, and as it is stored."""

    positions: Positions
    cash: Amount = 0.0
    name: Name | None = None


def quantities_of(positions: Sequence[Position], columns: Mapping[str, int], field: str) -> list[float]:
    """Shares by column, several lots of one symbol added up; raises Problem 422 for symbols without a column.

    Not an array: single numbers of one cost more to add to, and a batch makes one array of all its portfolios.
    """
    quantities = [0.0] * len(columns)
    try:
        for position in positions:
            quantities[columns[position.symbol]] += position.quantity
    except KeyError:
        raise Problem.of(_unpriced(positions, columns, field)) from None
    return quantities


def _unpriced(positions: Sequence[Position], columns: Mapping[str, int], field: str) -> list[Problem]:
    return [
        invalid(f"there are no prices of '{position.symbol}'", f"{field}[{place}].symbol")
        for place, position in enumerate(positions)
        if position.symbol not in columns
    ]


class Portfolio(msgspec.Struct, frozen=True, eq=False):
    """Whole shares of the prices' symbols, short ones negative, and cash."""

    id: str
    name: str
    quantities: Floats
    cash: float


def demo_portfolios(prices: Prices) -> dict[str, Portfolio]:
    """`portfolio_001` ... `portfolio_012`, worth EQUITY at the last close; the same prices give the same portfolios."""
    year = prices.last(YEAR + 1)
    portfolios = {}
    for number, (name, rule) in enumerate(RULES, start=1):
        id_ = f"portfolio_{number:03}"
        quantities = np.trunc(rule(year) * EQUITY / year.closes[-1])
        portfolios[id_] = Portfolio(id_, name, quantities, EQUITY - float(quantities @ year.closes[-1]))
    return portfolios


def _concentrated(prices: Prices) -> Floats:
    """40 % in the first stock, above any usual single-name limit; the rest in equal parts."""
    weights = np.full(len(prices.symbols), 0.6 / (len(prices.symbols) - 1))
    weights[0] = 0.4
    return weights


def _equal(prices: Prices) -> Floats:
    return np.full(len(prices.symbols), 1 / len(prices.symbols))


def _inverse_volatility(prices: Prices) -> Floats:
    weights: Floats = 1 / _volatility(prices)
    return weights / float(weights.sum())


def _momentum(prices: Prices) -> Floats:
    return _equal_among(_momentum_order(prices)[-5:], prices)


def _low_volatility(prices: Prices) -> Floats:
    return _equal_among(np.argsort(_volatility(prices), kind="stable")[:5], prices)


def _long_short(prices: Prices) -> Floats:
    order = _momentum_order(prices)
    return _equal_among(order[-5:], prices) - _equal_among(order[:5], prices)


def _extended(prices: Prices) -> Floats:
    """130/30: the best five bought with what the worst five bring in."""
    order = _momentum_order(prices)
    return 1.3 * _equal_among(order[-5:], prices) - 0.3 * _equal_among(order[:5], prices)


def _leveraged(prices: Prices) -> Floats:
    """3.2 times the equity, above a gross leverage of 3."""
    return 3.2 * _equal(prices)


def _reversal(prices: Prices) -> Floats:
    return _equal_among(_momentum_order(prices)[:5], prices)


def _of(*symbols: str) -> Callable[[Prices], Floats]:
    def rule(prices: Prices) -> Floats:
        return _equal_among(np.array([prices.symbols.index(symbol) for symbol in symbols]), prices)

    return rule


RULES: tuple[tuple[str, Callable[[Prices], Floats]], ...] = (
    ("concentrated", _concentrated),
    ("equal weight", _equal),
    ("inverse volatility", _inverse_volatility),
    ("momentum", _momentum),
    ("low volatility", _low_volatility),
    ("long-short momentum", _long_short),
    ("130/30 momentum", _extended),
    ("leveraged equal weight", _leveraged),
    ("reversal", _reversal),
    ("energy", _of("CVX", "RRC", "XOM", "GE")),
    ("health care", _of("JNJ", "LLY", "MRK", "PFE", "UNH")),
    ("staples", _of("KO", "PEP", "PG", "WMT")),
)


def _equal_among(chosen: np.ndarray, prices: Prices) -> Floats:
    weights = np.zeros(len(prices.symbols))
    weights[chosen] = 1 / len(chosen)
    return weights


def _momentum_order(prices: Prices) -> np.ndarray:
    return np.argsort(prices.closes[-1] / prices.closes[0], kind="stable")


def _volatility(prices: Prices) -> Floats:
    volatility: Floats = np.std(prices.closes[1:] / prices.closes[:-1] - 1, axis=0, ddof=1)
    return volatility
