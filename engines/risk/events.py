"""What risk does with trading data: it keeps the book of positions, and tells of every limit that is exceeded."""

from collections.abc import Callable, Sequence
from typing import Protocol

from engines.base.books import PortfolioBook, PriceBook
from engines.base.bus import Bus, Effect, Message, Publish
from engines.base.portfolios import Portfolio
from engines.base.problem import Problem
from engines.base.trading import FILLS, POSITIONS, PRICES, Fill, PositionsUpdate, PriceUpdate, topic
from engines.risk.limits import Severity, Verdict

BREACHES = "risk.breaches"


class Checked(Protocol):
    """What a check says."""

    @property
    def limits(self) -> Sequence[Verdict]: ...


class Events:
    """Handlers; each message is given to one replica."""

    def __init__(self, prices: PriceBook, held: PortfolioBook, check: Callable[[Portfolio], Checked]) -> None:
        self._prices = prices
        self._held = held
        self._check = check

    def subscribe(self, bus: Bus) -> None:
        """Ask for what is handled here."""
        bus.subscribe(f"{POSITIONS}.*", self.positions)
        bus.subscribe(f"{FILLS}.*", self.fill)
        bus.subscribe(f"{PRICES}.*", self.price)

    def positions(self, message: Message) -> Sequence[Effect]:
        """New positions are stored and checked."""
        update: PositionsUpdate = message.read(PositionsUpdate)
        put = self._held.accept(update, message.at)
        return [put, *self._alerts(self._held.portfolio(update.portfolio_id, update.holding))]

    def fill(self, message: Message) -> Sequence[Effect]:
        """A fill changes its portfolio; the new positions are told, and handled as any others."""
        put, update = self._held.fill(message.read(Fill))
        return [put, Publish(topic(POSITIONS, update.portfolio_id), update)]

    def price(self, message: Message) -> Sequence[Effect]:
        """A new price is stored, and every portfolio that it is in is checked."""
        update: PriceUpdate = message.read(PriceUpdate)
        put = self._prices.accept(update, message.at)
        return [put, *(alert for one in self._held.holding(update.symbol) for alert in self._alerts(one))]

    def _alerts(self, portfolio: Portfolio) -> list[Publish]:
        """One for each limit that is exceeded now, whether or not it was before."""
        where = topic(BREACHES, portfolio.id)
        try:
            verdicts = self._check(portfolio).limits
        except Problem as problem:  # no limit is defined on it, and all are exceeded
            return [Publish(where, worthless(portfolio.id, problem))]
        return [Publish(where, alert(portfolio.id, verdict)) for verdict in verdicts if verdict.breached]


def worthless(portfolio_id: str, problem: Problem) -> dict[str, str]:
    """What an alert says of a portfolio whose equity is lost."""
    names = {"limit_id": "positive-equity", "kind": "equity", "severity": Severity.CRITICAL}
    return {"portfolio_id": portfolio_id, **names, "detail": problem.detail}


def alert(portfolio_id: str, verdict: Verdict) -> dict[str, str | float]:
    """What a breach alert says."""
    return {
        "portfolio_id": portfolio_id,
        "limit_id": verdict.limit_id,
        "kind": verdict.kind,
        "severity": verdict.severity,
        "value": verdict.value,
        "threshold": verdict.threshold,
    }
