"""The risk engine: figures and limits of the held portfolios, and of the request's own."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
import numpy as np

from engines.base import compiled
from engines.base.books import PortfolioBook, PriceBook
from engines.base.bus import Bus, NoBus
from engines.base.engine import Call, Route
from engines.base.portfolios import Portfolio, quantities_of
from engines.base.prices import Prices
from engines.base.problem import Problem, invalid, unknown
from engines.base.settings import Settings
from engines.base.state import is_stored
from engines.risk import examples
from engines.risk.acknowledged import Acknowledgements
from engines.risk.events import Events
from engines.risk.limits import Limit, LimitBook, approved
from engines.risk.model import FIGURES, TOO_LOW, Floats, Scenarios
from engines.risk.schema import (
    CONFIDENCE,
    Acknowledgement,
    Assessment,
    Assessments,
    Batch,
    Breaches,
    Item,
    Limits,
    Lots,
    LotsBatch,
    Proposal,
    record_of,
)

if compiled.AVAILABLE:
    from engines.base.lots import LotReader
    from engines.risk.kernels import assess
else:
    from engines.risk.model import assess

CONCENTRATION = FIGURES.index("concentration")
LEVERAGE = 1e6  # beyond it the equity is the rounding of what was taken from what
LOTS: msgspec.json.Decoder[list[Lots]] = msgspec.json.Decoder(LotsBatch)


class Columns(NamedTuple):
    """Names of assets, and what makes a record of one number of each."""

    names: Sequence[str]
    record: Callable[..., Any]


class Subject(NamedTuple):
    """One portfolio, ready for the model: shares (m,) of its scenarios' columns, their prices (m,), and cash."""

    id: str
    quantities: Sequence[float] | Floats
    prices: Floats
    cash: float
    columns: Columns
    scenarios: Scenarios
    confidence: float
    field: str  # of the request, which a problem of it names


class Risk:
    """Serves checks of the demo portfolios and of portfolios in requests, against the limits that it holds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._book = LimitBook()
        self._bus: Bus = NoBus()
        self._prices = PriceBook()
        self._held = PortfolioBook(self._prices)

    def join(self, bus: Bus) -> None:
        self._bus = bus
        Events(self._prices, self._held, self._check).subscribe(bus)

    def load(self) -> None:
        prices, state = Prices.load(self._settings.prices), self._bus.replicated
        self._prices.load(prices, state)
        self._held.load(prices, state)
        self._held.on_change = self._recheck
        self._limits = state.table("limits", Limit)
        self._limits.on_change = self._limit_changed
        self._seen = Acknowledgements(self._book, state)  # the last table: a new replica reads what it is about first
        self._assets = Columns(prices.symbols, record_of(prices.symbols))
        self._columns = {symbol: column for column, symbol in enumerate(prices.symbols)}
        self._lots = LotReader(prices.symbols) if compiled.AVAILABLE else None
        self._reprice()
        self._check_all()

    def _follow_prices(self) -> None:
        if self._priced != self._prices.changes:
            self._reprice()

    def _reprice(self) -> None:
        self._priced = self._prices.changes
        year = self._prices.current.closes
        self._scenarios = Scenarios.of(year[1:] / year[:-1] - 1)
        self._closes = year[-1]

    def routes(self) -> Sequence[Route]:
        check, limits, limit = "/risk/check/{portfolio_id}", "/risk/limits", "/risk/limits/{limit_id}"
        seen = "/risk/breaches/acknowledge"
        return (
            Route("GET", check, self.check, replies=(Assessment,), hot=True, examples=examples.CHECK),
            Route(*("POST", check, self.propose, Proposal, (Assessment,)), hot=True, examples=examples.PROPOSE),
            Route("GET", limits, self.limits, replies=(Limits,), examples=examples.LIMITS),
            Route(
                *("POST", limits, self.put_limit, Limit, (Limits,)), examples=examples.PUT_LIMIT, stored=self._stored
            ),
            Route(
                *("PUT", limit, self.put_limit, Limit, (Limits,)), examples=examples.REPLACE_LIMIT, stored=self._stored
            ),
            Route(
                *("DELETE", limit, self.remove_limit, None, (Limits,)),
                examples=examples.REMOVE_LIMIT,
                stored=self._stored,
            ),
            Route("GET", "/risk/breaches", self.breaches, replies=(Breaches,), examples=examples.BREACHES),
            Route(
                *("POST", seen, self.acknowledge, Acknowledgement, (Breaches,)),
                examples=examples.ACKNOWLEDGE,
                stored=self._stored,
            ),
            Route(
                *("POST", "/process", self.process, Item | Batch, (Assessment, Assessments)),
                hot=True,
                examples=examples.PROCESS,
            ),
            *self._held.routes(),
            *self._prices.routes(),
        )

    def check(self, call: Call) -> Assessment:
        """Check a held portfolio against the limits, and open or close its breaches"""
        portfolio = self._held.get(call.key)
        if portfolio is None:
            raise unknown("portfolio", call.key, "portfolio_id")
        return self._check(portfolio)

    def propose(self, call: Call) -> Assessment:
        """Check the positions of the body before they are traded, recording nothing; without a body, as GET does"""
        if not call.body:
            return self.check(call)
        proposal = call.read(Proposal)
        quantities = quantities_of(proposal.positions, self._columns, "positions")
        return self._assess([self._subject(call.key, quantities, proposal.cash, proposal.confidence, "positions")])[0]

    def limits(self, _: Call) -> Limits:
        """The limits"""
        return Limits(limits=self._book.limits)

    def put_limit(self, call: Call) -> Limits:
        """Add a limit or replace the one of its id, in every replica; held portfolios are checked against it at once"""
        limit = call.read(Limit)
        if call.key not in ("", limit.id):
            raise invalid(f"the address says '{call.key}'", "id")
        if limit.portfolio_id is not None and limit.portfolio_id not in self._held:
            raise invalid(f"no portfolio '{limit.portfolio_id}'", "portfolio_id")
        self._limits.put(limit.id, limit)
        return self.limits(call)

    def remove_limit(self, call: Call) -> Limits:
        """Remove a limit in every replica, and close its breaches"""
        if call.key not in (limit.id for limit in self._book.limits):
            raise unknown("limit", call.key, "limit_id")
        self._limits.delete(call.key)
        return self.limits(call)

    def breaches(self, _: Call) -> Breaches:
        """The limits that held portfolios exceed"""
        self._check_new_prices()
        return Breaches(breaches=self._seen.noted(self._book.breaches))

    def acknowledge(self, call: Call) -> Breaches:
        """Note who has seen an open breach, everywhere; it is listed until the portfolio is inside the limit again"""
        seen: Acknowledgement = call.read(Acknowledgement)
        self._check_new_prices()
        if not self._seen.put(seen):
            raise invalid(f"'{seen.portfolio_id}' has no open breach of '{seen.limit_id}'", "limit_id")
        return self.breaches(call)

    def process(self, call: Call) -> Assessment | Assessments:
        """Check the request's own portfolio, or a batch of up to 1024, recording nothing"""
        if at_once := self._lots and self._lots.read(call.body, LOTS):
            results = self._at_once(*at_once)
            if results:
                return Assessments(results=results, computations=len(results))
        request: Item | list[Item] = call.read(Item | Batch)
        if isinstance(request, Item):
            return self._assess([self._read(request, "")])[0]
        results = self._assess([self._read(item, f"[{place}].") for place, item in enumerate(request)])
        return Assessments(results=results, computations=len(results))

    async def _stored(self) -> bool:
        return await is_stored(self._bus.replicated)

    def _limit_changed(self, limit_id: str, limit: Limit | None) -> None:
        if limit is None:
            self._book.remove(limit_id)
        else:
            self._book.put(limit)
            self._check_all()

    def _check_new_prices(self) -> None:
        """Breaches follow the prices when somebody asks for them, not at every price."""
        if self._checked != self._prices.changes:
            self._check_all()

    def _check_all(self) -> None:
        self._checked = self._prices.changes
        for portfolio in self._held.values():
            self._recheck(portfolio)

    def _recheck(self, portfolio: Portfolio) -> None:
        """Its breaches follow; one that cannot be assessed is told to who asks for it."""
        with suppress(Problem):
            self._check(portfolio)

    def _check(self, portfolio: Portfolio) -> Assessment:
        held = self._subject(portfolio.id, portfolio.quantities, portfolio.cash, CONFIDENCE, "portfolio_id")
        assessment = self._assess([held])[0]
        self._book.record(portfolio.id, assessment.limits)
        return assessment

    def _at_once(self, items: Sequence[Lots], quantities: Floats) -> list[Assessment]:
        """Checks of shares by column (k, m), if all have one confidence and none is refused; or nothing.

        The rest is read as any other request, which tells what is wrong with it.
        """
        self._follow_prices()
        confidence, cash = items[0].confidence, np.array([item.cash for item in items])
        if any(item.confidence != confidence for item in items):
            return []
        try:
            found, components = assess(self._scenarios, quantities, self._closes, cash, confidence)
        except ValueError:
            return []
        if (found[:, CONCENTRATION] > LEVERAGE).any():
            return []
        whole = np.logical_and.reduce(components, axis=1).tolist()
        rows = zip(items, found.tolist(), components.tolist(), whole, strict=True)
        return [
            _assessment(item.id, self._assets, confidence, figures, parts, every, self._book)
            for item, figures, parts, every in rows
        ]

    def _read(self, item: Item, field: str) -> Subject:
        if (item.positions is None) == (item.values is None):
            raise invalid("give either 'positions' or 'values' with 'returns'", f"{field}values")
        if (item.values is None) != (item.returns is None):
            raise invalid("'values' and 'returns' go together", f"{field}returns")
        if item.positions is not None:
            quantities = quantities_of(item.positions, self._columns, f"{field}positions")
            return self._subject(item.id, quantities, item.cash, item.confidence, f"{field}positions")
        assert item.values is not None
        assert item.returns is not None
        if any(len(row) != len(item.values) for row in item.returns):
            raise invalid(f"every scenario needs {len(item.values)} returns, one per value", f"{field}returns")
        scenarios = Scenarios.of(np.array(item.returns))
        names = [str(column) for column in range(len(item.values))]
        worth = (item.values, np.ones(len(names)), item.cash)
        columns = Columns(names, lambda *numbers: dict(zip(names, numbers, strict=True)))
        return Subject(item.id, *worth, columns, scenarios, item.confidence, f"{field}values")

    def _subject(
        self, id_: str, quantities: Sequence[float] | Floats, cash: float, confidence: float, field: str
    ) -> Subject:
        self._follow_prices()
        return Subject(id_, quantities, self._closes, cash, self._assets, self._scenarios, confidence, field)

    def _assess(self, subjects: Sequence[Subject]) -> list[Assessment]:
        """Assess those that share scenarios and confidence together, and keep their order."""
        if len(subjects) == 1:
            return _figures(subjects, self._book)
        alike: defaultdict[tuple[int, float], list[int]] = defaultdict(list)
        for place, subject in enumerate(subjects):
            alike[id(subject.scenarios), subject.confidence].append(place)
        found: dict[int, Assessment] = {}
        for places in alike.values():
            found.update(zip(places, _figures([subjects[place] for place in places], self._book), strict=True))
        return [found[place] for place in range(len(subjects))]


def _figures(subjects: Sequence[Subject], book: LimitBook) -> list[Assessment]:
    """The assessments of subjects that share prices, scenarios and confidence."""
    first = subjects[0]
    quantities, cash = [subject.quantities for subject in subjects], [subject.cash for subject in subjects]
    try:
        found = assess(first.scenarios, np.array(quantities), first.prices, np.array(cash), first.confidence)
    except ValueError as error:
        if str(error) != TOO_LOW:
            raise
        if len(subjects) == 1:
            raise invalid(TOO_LOW, first.field) from None
        return [_figures([subject], book)[0] for subject in subjects]  # the first that has none is told
    figures, components = (part.tolist() for part in found)
    assessments = []
    for subject, row, parts in zip(subjects, figures, components, strict=True):
        if row[CONCENTRATION] > LEVERAGE:
            raise invalid(f"a position is more than {LEVERAGE:.0f} times the equity", subject.field)
        whole = 0.0 not in parts
        assessments.append(_assessment(subject.id, subject.columns, subject.confidence, row, parts, whole, book))
    return assessments


def _assessment(
    id_: str,
    columns: Columns,
    confidence: float,
    figures: list[float],
    components: list[float],
    whole: bool,
    book: LimitBook,
) -> Assessment:
    """Of figures by FIGURES; `whole` says that no component is zero, for those are left out."""
    gross, net, concentration, largest, herfindahl, var, es, parametric_var, parametric_es, equity = figures
    verdicts = book.judge(id_, figures)
    return Assessment(
        id_,
        approved(verdicts),
        equity,
        gross,
        net,
        concentration,
        columns.names[int(largest)],
        herfindahl,
        confidence,
        var,
        es,
        parametric_var,
        parametric_es,
        columns.record(*components) if whole else _some(columns.names, components),
        verdicts,
    )


def _some(names: Sequence[str], losses: Sequence[float]) -> dict[str, float]:
    return {name: loss for name, loss in zip(names, losses, strict=True) if loss}


def create(settings: Settings) -> Risk:
    """The engine, for `python -m engines.base`."""
    return Risk(settings)
