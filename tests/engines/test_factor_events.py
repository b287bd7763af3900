"""What a new price says of its stock, also where the others were not traded."""

import math
from collections.abc import Sequence
from datetime import date, timedelta

import msgspec

from engines.base.books import PriceBook
from engines.base.bus import Effect, Message, Publish
from engines.base.prices import Prices
from engines.base.state import State
from engines.factor.events import Events
from engines.factor.model import FAMILIES


def test_a_stock_that_alone_was_traded_for_two_weeks_has_a_score_of_every_family(prices: Prices) -> None:
    book = PriceBook()
    book.load(prices, State())
    events = Events(book)
    effects: Sequence[Effect] = ()
    for day in range(1, 15):
        row = {"symbol": "KO", "date": date(2023, 1, 2) + timedelta(day), "close": 63 + day % 3}
        effects = events.price(Message(str(day), "market.prices.KO", day, msgspec.json.encode(row)))
    said = effects[-1]
    assert isinstance(said, Publish)
    scores = said.payload["scores"]
    assert list(scores) == list(FAMILIES)
    assert all(math.isfinite(score) for score in scores.values())
