"""What became of the requests to one engine while something happened, and when: losses, gaps, recovery. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nautilus_cli.bench.recording import Failure, Recording

Seconds = NDArray[np.float64]

FIRST_ERROR = 400  # the lowest status that is a failure
TIMES = 10  # the median of before: what is slower than that is slow
LEAST = 0.05  # seconds; what is faster is not called slow without an objective


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Requests in any order, arrays of one length; times are seconds since the epoch."""

    due: Seconds
    done: Seconds  # when the answer was complete, or the failure known
    status: NDArray[np.uint16]  # 0 where there is no answer
    failure: NDArray[np.uint8]  # see `Failure`

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which have a whole answer that is no error."""
        fine: NDArray[np.bool_] = (self.failure == Failure.NONE) & (self.status < FIRST_ERROR)
        return fine

    @property
    def sent(self) -> int:
        """How many there are."""
        return len(self.due)

    @property
    def lost(self) -> int:
        """How many have no good answer."""
        return int(np.count_nonzero(~self.answered))

    @property
    def reasons(self) -> Mapping[str, int]:
        """Why so many were lost: 'reset', '503'; the most frequent first."""
        bad = ~self.answered
        pairs = zip(self.status[bad].tolist(), self.failure[bad].tolist(), strict=True)
        words = Counter(str(status) if not failure else Failure(failure).name.lower() for status, failure in pairs)
        return dict(sorted(words.items(), key=lambda item: (-item[1], item[0])))

    @property
    def latencies(self) -> Seconds:
        """Of those that were answered well, from when they were due."""
        return (self.done - self.due)[self.answered]

    @property
    def slowest(self) -> float:
        """The longest wait for a good answer; 0 where there is none."""
        return float(np.max(self.latencies, initial=0.0))

    @property
    def median(self) -> float | None:
        """The median wait for a good answer."""
        return float(np.median(self.latencies)) if len(self.latencies) else None

    def slow(self, bound: float) -> int:
        """How many good answers took longer than so many seconds."""
        return int(np.count_nonzero(self.latencies > bound))

    def between(self, began: float, ended: float) -> Timeline:
        """Those that were due in this time."""
        return self._only((self.due >= began) & (self.due < ended))

    def open_at(self, moment: float) -> Timeline:
        """Those that were under way then, or came later."""
        return self._only(self.done >= moment)

    def gap(self, began: float, ended: float) -> float:
        """The longest part of this time in which no good answer came."""
        good = np.sort(self.done[self.answered])
        inside = good[(good >= began) & (good <= ended)]
        return float(np.max(np.diff(np.concatenate(([began], inside, [max(began, ended)])))))

    def lost_later(self, moment: float) -> int:
        """How many of those that were due after this moment were lost."""
        return int(np.count_nonzero(~self.answered & (self.due > moment)))

    def recovery(self, at: float) -> float | None:
        """Seconds from then until all was well for good: the first good answer after the last request that was lost.

        0 where none was lost that was under way then or came later; None where no good answer came any more.
        """
        lost = self.due[~self.answered & (self.done >= at)]
        if not len(lost):
            return 0.0
        good = self.done[self.answered & (self.due > np.max(lost))]
        return max(0.0, float(np.min(good)) - at) if len(good) else None

    def _only(self, chosen: NDArray[np.bool_]) -> Timeline:
        return Timeline(self.due[chosen], self.done[chosen], self.status[chosen], self.failure[chosen])


def timeline(recordings: Sequence[Recording]) -> Timeline:
    """All requests of these runs on one clock."""
    return Timeline(
        np.concatenate([r.began + r.due / 1e9 for r in recordings]),
        np.concatenate([r.began + r.done / 1e9 for r in recordings]),
        np.concatenate([r.status for r in recordings]),
        np.concatenate([r.failure for r in recordings]),
    )


def slow_bound(before: Timeline) -> float | None:
    """What is slow without an objective: ten times the median of before, and at least 50 ms."""
    return None if before.median is None else max(LEAST, TIMES * before.median)
