"""The portfolios and prices that a replica serves: the bundled ones, and what was written through any replica."""

import logging
from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from engines.base import examples
from engines.base.bus import Put
from engines.base.engine import Call, Reply, Route
from engines.base.portfolios import YEAR, Holding, Portfolio, Position, demo_portfolios, quantities_of
from engines.base.prices import Prices
from engines.base.problem import Problem, invalid, unknown
from engines.base.state import State, is_stored
from engines.base.trading import Fill, PositionsUpdate, PriceUpdate

INDEX = "SP500"  # the symbol of the market index
log = logging.getLogger("nautilus.state")

Updates = Annotated[list[PriceUpdate], Meta(min_length=1, max_length=10_000)]


class HeldPortfolio(Reply):
    """A portfolio as it is held."""

    id: str
    name: str
    positions: list[Position]
    cash: float


class Loaded(Reply):
    """How many prices were taken, and the last day that there are prices of."""

    prices: int
    until: str


class PriceBook:
    """The last year of bundled prices and of days that were added; a symbol without a price of a day keeps its last."""

    KIND = "prices"
    DAYS = YEAR + 1  # prices, for YEAR returns

    def __init__(self) -> None:
        self._state = State()
        self.changes = 0  # grows with every change, so that what is derived can tell

    def load(self, bundled: Prices, state: State) -> None:
        """Begin with the bundled prices, and follow the state."""
        self._bundled = bundled.last(self.DAYS)
        self._last = bundled.dates[-1].astype(date)
        self._known = {*bundled.symbols, INDEX}
        self._current: Prices | None = self._bundled
        self._state = state
        self._table = state.table(self.KIND, float)
        self._table.on_change = self._changed

    @property
    def current(self) -> Prices:
        """The newest DAYS days."""
        if self._current is None:
            self._current = self._extended()
        return self._current

    def routes(self) -> Sequence[Route]:
        """PUT /prices."""
        route = ("PUT", "/prices", self.put, Updates, (Loaded,))
        return (Route(*route, stored=self._stored, examples=examples.PUT_PRICES),)

    def put(self, call: Call) -> Loaded:
        """Add closes of days after the bundled ones, or correct them, in every replica of every engine"""
        updates: list[PriceUpdate] = call.read(Updates)
        found = (self._fault(update, f"[{place}].") for place, update in enumerate(updates))
        if faults := [fault for fault in found if fault]:
            raise Problem.of(faults)
        for update in updates:
            self._table.put(_key(update), update.close)
        return Loaded(prices=len(updates), until=str(self.current.dates[-1]))

    def accept(self, update: PriceUpdate, version: int) -> Put:
        """Take a price of the bus; what is returned stores it. Raises Problem."""
        if fault := self._fault(update, ""):
            raise fault
        document = msgspec.json.encode(update.close)
        self._state.learn(self.KIND, _key(update), version, document)
        return Put(self.KIND, _key(update), version, document)

    async def _stored(self) -> bool:
        return await is_stored(self._state)

    def _fault(self, update: PriceUpdate, field: str) -> Problem | None:
        if update.symbol not in self._known:
            return invalid(f"there are no prices of '{update.symbol}'", f"{field}symbol")
        if update.date <= self._last:
            return invalid(f"the bundled prices end with {self._last}; give a later day", f"{field}date")
        return None

    def _changed(self, _key: str, _close: float | None) -> None:
        self._current = None
        self.changes += 1

    def _extended(self) -> Prices:
        """The newest of the bundled days and of those that were added."""
        bundled = self._bundled
        added: dict[str, dict[str, float]] = {}
        for key, close in self._table.items():
            day, _, symbol = key.partition("/")
            added.setdefault(day, {})[symbol] = close
        rows, levels = [bundled.closes[-1]], [bundled.index[-1]]
        for day in sorted(added):
            rows.append(np.array([added[day].get(s, last) for s, last in zip(bundled.symbols, rows[-1], strict=True)]))
            levels.append(added[day].get(INDEX, levels[-1]))
        extended = Prices(
            np.concatenate([bundled.dates, np.array(sorted(added), dtype=bundled.dates.dtype)]),
            bundled.symbols,
            np.vstack([bundled.closes, *rows[1:]]),
            np.concatenate([bundled.index, levels[1:]]),
        )
        return extended.last(self.DAYS)


class PortfolioBook:
    """The demo portfolios and those that were written, which replace demo ones of the same id."""

    KIND = "portfolios"

    def __init__(self, prices: PriceBook) -> None:
        self._prices = prices
        self._state = State()
        self.on_change: Callable[[Portfolio], None] = lambda _: None

    def load(self, bundled: Prices, state: State) -> None:
        """Begin with the demo portfolios, and follow the state."""
        self._symbols = bundled.symbols
        self._columns = {symbol: column for column, symbol in enumerate(bundled.symbols)}
        self._held = demo_portfolios(bundled)
        self._state = state
        self._table = state.table(self.KIND, Holding)
        self._table.on_change = self._changed

    def __contains__(self, id_: str) -> bool:
        return id_ in self._held

    def get(self, id_: str) -> Portfolio | None:
        """The portfolio of an id."""
        return self._held.get(id_)

    def values(self) -> list[Portfolio]:
        """All of them."""
        return list(self._held.values())

    def holding(self, symbol: str) -> list[Portfolio]:
        """Those that have a position in a symbol; all of them have one in the index."""
        column = self._columns.get(symbol)
        return [one for one in self.values() if column is None or one.quantities[column]]

    def routes(self) -> Sequence[Route]:
        """GET and PUT /portfolios/{portfolio_id}."""
        path = "/portfolios/{portfolio_id}"
        return (
            Route("GET", path, self.show, replies=(HeldPortfolio,), examples=examples.PORTFOLIO),
            Route(
                *("PUT", path, self.put, Holding, (HeldPortfolio,)),
                stored=self._stored,
                examples=examples.PUT_PORTFOLIO,
            ),
        )

    def show(self, call: Call) -> HeldPortfolio:
        """The positions and the cash of a held portfolio"""
        portfolio = self._held.get(call.key)
        if portfolio is None:
            raise unknown("portfolio", call.key, "portfolio_id")
        return HeldPortfolio(
            id=portfolio.id, name=portfolio.name, positions=self._positions(portfolio), cash=portfolio.cash
        )

    def put(self, call: Call) -> HeldPortfolio:
        """Hold this portfolio in every replica of every engine"""
        if not 0 < len(call.key) <= 100:
            raise invalid("an id has 1 to 100 characters", "portfolio_id")
        holding: Holding = call.read(Holding)
        self.portfolio(call.key, holding)
        self._table.put(call.key, holding)
        return self.show(call)

    def accept(self, update: PositionsUpdate, at: int) -> Put:
        """Take the positions that the bus tells; what is returned stores them. Raises Problem."""
        self.portfolio(update.portfolio_id, update.holding)
        version = at if update.version is None else update.version
        document = msgspec.json.encode(update.holding)
        self._state.learn(self.KIND, update.portfolio_id, version, document)
        return Put(self.KIND, update.portfolio_id, version, document)

    def fill(self, fill: Fill) -> tuple[Put, PositionsUpdate]:
        """What a fill makes of its portfolio, if that is still as it is known here. Raises Problem."""
        held = self._held.get(fill.portfolio_id)
        if held is None:
            raise unknown("portfolio", fill.portfolio_id, "portfolio_id")
        lots = [*self._positions(held), Position(fill.symbol, fill.quantity)]
        quantities = np.array(quantities_of(lots, self._columns, "symbol"))
        cash = held.cash - fill.quantity * fill.price
        after = Portfolio(held.id, held.name, quantities, cash)
        holding = Holding(self._positions(after) or [Position(fill.symbol, 0.0)], cash, held.name)
        version, known = self._state.now(), self._table.version(held.id)
        put = Put(self.KIND, held.id, version, msgspec.json.encode(holding), expected=known)
        return put, PositionsUpdate(held.id, holding.positions, cash, held.name, version)

    def portfolio(self, id_: str, holding: Holding) -> Portfolio:
        """The portfolio that is written so. Raises Problem where it cannot be valued."""
        quantities = np.array(quantities_of(holding.positions, self._columns, "positions"))
        if not quantities @ self._prices.current.closes[-1] + holding.cash > 0:
            raise invalid("the portfolio's equity (positions and cash) must be above zero", "positions")
        return Portfolio(id_, holding.name or id_, quantities, holding.cash)

    async def _stored(self) -> bool:
        return await is_stored(self._state)

    def _positions(self, portfolio: Portfolio) -> list[Position]:
        pairs = zip(self._symbols, portfolio.quantities.tolist(), strict=True)
        return [Position(symbol, quantity) for symbol, quantity in pairs if quantity]

    def _changed(self, id_: str, holding: Holding | None) -> None:
        if holding is None:
            return  # nothing deletes portfolios
        try:
            self._held[id_] = self.portfolio(id_, holding)
        except Problem as problem:  # it was written through an engine with other prices
            log.error("portfolio %r is not held here: %s", id_, problem)
            return
        self.on_change(self._held[id_])


def _key(update: PriceUpdate) -> str:
    return f"{update.date}/{update.symbol}"
