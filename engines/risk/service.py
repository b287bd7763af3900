"""The risk engine: figures and limits of the held portfolios, and of the request's own."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from engines.base.books import PortfolioBook, PriceBook
from engines.base.bus import Bus, NoBus
from engines.base.engine import Call, Computed, Reply, Route
from engines.base.fields import Amount, Name, Return
from engines.base.portfolios import Portfolio, Position, quantities_of
from engines.base.prices import Prices
from engines.base.problem import Problem, invalid, unknown
from engines.base.settings import Settings
from engines.base.state import is_stored
from engines.risk.events import Events
from engines.risk.limits import Breach, Limit, LimitBook, Verdict
from engines.risk.model import Floats, Scenarios, exposure, tail_risk, weigh

ASSETS = 100
CONFIDENCE = 0.95
LEVERAGE = 1e6  # beyond it the equity is the rounding of what was taken from what
SHAPE = ("gross_leverage", "net_leverage", "concentration", "herfindahl")
TAIL = ("historical_var", "historical_es", "parametric_var", "parametric_es")
Positions = Annotated[list[Position], Meta(min_length=1, max_length=10_000)]
Confidence = Annotated[float, Meta(ge=0.5, le=0.999)]


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A portfolio at the last bundled closes, to be checked before it is traded."""

    positions: Positions
    cash: Amount = 0.0
    confidence: Confidence = CONFIDENCE


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One portfolio: positions at the last bundled closes, or values (currency) with returns (scenarios, values)."""

    id: Name = "portfolio"
    positions: Positions | None = None
    values: Annotated[list[Amount], Meta(min_length=1, max_length=ASSETS)] | None = None
    returns: Annotated[list[list[Return]], Meta(min_length=2, max_length=5_000)] | None = None
    cash: Amount = 0.0
    confidence: Confidence = CONFIDENCE


Batch = Annotated[list[Item], Meta(min_length=1, max_length=1024)]


class Assessment(Computed):
    """A portfolio's risk figures (losses are fractions of equity in one day) and the verdict of every limit."""

    portfolio_id: str
    approved: bool
    equity: float
    gross_leverage: float
    net_leverage: float
    concentration: float
    largest_position: str
    herfindahl: float
    confidence: float
    historical_var: float
    historical_es: float
    parametric_var: float
    parametric_es: float
    component_var: dict[str, float]
    limits: list[Verdict]


class Assessments(Computed):
    """The checks of a batch, in the request's order."""

    results: list[Assessment]


class Limits(Reply):
    """Every limit, in the order in which they are checked."""

    limits: list[Limit]


class Breaches(Reply):
    """The open breaches of held portfolios, critical ones first."""

    breaches: list[Breach]


@dataclass(frozen=True)
class Subject:
    """One portfolio, ready for the model: weights (m,) of the named columns of its scenarios."""

    id: str
    weights: Floats
    equity: float
    columns: Sequence[str]
    scenarios: Scenarios
    confidence: float


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
        self._symbols = prices.symbols
        self._columns = {symbol: column for column, symbol in enumerate(prices.symbols)}
        self._reprice()
        self._check_all()

    def _reprice(self) -> None:
        self._priced = self._prices.changes
        year = self._prices.current.closes
        self._scenarios = Scenarios.of(year[1:] / year[:-1] - 1)
        self._closes = year[-1]

    def routes(self) -> Sequence[Route]:
        check, limits, limit = "/risk/check/{portfolio_id}", "/risk/limits", "/risk/limits/{limit_id}"
        return (
            Route("GET", check, self.check, replies=(Assessment,), hot=True),
            Route("POST", check, self.propose, reads=Proposal, replies=(Assessment,), hot=True),
            Route("GET", limits, self.limits, replies=(Limits,)),
            Route("POST", limits, self.put_limit, reads=Limit, replies=(Limits,), stored=self._stored),
            Route("PUT", limit, self.put_limit, reads=Limit, replies=(Limits,), stored=self._stored),
            Route("DELETE", limit, self.remove_limit, replies=(Limits,), stored=self._stored),
            Route("GET", "/risk/breaches", self.breaches, replies=(Breaches,)),
            Route("POST", "/process", self.process, reads=Item | Batch, replies=(Assessment, Assessments), hot=True),
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
        portfolio = Portfolio(call.key, call.key, quantities, proposal.cash)
        return self._assess([self._subject(portfolio, proposal.confidence, "positions")])[0]

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
        if self._checked != self._prices.changes:
            self._check_all()
        return Breaches(breaches=self._book.breaches)

    def process(self, call: Call) -> Assessment | Assessments:
        """Check the request's own portfolio, or a batch of up to 1024, recording nothing"""
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

    def _check_all(self) -> None:
        self._checked = self._prices.changes
        for portfolio in self._held.values():
            self._recheck(portfolio)

    def _recheck(self, portfolio: Portfolio) -> None:
        """Its breaches follow; one that cannot be assessed is told to who asks for it."""
        with suppress(Problem):
            self._check(portfolio)

    def _check(self, portfolio: Portfolio) -> Assessment:
        assessment = self._assess([self._subject(portfolio, CONFIDENCE, "portfolio_id")])[0]
        self._book.record(portfolio.id, assessment.limits)
        return assessment

    def _read(self, item: Item, field: str) -> Subject:
        if (item.positions is None) == (item.values is None):
            raise invalid("give either 'positions' or 'values' with 'returns'", f"{field}values")
        if (item.values is None) != (item.returns is None):
            raise invalid("'values' and 'returns' go together", f"{field}returns")
        if item.positions is not None:
            quantities = quantities_of(item.positions, self._columns, f"{field}positions")
            portfolio = Portfolio(item.id, item.id, quantities, item.cash)
            return self._subject(portfolio, item.confidence, f"{field}positions")
        assert item.values is not None
        assert item.returns is not None
        if any(len(row) != len(item.values) for row in item.returns):
            raise invalid(f"every scenario needs {len(item.values)} returns, one per value", f"{field}returns")
        weights, equity = _weigh(np.array(item.values), np.ones(1), item.cash, f"{field}values")
        names = [str(column) for column in range(len(item.values))]
        return Subject(item.id, weights, equity, names, Scenarios.of(np.array(item.returns)), item.confidence)

    def _subject(self, portfolio: Portfolio, confidence: float, field: str) -> Subject:
        if self._priced != self._prices.changes:
            self._reprice()
        weights, equity = _weigh(portfolio.quantities, self._closes, portfolio.cash, field)
        return Subject(portfolio.id, weights, equity, self._symbols, self._scenarios, confidence)

    def _assess(self, subjects: Sequence[Subject]) -> list[Assessment]:
        """Assess those that share scenarios and confidence together, and keep their order."""
        alike: defaultdict[tuple[int, float], list[int]] = defaultdict(list)
        for place, subject in enumerate(subjects):
            alike[id(subject.scenarios), subject.confidence].append(place)
        found: dict[int, Assessment] = {}
        for places in alike.values():
            found.update(zip(places, _figures([subjects[place] for place in places], self._book), strict=True))
        return [found[place] for place in range(len(subjects))]


def _weigh(quantities: Floats, prices: Floats, cash: float, field: str) -> tuple[Floats, float]:
    try:
        weights, equity = weigh(quantities[None, :], prices, np.array([cash]))
    except ValueError as error:
        raise invalid(str(error), field) from None
    if np.abs(weights).max() > LEVERAGE:
        raise invalid(f"a position is more than {LEVERAGE:.0f} times the equity", field)
    return weights[0], equity.item()


def _figures(subjects: Sequence[Subject], book: LimitBook) -> list[Assessment]:
    """The assessments of subjects that share scenarios and confidence."""
    weights = np.array([subject.weights for subject in subjects])
    shape = exposure(weights)
    tail = tail_risk(subjects[0].scenarios, weights, subjects[0].confidence)
    columns = [getattr(source, name).tolist() for source, names in ((shape, SHAPE), (tail, TAIL)) for name in names]
    found = []
    for place, (subject, *row) in enumerate(zip(subjects, *columns, strict=True)):
        figures = dict(zip(SHAPE + TAIL, row, strict=True))
        verdicts = book.judge(subject.id, figures)
        components = zip(subject.columns, tail.component_var[place].tolist(), strict=True)
        found.append(
            Assessment(
                portfolio_id=subject.id,
                approved=not any(verdict.refuses for verdict in verdicts),
                equity=subject.equity,
                largest_position=subject.columns[shape.largest[place]],
                confidence=subject.confidence,
                component_var={name: loss for name, loss in components if loss},
                limits=verdicts,
                **figures,
            )
        )
    return found


def create(settings: Settings) -> Risk:
    """The engine, for `python -m engines.base`."""
    return Risk(settings)
