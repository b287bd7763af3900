"""Limits on portfolios, the breaches of them, and the book that holds both."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from engines.base.fields import Name
from engines.risk.model import FIGURES


class Kind(StrEnum):
    """What a limit bounds; the names are those of a check's figures."""

    GROSS_LEVERAGE = "gross_leverage"
    NET_LEVERAGE = "net_leverage"
    CONCENTRATION = "concentration"
    HISTORICAL_VAR = "historical_var"
    PARAMETRIC_VAR = "parametric_var"
    HISTORICAL_ES = "historical_es"


PLACES = {kind: FIGURES.index(kind) for kind in Kind}


class Severity(StrEnum):
    """A critical breach refuses the portfolio; a warning is only told."""

    WARNING = "warning"
    CRITICAL = "critical"


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The largest permitted size of one figure, for one portfolio or for all."""

    id: Name
    kind: Kind
    threshold: Annotated[float, Meta(ge=1e-9, le=1e6)]
    severity: Severity = Severity.CRITICAL
    active: bool = True
    portfolio_id: Name | None = None


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """One limit against one portfolio; utilisation above 1 is a breach."""

    limit_id: str
    kind: Kind
    severity: Severity
    value: float
    threshold: float
    utilisation: float
    breached: bool


class Seen(msgspec.Struct, frozen=True):
    """Who acknowledged a breach, when, and what there was to say."""

    by: str
    note: str
    at: datetime


class Breach(msgspec.Struct, frozen=True):
    """A limit that a held portfolio exceeds, since when, by the newest check's figures, and who has seen it."""

    portfolio_id: str
    limit_id: str
    kind: Kind
    severity: Severity
    value: float
    threshold: float
    opened_at: datetime
    checked_at: datetime
    acknowledged: Seen | None = None


DEFAULTS = (
    Limit("gross-leverage", Kind.GROSS_LEVERAGE, 3.0),
    Limit("single-name-concentration", Kind.CONCENTRATION, 0.25),
    Limit("value-at-risk", Kind.HISTORICAL_VAR, 0.05, Severity.WARNING),
)


class Rule(NamedTuple):
    """An active limit as a check needs it: the place of its figure in FIGURES, and whether that may be negative."""

    limit_id: str
    kind: Kind
    severity: Severity
    threshold: float
    portfolio_id: str | None
    place: int
    signed: bool

    @classmethod
    def of(cls, limit: Limit) -> "Rule":
        """The rule of a limit."""
        bounded = limit.kind, limit.severity, limit.threshold, limit.portfolio_id
        return cls(limit.id, *bounded, PLACES[limit.kind], limit.kind is Kind.NET_LEVERAGE)


class LimitBook:
    """The limits in force and the open breaches of held portfolios."""

    def __init__(self, limits: Sequence[Limit] = DEFAULTS) -> None:
        self._replace({limit.id: limit for limit in limits})
        self._breaches: dict[tuple[str, str], Breach] = {}
        self.on_close: Callable[[str, str], None] = lambda _portfolio_id, _limit_id: None

    @property
    def limits(self) -> list[Limit]:
        return list(self._limits.values())

    @property
    def breaches(self) -> list[Breach]:
        """Critical ones first, then in the order in which they were opened."""
        return sorted(self._breaches.values(), key=lambda breach: breach.severity is not Severity.CRITICAL)

    def put(self, limit: Limit) -> None:
        """Add the limit, or replace the one of its id; breaches of the old one are closed until the next check."""
        self._close(limit.id)
        self._replace({**self._limits, limit.id: limit})

    def remove(self, limit_id: str) -> bool:
        """Whether there was such a limit; its breaches are closed."""
        self._close(limit_id)
        known = limit_id in self._limits
        self._replace({id_: limit for id_, limit in self._limits.items() if id_ != limit_id})
        return known

    def judge(self, portfolio_id: str, figures: Sequence[float]) -> list[Verdict]:
        """Every active limit that applies to the portfolio, in the order in which they were set; figures by FIGURES."""
        verdicts = []
        for limit_id, kind, severity, threshold, only, place, signed in self._rules:
            if only is None or only == portfolio_id:
                value = figures[place]
                used = (abs(value) if signed else value) / threshold
                verdicts.append(Verdict(limit_id, kind, severity, value, threshold, used, used > 1))
        return verdicts

    def record(self, portfolio_id: str, verdicts: Sequence[Verdict]) -> None:
        """Open, refresh or close the breaches of a held portfolio."""
        for verdict in verdicts:
            key = (portfolio_id, verdict.limit_id)
            if verdict.breached:
                now = datetime.now(UTC)
                self._breaches[key] = _breach(portfolio_id, verdict, now, self._breaches.get(key))
            elif key in self._breaches:
                del self._breaches[key]
                self.on_close(*key)

    def has_breach(self, portfolio_id: str, limit_id: str) -> bool:
        """Whether such a breach is open."""
        return (portfolio_id, limit_id) in self._breaches

    def _replace(self, limits: dict[str, Limit]) -> None:
        """Whole: a check in another thread may be reading the old ones."""
        self._limits = limits
        self._rules = [Rule.of(limit) for limit in limits.values() if limit.active]

    def _close(self, limit_id: str) -> None:
        closed = [key for key in self._breaches if key[1] == limit_id]
        self._breaches = {key: breach for key, breach in self._breaches.items() if key[1] != limit_id}
        for key in closed:
            self.on_close(*key)


def _breach(portfolio_id: str, verdict: Verdict, now: datetime, before: Breach | None) -> Breach:
    return Breach(
        portfolio_id=portfolio_id,
        limit_id=verdict.limit_id,
        kind=verdict.kind,
        severity=verdict.severity,
        value=verdict.value,
        threshold=verdict.threshold,
        opened_at=before.opened_at if before else now,
        checked_at=now,
    )


def approved(verdicts: Sequence[Verdict]) -> bool:
    """No limit of severity critical is exceeded."""
    for verdict in verdicts:  # noqa: SIM110 (a generator takes twice as long)
        if verdict.breached and verdict.severity is Severity.CRITICAL:
            return False
    return True
