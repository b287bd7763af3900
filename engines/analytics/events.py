"""What analytics does with trading data: positions and prices become performance metrics."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from engines.base.books import PortfolioBook, PriceBook
from engines.base.bus import Bus, Effect, Message, Publish
from engines.base.engine import Reply
from engines.base.portfolios import Portfolio
from engines.base.problem import Problem
from engines.base.trading import POSITIONS, PRICES, PositionsUpdate, PriceUpdate, topic

PERFORMANCE = "analytics.performance"


class Events:
    """Handlers; each message is given to one replica."""

    def __init__(self, prices: PriceBook, held: PortfolioBook, analyse: Callable[[Portfolio], Reply]) -> None:
        self._prices = prices
        self._held = held
        self._analyse = analyse

    def subscribe(self, bus: Bus) -> None:
        """Ask for what is handled here."""
        bus.subscribe(f"{POSITIONS}.*", self.positions)
        bus.subscribe(f"{PRICES}.*", self.price)

    def positions(self, message: Message) -> Sequence[Effect]:
        """New positions are stored, and their performance is published."""
        update: PositionsUpdate = message.read(PositionsUpdate)
        put = self._held.accept(update, message.at)
        return [put, self._performance(self._held.portfolio(update.portfolio_id, update.holding))]

    def price(self, message: Message) -> Sequence[Effect]:
        """A new price is stored, and the performance of every portfolio that it is in is published."""
        update: PriceUpdate = message.read(PriceUpdate)
        put = self._prices.accept(update, message.at)
        effects: list[Effect] = [put]
        for portfolio in self._held.holding(update.symbol):
            with suppress(Problem):  # worth nothing any more: risk tells of it, and the others are measured
                effects.append(self._performance(portfolio))
        return effects

    def _performance(self, portfolio: Portfolio) -> Publish:
        return Publish(topic(PERFORMANCE, portfolio.id), self._analyse(portfolio))
