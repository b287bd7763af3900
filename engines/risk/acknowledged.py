"""Who has seen which breach: the same in all replicas, for as long as the breach is open."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from engines.base.state import State
from engines.risk.limits import Breach, LimitBook, Seen
from engines.risk.schema import Acknowledgement

KIND = "acknowledgements"


class Acknowledgements:
    """Those of the open breaches of a book, in the state that all replicas share."""

    def __init__(self, book: LimitBook, state: State) -> None:
        self._book = book
        self._table = state.table(KIND, Seen)
        book.on_close = self._closed

    def put(self, words: Acknowledgement) -> bool:
        """Whether there is such an open breach; it is acknowledged then."""
        if not self._book.has_breach(words.portfolio_id, words.limit_id):
            return False
        self._table.put(_key(words.portfolio_id, words.limit_id), Seen(words.by, words.note, datetime.now(UTC)))
        return True

    def noted(self, breaches: Iterable[Breach]) -> list[Breach]:
        """The breaches, each with who has seen it."""
        return [
            msgspec.structs.replace(breach, acknowledged=self._table.get(_key(breach.portfolio_id, breach.limit_id)))
            for breach in breaches
        ]

    def _closed(self, portfolio_id: str, limit_id: str) -> None:
        """Every replica finds this out by itself, some late: by then it may be open, and acknowledged, again."""
        key = _key(portfolio_id, limit_id)
        if self._table.get(key) is not None:
            self._table.withdraw(key)


def _key(portfolio_id: str, limit_id: str) -> str:
    """One text of two ids that may hold any character."""
    return msgspec.json.encode((portfolio_id, limit_id)).decode()
