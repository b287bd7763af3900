"""The tape of a run: one fixed record per request while it runs, columns of numpy afterwards."""

from __future__ import annotations

from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nautilus_cli.bench.recording import Failure

UNKNOWN = -1
FIELDS = [
    ("due", np.int64),  # all in nanoseconds of the monotonic clock, `wire` apart
    ("sent", np.int64),
    ("done", np.int64),
    ("wire", np.int64),  # between two readings of the wall clock; UNKNOWN where the kernel did not say
    ("status", np.uint16),
    ("replica", np.uint16),
    ("failure", np.uint8),
    ("waited", np.uint8),  # whether it found no idle connection when it was due
]
RECORD = Struct("=qqqqHHBB")

Records = NDArray[Any]  # of FIELDS


class Tape:
    """Records in the order in which they were written; writing one takes 0.2 us and no objects that stay."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes) // RECORD.size

    def answered(self, times: tuple[int, int, int, int], status: int, replica: int, waited: bool) -> None:
        """Note a complete answer: due, sent, done and wire."""
        self._bytes += RECORD.pack(*times, status, replica, Failure.NONE, waited)

    def failed(self, times: tuple[int, int, int], failure: Failure, waited: bool) -> None:
        """Note a request that has no answer: due, sent and when it was given up."""
        self._bytes += RECORD.pack(*times, UNKNOWN, 0, 0, failure, waited)

    def since(self, first: int) -> Records:
        """A copy of the records from this one on."""
        return np.frombuffer(bytes(memoryview(self._bytes)[first * RECORD.size :]), dtype=FIELDS)
