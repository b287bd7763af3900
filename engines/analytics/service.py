"""The analytics engine: performance of the held portfolios and of the request's own."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from engines.analytics.events import Events
from engines.analytics.examples import CALCULATE, PORTFOLIOS, PROCESS
from engines.analytics.model import TOO_LOW, Floats, portfolio_values
from engines.analytics.schema import Analyses, Analysis, Batch, Held, Item, Lots, LotsBatch, Performance, Portfolios
from engines.base import compiled
from engines.base.books import PortfolioBook, PriceBook
from engines.base.bus import Bus, NoBus
from engines.base.engine import Call, Route
from engines.base.portfolios import Portfolio, quantities_of
from engines.base.prices import Prices
from engines.base.problem import invalid, unknown
from engines.base.settings import Settings

if compiled.AVAILABLE:
    from engines.analytics.kernels import table
    from engines.base.lots import LotReader
else:
    from engines.analytics.model import table

BLOCK = 32  # rows at once: larger temporary arrays are mapped anew for every operation, and cost twice as much
LOTS: msgspec.json.Decoder[list[Lots]] = msgspec.json.Decoder(LotsBatch)


class Series(NamedTuple):
    """One portfolio's numbers, ready for the model: values (n + 1,), flows (n,), benchmark returns (n,)."""

    id: str
    values: Floats
    flows: Floats | None
    benchmark: Floats
    risk_free: float
    field: str  # of the request, which a problem of it names


class Owned(NamedTuple):
    """A portfolio of shares (m,) by column, and cash."""

    id: str
    quantities: Sequence[float] | Floats
    cash: float
    risk_free: float
    field: str  # of the request, which a problem of it names


class Analytics:
    """Serves the measures of the demo portfolios and of portfolios in requests."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bus: Bus = NoBus()
        self._prices = PriceBook()
        self._held = PortfolioBook(self._prices)

    def join(self, bus: Bus) -> None:
        self._bus = bus
        Events(self._prices, self._held, self.analyse_held).subscribe(bus)

    def load(self) -> None:
        prices = Prices.load(self._settings.prices)
        self._prices.load(prices, self._bus.replicated)
        self._held.load(prices, self._bus.replicated)
        self._columns = {symbol: column for column, symbol in enumerate(prices.symbols)}
        self._lots = LotReader(prices.symbols) if compiled.AVAILABLE else None
        self._reprice()
        table(np.array([[1.0, 2.0, 1.0]]), np.zeros((1, 2)))  # loads the kernel, which no request shall wait for

    def _follow_prices(self) -> None:
        if self._priced != self._prices.changes:
            self._reprice()

    def _reprice(self) -> None:
        self._priced = self._prices.changes
        self._year = self._prices.current
        self._market = self._year.index[1:] / self._year.index[:-1] - 1

    def routes(self) -> Sequence[Route]:
        return (
            Route(
                *("GET", "/analytics/calculate/{portfolio_id}", self.calculate),
                replies=(Analysis,),
                hot=True,
                examples=CALCULATE,
            ),
            Route("GET", "/analytics/portfolios", self.portfolios, replies=(Portfolios,), examples=PORTFOLIOS),
            Route(
                *("POST", "/process", self.process),
                reads=Item | Batch,
                replies=(Analysis, Analyses),
                hot=True,
                examples=PROCESS,
            ),
            *self._held.routes(),
            *self._prices.routes(),
        )

    def calculate(self, call: Call) -> Analysis:
        """Measures of a held portfolio over the last year of prices"""
        portfolio = self._held.get(call.key)
        if portfolio is None:
            raise unknown("portfolio", call.key, "portfolio_id")
        return self.analyse_held(portfolio)

    def analyse_held(self, portfolio: Portfolio) -> Analysis:
        """Raises Problem where its value does not stay above zero."""
        held = Owned(portfolio.id, portfolio.quantities, portfolio.cash, 0.0, "portfolio_id")
        return analyse(self._series([held]))[0]

    def portfolios(self, _: Call) -> Portfolios:
        """The held portfolios"""
        since, until = (str(date) for date in self._prices.current.dates[[0, -1]])
        return Portfolios([Held(held.id, held.name) for held in self._held.values()], since, until)

    def process(self, call: Call) -> Analysis | Analyses:
        """Measures of the request's own portfolio, or of a batch of up to 1024"""
        if at_once := self._lots and self._lots.read(call.body, LOTS):
            results = self._at_once(*at_once)
            if results:
                return Analyses(results=results, computations=len(results))
        request: Item | list[Item] = call.read(Item | Batch)
        if isinstance(request, Item):
            return analyse(self._read([request], [""]))[0]
        results = analyse(self._read(request, [f"[{place}]." for place in range(len(request))]))
        return Analyses(results=results, computations=len(results))

    def _at_once(self, items: Sequence[Lots], quantities: Floats) -> list[Analysis]:
        """Measures of shares by column (k, m), if all have one rate and none is worth nothing; or nothing.

        The rest is read as any other request, which tells what is wrong with it.
        """
        self._follow_prices()
        rate = items[0].risk_free
        if any(item.risk_free != rate for item in items):
            return []
        cash, days = np.array([item.cash for item in items]), len(self._market)
        rows: list[list[float]] = []
        for start in range(0, len(items), BLOCK):
            block = slice(start, start + BLOCK)
            values = portfolio_values(quantities[block], self._year.closes, cash[block])
            try:
                rows += table(values, self._market[None, :], None, rate).tolist()
            except ValueError:
                return []
        return [Analysis(item.id, days, Performance(*row)) for item, row in zip(items, rows, strict=True)]

    def _read(self, items: Sequence[Item], fields: Sequence[str]) -> list[Series]:
        """The series of the items, in their order; those that are given as positions are valued all at once."""
        read = [self._owned(item, field) or _valued(item, field) for item, field in zip(items, fields, strict=True)]
        owned = [one for one in read if isinstance(one, Owned)]
        series = iter(self._series(owned)) if owned else iter(())
        return [next(series) if isinstance(one, Owned) else one for one in read]

    def _owned(self, item: Item, field: str) -> Owned | None:
        """The item, if it is given as positions."""
        if (item.positions is None) == (item.values is None):
            raise invalid("give either 'positions' or 'values'", f"{field}values")
        if item.positions is None:
            return None
        if item.flows is not None or item.benchmark is not None:
            name = "benchmark" if item.flows is None else "flows"
            raise invalid("goes with 'values', not with 'positions'", f"{field}{name}")
        field = f"{field}positions"
        return Owned(item.id, quantities_of(item.positions, self._columns, field), item.cash, item.risk_free, field)

    def _series(self, owned: Sequence[Owned]) -> list[Series]:
        """Their daily values over the last year, all at once."""
        self._follow_prices()
        if len(owned) == 1:  # in one dimension, which takes half the time
            values = [self._year.closes @ owned[0].quantities + owned[0].cash]
        else:
            quantities, cash = np.array([one.quantities for one in owned]), np.array([one.cash for one in owned])
            values = list(portfolio_values(quantities, self._year.closes, cash))
        rows = zip(owned, values, strict=True)
        return [Series(one.id, row, None, self._market, one.risk_free, one.field) for one, row in rows]


def _valued(item: Item, field: str) -> Series:
    """The item that is given as daily values."""
    values = np.array(item.values)
    days = len(values) - 1
    flows = None if item.flows is None else _daily(item.flows, days, f"{field}flows")
    if flows is not None and not (values[1:] > flows).all():
        raise invalid("a flow is not below the value of its day", f"{field}flows")
    none = np.full(days, np.nan)
    benchmark = none if item.benchmark is None else _daily(item.benchmark, days, f"{field}benchmark")
    return Series(item.id, values, flows, benchmark, item.risk_free, f"{field}values")


def analyse(series: Sequence[Series]) -> list[Analysis]:
    """Measure every series, those of one length together, and keep their order."""
    if len(series) == 1:
        return _measure(series)
    alike: defaultdict[tuple[int, bool, float], list[int]] = defaultdict(list)
    for place, one in enumerate(series):
        alike[len(one.benchmark), one.flows is None, one.risk_free].append(place)
    found: dict[int, Analysis] = {}
    for places in alike.values():
        for start in range(0, len(places), BLOCK):
            block = places[start : start + BLOCK]
            found.update(zip(block, _measure([series[place] for place in block]), strict=True))
    return [found[place] for place in range(len(series))]


def _measure(series: Sequence[Series]) -> list[Analysis]:
    """The measures of series of one length and one rate, all with flows or all without."""
    flows = [one.flows for one in series if one.flows is not None]
    values, benchmarks = _stack([one.values for one in series]), _stack([one.benchmark for one in series])
    try:
        found = table(values, benchmarks, _stack(flows) if flows else None, series[0].risk_free)
    except ValueError as error:
        if str(error) != TOO_LOW:
            raise
        if len(series) == 1:
            raise invalid("the portfolio's value does not stay above zero", series[0].field) from None
        return [_measure([one])[0] for one in series]  # the first that has a wrong one is told
    days = len(series[0].benchmark)
    rows = found.tolist()  # msgspec writes what is not finite as null
    return [Analysis(one.id, days, Performance(*row)) for one, row in zip(series, rows, strict=True)]


def _stack(rows: Sequence[Floats]) -> Floats:
    return rows[0][None, :] if len(rows) == 1 else np.array(rows)


def _daily(numbers: list[float], days: int, field: str) -> Floats:
    if len(numbers) != days:
        raise invalid(f"{len(numbers)} numbers for {days} days after the first", field)
    return np.array(numbers)


def create(settings: Settings) -> Analytics:
    """The engine, for `python -m engines.base`."""
    return Analytics(settings)
