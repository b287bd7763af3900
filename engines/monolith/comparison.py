"""What the comparison asks, as JSON: `python -m engines.monolith.comparison`.

The fast engine checks one portfolio. The slow one computes 400 factors of each of 20 stocks over a year, for `PANELS`
panels a request: real prices, and real work of some ten milliseconds.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engines.base.local import environment
from engines.base.prices import Prices
from engines.monolith.service import ENGINES

PANELS = 4
DAYS = 253


def comparison(own: Mapping[str, str]) -> dict[str, Any]:
    """The engines, which of them is fast and which slow, and the request that each is sent."""
    prices = Prices.load(Path(environment(own)["NAUTILUS_PRICES"])).last(DAYS)
    closes = {symbol: prices.closes[:, column].tolist() for column, symbol in enumerate(prices.symbols)}
    panels = [{"closes": closes, "market": prices.index.tolist()}] * PANELS
    sent = {"Content-Type": "application/json"}
    return {
        "engines": list(ENGINES),
        "fast": "risk",
        "slow": "factor",
        "requests": {
            "risk": {"method": "GET", "path": "/risk/check/portfolio_001", "headers": {}, "body": ""},
            "factor": {"method": "POST", "path": "/process", "headers": sent, "body": json.dumps(panels)},
        },
    }


if __name__ == "__main__":
    print(json.dumps(comparison(os.environ)))
