"""The tape of a run: one fixed record per request while it runs, columns of numpy afterwards."""

from __future__ import annotations

from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nautilus_cli.bench.recording import Failure, Nanoseconds

FIELDS = [
    ("due", np.int64),  # nanoseconds of the monotonic clock, as the next two
    ("sent", np.int64),
    ("done", np.int64),
    ("sent_wall", np.int64),  # nanoseconds of the wall clock
    ("came_seconds", np.int64),  # of the wall clock: when the kernel had the end of the answer, 0 where it did not say
    ("came_nanoseconds", np.int64),
    ("status", np.uint16),
    ("replica", np.uint16),
    ("failure", np.uint8),
    ("waited", np.uint8),  # whether it found no idle connection when it was due
]
RECORD = Struct("=qqqq16sHHBB")
pack = RECORD.pack

NEVER = bytes(16)  # the kernel's `timespec` of a packet that it did not stamp
UNKNOWN = -1
SKEW = 1_000_000  # nanoseconds that the two clocks may differ by during one request

Records = NDArray[Any]  # of FIELDS


class Tape:
    """Records in the order in which they were written; writing one takes 0.2 us, and reading none while it runs."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes) // RECORD.size

    def answered(
        self, due: int, sent: int, done: int, sent_wall: int, came: bytes, status: int, replica: int, waited: bool
    ) -> None:
        """Note a complete answer; `came` as the kernel wrote it, or NEVER."""
        self._bytes += pack(due, sent, done, sent_wall, came, status, replica, 0, waited)

    def failed(self, due: int, sent: int, done: int, failure: Failure, waited: bool) -> None:
        """Note a request that has no answer, and when it was given up."""
        self._bytes += pack(due, sent, done, 0, NEVER, 0, 0, failure, waited)

    def since(self, first: int) -> Records:
        """A copy of the records from this one on."""
        return np.frombuffer(bytes(memoryview(self._bytes)[first * RECORD.size :]), dtype=FIELDS)


def cut(records: Records, began: int, ended: int) -> Records:
    """Those that were due in this time, in the order of completion."""
    inside = records[(records["due"] >= began) & (records["due"] < ended)]
    return inside[np.argsort(inside["done"], kind="stable")]


def under_way(records: Records, began: int, ended: int) -> float:
    """How many requests were under way in this time, on average: mean latency x rate, exact at both ends."""
    times = np.minimum(records["done"], ended) - np.maximum(records["sent"], began)
    return float(np.sum(np.maximum(times, 0))) / max(1, ended - began)


def spanning(records: Records, began: int, ended: int) -> int:
    """How many requests were under way during all of this time."""
    return int(np.count_nonzero((records["sent"] < began) & (records["done"] > ended)))


def wire(records: Records) -> tuple[Nanoseconds, int]:
    """From sent until the kernel had the answer, UNKNOWN where it did not say; and how many were dropped.

    Both ends are readings of the wall clock. One that was set meanwhile makes the latency less than nothing, or more
    than what this process saw.
    """
    latencies = records["came_seconds"] * 1_000_000_000 + records["came_nanoseconds"] - records["sent_wall"]
    known = records["came_seconds"] != 0
    wrong = known & ((latencies < 0) | (latencies > records["done"] - records["sent"] + SKEW))
    return np.where(known & ~wrong, latencies, UNKNOWN), int(np.count_nonzero(wrong))
