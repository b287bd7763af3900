"""When the requests of an open loop are due: known before the first is sent, whatever the answers do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np

from nautilus_cli.bench.recording import Open

CHUNK = 4096


def due_times(load: Open) -> Iterator[int]:
    """Nanoseconds since the start, rising, without end; the same for the same load."""
    return _poisson(load) if load.arrival == "poisson" else _constant(load.rate)


def _constant(rate: float) -> Iterator[int]:
    """Each from its number, so that no rounding adds up."""
    return (round(number * 1e9 / rate) for number in count())


def _poisson(load: Open) -> Iterator[int]:
    """Independent, exponentially distributed gaps."""
    random, last = np.random.default_rng(load.seed), 0.0
    while True:
        moments = last + np.cumsum(random.exponential(1e9 / load.rate, CHUNK))
        last = float(moments[-1])
        yield from moments.astype(np.int64).tolist()
