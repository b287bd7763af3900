"""The panel of stock-years that the factor engine serves: 20 stocks on 50 dates, a year of prices before each."""

import io
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter_ns

import numpy as np

from engines.base import compiled
from engines.base.prices import Prices
from engines.factor import model
from engines.factor.model import Floats

if compiled.AVAILABLE:
    from engines.factor.kernels import factors as factors
else:
    from engines.factor.model import factors as factors

DATES = 50  # with 20 stocks: 1,000 stock-years
YEAR = 253  # closes, for 252 returns
STEP = 131  # days from one date to the next
AHEAD = 21  # days of the return that a factor is judged by
TABLES = ("values", "scores", "ranks", "neutral")
NPY = "application/x-npy"
NEUTRAL_TO = ("market_beta_240", "volatility_240")


@dataclass(frozen=True)
class Panel:
    """Factor values (factors, instruments), date by date, and forward returns (dates - 1, stocks): one date less."""

    symbols: tuple[str, ...]
    dates: tuple[str, ...]
    instruments: dict[str, int]
    names: dict[str, int]
    values: Floats
    forward: Floats
    computed_ms: float

    @classmethod
    def of(cls, prices: Prices) -> "Panel":
        """Compute every factor on the newest DATES dates, STEP days apart."""
        ends = range(len(prices.dates) - (DATES - 1) * STEP, len(prices.dates) + 1, STEP)
        stocks = len(prices.symbols)
        closes = np.concatenate([prices.closes[end - YEAR : end].T for end in ends])
        market = np.repeat([prices.index[end - YEAR : end] for end in ends], stocks, axis=0)
        factors(closes[:1], market[:1])  # a kernel is loaded at its first call, which is not its cost
        started = perf_counter_ns()
        values = factors(closes, market)
        computed_ms = (perf_counter_ns() - started) / 1e6
        dates = tuple(str(prices.dates[end - 1]) for end in ends)
        instruments = [f"{symbol}@{date}" for date in dates for symbol in prices.symbols]
        return cls(
            symbols=prices.symbols,
            dates=dates,
            instruments={name: column for column, name in enumerate(instruments)},
            names={name: row for row, name in enumerate(model.names())},
            values=values,
            forward=np.array([prices.closes[end - 1 + AHEAD] / prices.closes[end - 1] - 1 for end in ends[:-1]]),
            computed_ms=computed_ms,
        )

    def npy(self, table: str) -> bytes:
        """One of TABLES as a numpy file (factors, instruments): 3.2 MB where JSON would be 7.9 MB.

        Not Arrow: pyarrow adds 171 MB to an image of 217 MB, and what a matrix of numbers needs, numpy writes itself.
        """
        file = io.BytesIO()
        np.save(file, getattr(self, table), allow_pickle=False)
        return file.getvalue()

    @cached_property
    def scores(self) -> Floats:
        """Winsorised z-scores (factors, instruments)."""
        return model.z_scores(self.values)

    @cached_property
    def ranks(self) -> Floats:
        """Ranks (factors, instruments), as fractions in (0, 1]."""
        return model.ranks(self.values) / len(self.instruments)

    @cached_property
    def coefficients(self) -> Floats:
        """Rank information coefficients (factors, dates - 1)."""
        by_date = self.values.reshape(len(self.names), len(self.dates), len(self.symbols))
        return model.rank_ic(by_date[:, :-1], self.forward)

    @cached_property
    def correlation(self) -> Floats:
        """Correlation of the factors' z-scores (factors, factors)."""
        return model.correlation(self.scores)

    @cached_property
    def neutral(self) -> Floats:
        """z-scores (factors, instruments) less what those of NEUTRAL_TO explain."""
        return model.neutralise(self.scores, self.scores[[self.names[name] for name in NEUTRAL_TO]].T)
