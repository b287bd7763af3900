"""What the analytics engine reads and answers; the descriptions, which state each convention, are in its document."""

from typing import Annotated

import msgspec
from msgspec import Meta

from engines.base.engine import Computed, Reply
from engines.base.fields import Amount, Name, Price, Return
from engines.base.portfolios import Positions

BATCH = 1024

RiskFree = Annotated[
    float, Meta(gt=-1, le=1, description="A fraction per year, compounded daily: (1 + rate)^(1/252) - 1 a day.")
]
Flows = Annotated[
    list[Amount],
    Meta(description="Money put in (positive) or taken out at the end of each day after the first, in currency."),
]
Benchmark = Annotated[list[Return], Meta(description="Daily returns of the benchmark, for each day after the first.")]


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One portfolio: its daily values, or positions and cash that are valued at the last year's closes.

    `flows` and `benchmark` go with `values`; positions are compared with the S&P 500.
    """

    id: Name = "portfolio"
    positions: Positions | None = None
    cash: Amount = 0.0
    values: Annotated[list[Price], Meta(min_length=3, max_length=100_000)] | None = None
    flows: Flows | None = None
    benchmark: Benchmark | None = None
    risk_free: RiskFree = 0.0


class Lots(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An item of positions alone, which stay as they were written."""

    positions: msgspec.Raw
    id: Name = "portfolio"
    cash: Amount = 0.0
    risk_free: RiskFree = 0.0


Several = Meta(min_length=1, max_length=BATCH)
Batch = Annotated[list[Item], Several]
LotsBatch = Annotated[list[Lots], Several]


class Performance(msgspec.Struct):
    """The measures of one portfolio, from simple daily returns and years of 252 days.

    Losses are positive fractions. null stands where a measure is not defined: a ratio over zero, or no benchmark.
    """

    pnl: Annotated[float | None, Meta(description="Profit in currency, without the flows.")]
    time_weighted_return: Annotated[
        float | None, Meta(description="Daily returns (value less flow, over the value before) chained over the span.")
    ]
    cagr: Annotated[float | None, Meta(description="The time-weighted return per year: (1 + twr)^(252/n) - 1.")]
    volatility: Annotated[
        float | None, Meta(description="Standard deviation (ddof 1) of the returns, times sqrt(252).")
    ]
    sharpe: Annotated[
        float | None, Meta(description="Mean return above the daily rate over its deviation (ddof 1), times sqrt(252).")
    ]
    sortino: Annotated[
        float | None,
        Meta(description="The same mean over the root of the mean squared shortfall of all n days, times sqrt(252)."),
    ]
    max_drawdown: Annotated[
        float | None, Meta(description="Largest loss since the highest value so far, the first one included.")
    ]
    calmar: Annotated[float | None, Meta(description="cagr over max_drawdown, over the whole span.")]
    var_95: Annotated[
        float | None,
        Meta(description="Historical one-day value at risk: 5 % quantile, interpolated linearly (type 7)."),
    ]
    cvar_95: Annotated[
        float | None, Meta(description="Mean loss of the returns up to the order statistic at or below that quantile.")
    ]
    beta: Annotated[float | None, Meta(description="Covariance with the benchmark over the benchmark's variance.")]
    alpha: Annotated[
        float | None, Meta(description="Jensen's: the mean daily one, a, compounded to a year, (1 + a)^252 - 1.")
    ]
    tracking_error: Annotated[
        float | None, Meta(description="Deviation (ddof 1) of the return above the benchmark's, times sqrt(252).")
    ]
    information_ratio: Annotated[
        float | None, Meta(description="Mean return above the benchmark's over its deviation, times sqrt(252).")
    ]
    win_rate: Annotated[float | None, Meta(description="Share of the days with a return above zero.")]


class Analysis(Computed):
    """The measures of one portfolio over `days` daily returns."""

    portfolio_id: str
    days: int
    performance: Performance


class Analyses(Computed):
    """The measures of a batch, in the request's order."""

    results: list[Analysis]


class Held(msgspec.Struct):
    """A portfolio that the engine holds."""

    id: str
    name: str


class Portfolios(Reply):
    """The portfolios that /analytics/calculate knows, and the days that they are measured over."""

    portfolios: list[Held]
    since: str
    until: str
