"""What the risk engine reads and answers; the descriptions, which state each convention, are in its document."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from engines.base.engine import Computed, Reply
from engines.base.fields import Amount, Name, Return
from engines.base.portfolios import Positions
from engines.risk.limits import Breach, Limit, Verdict

ASSETS = 100
BATCH = 1024
CONFIDENCE = 0.95

Confidence = Annotated[float, Meta(ge=0.5, le=0.999, description="Of every VaR and ES: 0.95 leaves a tail of 5 %.")]


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A portfolio at the last closes, to be checked before it is traded."""

    positions: Positions
    cash: Amount = 0.0
    confidence: Confidence = CONFIDENCE


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One portfolio: positions at the last closes, or values (currency) with returns (scenarios, values)."""

    id: Name = "portfolio"
    positions: Positions | None = None
    values: Annotated[list[Amount], Meta(min_length=1, max_length=ASSETS)] | None = None
    returns: Annotated[list[list[Return]], Meta(min_length=2, max_length=5_000)] | None = None
    cash: Amount = 0.0
    confidence: Confidence = CONFIDENCE


class Lots(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An item of positions alone, which stay as they were written."""

    positions: msgspec.Raw
    id: Name = "portfolio"
    cash: Amount = 0.0
    confidence: Confidence = CONFIDENCE


Several = Meta(min_length=1, max_length=BATCH)
Batch = Annotated[list[Item], Several]
LotsBatch = Annotated[list[Lots], Several]


class Assessment(Computed):
    """A portfolio's risk figures and the verdict of every limit that applies to it.

    A weight is a position's value over equity. Losses are fractions of equity over one scenario, a day for the bundled
    prices; nothing is annualised. The scenarios of held portfolios and proposals are the last 252 daily returns.
    """

    portfolio_id: str
    approved: Annotated[bool, Meta(description="No limit of severity critical is exceeded.")]
    equity: Annotated[float, Meta(description="Positions and cash, in currency.")]
    gross_leverage: Annotated[float, Meta(description="Sum of the absolute weights.")]
    net_leverage: Annotated[float, Meta(description="Sum of the weights; shorts are negative.")]
    concentration: Annotated[float, Meta(description="The largest absolute weight, of largest_position.")]
    largest_position: str
    herfindahl: Annotated[float, Meta(description="HHI: sum of squared shares of the gross exposure; 0 without any.")]
    confidence: float
    historical_var: Annotated[
        float, Meta(description="The k-th largest loss of T scenarios, k = ceil((1 - confidence) T); no interpolation.")
    ]
    historical_es: Annotated[
        float, Meta(description="Mean of the worst (1 - confidence) T losses, the last in part (Rockafellar, Uryasev).")
    ]
    parametric_var: Annotated[
        float, Meta(description="Under a normal distribution of the scenarios' mean and covariance (ddof 1).")
    ]
    parametric_es: Annotated[float, Meta(description="Expected shortfall under the same distribution.")]
    component_var: Annotated[
        dict[str, float], Meta(description="Euler's parts of parametric_var by position; they add up to it.")
    ]
    limits: list[Verdict]


def record_of(names: Sequence[str]) -> type[msgspec.Struct]:
    """What is written as a dictionary of these names, in their order, and made in a tenth of its time."""
    fields = {f"f{place}": name for place, name in enumerate(names)}  # as names may be no identifiers
    return msgspec.defstruct("Record", [(field, float) for field in fields], rename=fields, gc=False)


class Assessments(Computed):
    """The checks of a batch, in the request's order."""

    results: list[Assessment]


class Limits(Reply):
    """Every limit, in the order in which they are checked."""

    limits: list[Limit]


class Breaches(Reply):
    """The open breaches of held portfolios, critical ones first."""

    breaches: list[Breach]


class Acknowledgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody has seen an open breach; it stays open until the portfolio is inside the limit again."""

    portfolio_id: Name
    limit_id: Name
    by: Name
    note: Annotated[str, Meta(max_length=1_000)] = ""
