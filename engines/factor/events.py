"""What factor does with trading data: a new price becomes new scores of its stock among all stocks."""

from collections.abc import Sequence

import numpy as np

from engines.base.books import PriceBook
from engines.base.bus import Bus, Effect, Message, Publish
from engines.base.trading import PRICES, PriceUpdate, topic
from engines.factor import model
from engines.factor.panel import factors

SCORES = "factors.scores"


class Events:
    """Handlers; each message is given to one replica."""

    def __init__(self, prices: PriceBook) -> None:
        self._prices = prices

    def subscribe(self, bus: Bus) -> None:
        """Ask for what is handled here."""
        bus.subscribe(f"{PRICES}.*", self.price)

    def price(self, message: Message) -> Sequence[Effect]:
        """A new price is stored; the scores of its stock over the last year are published, of the index none."""
        update: PriceUpdate = message.read(PriceUpdate)
        put = self._prices.accept(update, message.at)
        symbols = self._prices.current.symbols
        if update.symbol not in symbols:
            return [put]
        row = self._scores()[:, symbols.index(update.symbol)].tolist()
        said = {"symbol": update.symbol, "date": update.date, "scores": dict(zip(model.FAMILIES, row, strict=True))}
        return [put, Publish(topic(SCORES, update.symbol), said)]

    def _scores(self) -> model.Floats:
        """Scores (families, stocks) on the newest day: the mean of a family's z-scores, where a window has one."""
        year = self._prices.current
        market = np.broadcast_to(year.index, (len(year.symbols), len(year.dates)))
        scores = model.z_scores(factors(year.closes.T, market)).reshape(len(model.FAMILIES), -1, len(year.symbols))
        defined = np.isfinite(scores)
        with np.errstate(invalid="ignore"):
            means: model.Floats = np.where(defined, scores, 0).sum(axis=1) / defined.sum(axis=1)
        return means
