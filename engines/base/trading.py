"""Trading data on the bus: what the messages of trading.* and market.prices.* say."""

from datetime import date

import msgspec

from engines.base.bus import word
from engines.base.fields import Amount, Name, Price, Quantity
from engines.base.portfolios import Holding, Positions

POSITIONS, FILLS, PRICES = "trading.positions", "trading.fills", "market.prices"


class PositionsUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a portfolio holds now. With a version it repeats what is stored under that version already."""

    portfolio_id: Name
    positions: Positions
    cash: Amount = 0.0
    name: Name | None = None
    version: int | None = None

    @property
    def holding(self) -> Holding:
        """The portfolio itself."""
        return Holding(self.positions, self.cash, self.name)

    @property
    def topic(self) -> str:
        """Where it is published."""
        return topic(POSITIONS, self.portfolio_id)


class Fill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares that a portfolio has bought, or sold where the quantity is negative, at a price for each."""

    portfolio_id: Name
    symbol: Name
    quantity: Quantity
    price: Price


class PriceUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The close of one day, or the newest price of a day that is not over."""

    symbol: Name
    date: date
    close: Price


def topic(kind: str, name: str) -> str:
    """The topic of one kind of message about one thing: trading.positions.portfolio_001."""
    return f"{kind}.{word(name)}"
