"""The factor engine: 400 factors of 1,000 stock-years, and of the request's own prices."""

from collections.abc import Sequence

import numpy as np

from engines.base import compiled
from engines.base.books import PriceBook
from engines.base.bus import Bus, NoBus
from engines.base.engine import Call, Route
from engines.base.prices import Prices
from engines.base.problem import invalid, unknown
from engines.base.settings import Settings
from engines.factor import examples, model
from engines.factor.events import Events
from engines.factor.model import FAMILIES, WINDOWS
from engines.factor.panel import AHEAD, NEUTRAL_TO, NPY, TABLES, Panel, factors
from engines.factor.schema import (
    Batch,
    Coefficient,
    Coefficients,
    Correlations,
    Definition,
    Definitions,
    FactorBatch,
    Factors,
    Instruments,
    Item,
    Results,
    Standing,
    Summary,
)


class FactorEngine:
    """Serves the panel, and the factors of prices in requests."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bus: Bus = NoBus()
        self._prices = PriceBook()

    def join(self, bus: Bus) -> None:
        self._bus = bus
        Events(self._prices).subscribe(bus)

    def load(self) -> None:
        prices = Prices.load(self._settings.prices)
        self._panel = Panel.of(prices)
        self._prices.load(prices, self._bus.replicated)

    def routes(self) -> Sequence[Route]:
        # What is derived from the panel is computed at the first request and kept: 'slow', for that first time.
        correlations, results = "/factors/correlations/{factor}", "/factors/results/{instrument}"
        return (
            Route("GET", "/factors/definitions", self.definitions, replies=(Definitions,), examples=examples.DEFINED),
            Route("GET", "/factors/instruments", self.instruments, replies=(Instruments,), examples=examples.LISTED),
            Route(*("GET", "/factors/summary", self.summary), replies=(Summary,), slow=True, examples=examples.SUMMARY),
            Route(*("GET", "/factors/ic", self.coefficients), replies=(Coefficients,), slow=True, examples=examples.IC),
            Route("GET", results, self.results, replies=(Results,), slow=True, examples=examples.RESULTS),
            Route(
                *("GET", correlations, self.correlations),
                replies=(Correlations,),
                slow=True,
                examples=examples.CORRELATIONS,
            ),
            Route(*("GET", "/factors/panel/{table}", self.panel), slow=True, media_type=NPY, examples=examples.PANEL),
            Route(
                *("POST", "/process", self.process, Item | Batch, (Factors, FactorBatch)),
                slow=True,
                examples=examples.PROCESS,
            ),
            *self._prices.routes(),
        )

    def definitions(self, _: Call) -> Definitions:
        """Every factor and how it is computed"""
        names = iter(model.names())
        return Definitions(
            factors=[
                Definition(next(names), family, window, formula)
                for family, formula in FAMILIES.items()
                for window in WINDOWS
            ]
        )

    def instruments(self, _: Call) -> Instruments:
        """The instruments of the panel"""
        return Instruments(instruments=list(self._panel.instruments))

    def summary(self, _: Call) -> Summary:
        """The panel and its ten best factors"""
        panel = self._panel
        return Summary(
            instruments=len(panel.instruments),
            factors=len(panel.names),
            values=panel.values.size,
            defined=int(np.isfinite(panel.values).sum()),
            since=panel.dates[0],
            until=panel.dates[-1],
            computed_ms=panel.computed_ms,
            computed_by=compiled.PATH,
            best=self._coefficients()[:10],
        )

    def coefficients(self, _: Call) -> Coefficients:
        """Rank information coefficients of every factor"""
        dates = self._panel.coefficients.shape[1]
        return Coefficients(days_ahead=AHEAD, dates=dates, factors=self._coefficients())

    def results(self, call: Call) -> Results:
        """Every factor of one instrument, such as AAPL@2022-12-28"""
        panel = self._panel
        column = panel.instruments.get(call.key)
        if column is None:
            raise unknown("instrument", call.key, "instrument")
        tables = (panel.values, panel.scores, panel.ranks, panel.neutral)
        rows = zip(*(table[:, column].tolist() for table in tables), strict=True)
        factors = {name: Standing(*row) for name, row in zip(panel.names, rows, strict=True)}
        return Results(instrument=call.key, neutral_to=NEUTRAL_TO, factors=factors, computations=len(factors))

    def correlations(self, call: Call) -> Correlations:
        """Correlation of one factor with the others"""
        row = self._panel.names.get(call.key)
        if row is None:
            raise unknown("factor", call.key, "factor")
        pairs = zip(self._panel.names, self._panel.correlation[row].tolist(), strict=True)
        others = sorted((pair for pair in pairs if pair[0] != call.key), key=lambda pair: -abs(pair[1]))
        return Correlations(factor=call.key, correlations=dict(others))

    def panel(self, call: Call) -> bytes:
        """The whole panel as a numpy file, float64 (factors, instruments): values, scores, ranks or neutral

        Its rows are in the order of /factors/definitions, its columns in that of /factors/instruments.
        """
        if call.key not in TABLES:
            raise unknown("table", call.key, "table")
        return self._panel.npy(call.key)

    def process(self, call: Call) -> Factors | FactorBatch:
        """Factors of the request's own prices, or of a batch of up to 64 panels"""
        request: Item | list[Item] = call.read(Item | Batch)
        if isinstance(request, Item):
            return _compute(request, "")
        results = [_compute(item, f"[{place}].") for place, item in enumerate(request)]
        total = sum(len(result.names) * len(result.values) for result in results)
        return FactorBatch(results=results, computations=total)

    def _coefficients(self) -> list[Coefficient]:
        found = self._panel.coefficients
        mean, deviation = found.mean(axis=1), found.std(axis=1, ddof=1)
        columns = (mean, deviation, mean / deviation, (found > 0).mean(axis=1))
        rows = zip(self._panel.names, *(column.tolist() for column in columns), strict=True)
        return sorted((Coefficient(*row) for row in rows), key=lambda factor: -factor.ratio)


def _compute(item: Item, field: str) -> Factors:
    days = len(item.market)
    for name, series in item.closes.items():
        if len(series) != days:
            raise invalid(f"{len(series)} closes for {days} days of the market", f"{field}closes.{name}")
    windows = tuple(sorted(set(item.windows or WINDOWS)))
    if item.windows is None:
        windows = tuple(window for window in WINDOWS if window < days)
    if not windows or windows[-1] >= days:
        raise invalid(f"windows must be shorter than the {days} days", f"{field}windows")
    closes = np.array(list(item.closes.values()))
    values = factors(closes, np.broadcast_to(np.array(item.market), closes.shape), windows)
    rows = dict(zip(item.closes, values.T.tolist(), strict=True))  # msgspec writes what is not finite as null
    return Factors(names=model.names(windows), values=rows, computations=values.size)


def create(settings: Settings) -> FactorEngine:
    """The engine, for `python -m engines.base`."""
    return FactorEngine(settings)
