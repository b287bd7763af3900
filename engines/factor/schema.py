"""What the factor engine reads and answers; `model.FAMILIES` and /factors/definitions state how each is computed."""

from typing import Annotated

import msgspec
from msgspec import Meta

from engines.base.engine import Computed, Reply
from engines.base.fields import Name, Price

Closes = Annotated[list[Price], Meta(min_length=3, max_length=10_000)]
Window = Annotated[int, Meta(ge=2, le=10_000)]


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Daily closes by instrument, oldest first, and the market's level on the same days; windows in days."""

    closes: Annotated[dict[Name, Closes], Meta(min_length=1, max_length=2_000)]
    market: Closes
    windows: Annotated[list[Window], Meta(min_length=1, max_length=100)] | None = None


Batch = Annotated[list[Item], Meta(min_length=1, max_length=64)]


class Factors(Computed):
    """One row of values per instrument, in the order of `names`; null where a factor is not defined."""

    names: list[str]
    values: dict[str, list[float | None]]


class FactorBatch(Computed):
    """The factors of a batch, in the request's order."""

    results: list[Factors]


class Definition(msgspec.Struct):
    """One factor: its family, its window in days, and how it is computed."""

    name: str
    family: str
    window: int
    formula: str


class Definitions(Reply):
    """Every factor, family by family."""

    factors: list[Definition]


class Instruments(Reply):
    """The stock-years of the panel: a stock, and the last day of the year of prices."""

    instruments: list[str]


class Standing(msgspec.Struct):
    """One factor of one instrument; score and rank are among all instruments, neutral is free of NEUTRAL_TO."""

    value: float
    score: float
    rank: float
    neutral: float


class Results(Computed):
    """Every factor of one instrument."""

    instrument: str
    neutral_to: tuple[str, ...]
    factors: dict[str, Standing]


class Coefficient(msgspec.Struct):
    """How well a factor ordered the returns that followed: rank IC per date, over all dates."""

    name: str
    mean: float
    deviation: float
    ratio: float
    hit_rate: float


class Coefficients(Reply):
    """The rank information coefficients, the highest ratio first."""

    days_ahead: int
    dates: int
    factors: list[Coefficient]


class Correlations(Reply):
    """Correlation of one factor with the others, the strongest first."""

    factor: str
    correlations: dict[str, float]


class Summary(Reply):
    """What the panel holds, and how long its computation took."""

    instruments: int
    factors: int
    values: int
    defined: int
    since: str
    until: str
    computed_ms: float
    computed_by: Annotated[str, Meta(description="numba, where it is installed, or numpy.")]
    best: list[Coefficient]
