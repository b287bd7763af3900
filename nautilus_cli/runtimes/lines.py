"""From the pieces that Docker keeps of a log to lines, and the order among those of many: pure."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from nautilus_cli.runtimes.base import Line

LONGEST = 1 << 20  # bytes of a line that are held; what is longer is told in parts
SLACK = 10**8  # nanoseconds that stamps of one container's two outputs may stand out of order


class Piece(NamedTuple):
    """One entry of Docker's log: a line with its end, or 16 KiB of a longer one."""

    output: int
    stamp: str
    data: bytes


@lru_cache(maxsize=64)
def _seconds(moment: str, zone: str) -> int:
    return int(datetime.fromisoformat(moment + zone).astimezone(UTC).timestamp())


def nanoseconds(stamp: str) -> int:
    """The moment of `2026-11-22T15:53:52.310324180Z`, exactly; 0 for what is none."""
    digits = len(stamp) - len(stamp[20:].lstrip("0123456789")) if stamp[19:20] == "." else 19
    try:
        return _seconds(stamp[:19], stamp[digits:] or "Z") * 10**9 + int(stamp[20:digits].ljust(9, "0")[:9])
    except ValueError:
        return 0


class Joiner:
    """Makes lines of the pieces of one container, in the order that they came in."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._parts: dict[int, list[bytes]] = {}
        self._stamps: dict[int, str] = {}
        self._at = 0

    def feed(self, piece: Piece) -> Line | None:
        """The line that this piece completes, if it does."""
        parts = self._parts.setdefault(piece.output, [])
        if not parts:
            self._stamps[piece.output] = piece.stamp
        parts.append(piece.data)
        complete = piece.data.endswith(b"\n") or sum(map(len, parts)) >= LONGEST
        return self._line(piece.output) if complete else None

    def rest(self) -> Iterator[Line]:
        """What was never ended."""
        for output in sorted(self._parts):
            yield self._line(output)

    def _line(self, output: int) -> Line:
        stamp = self._stamps.pop(output)
        self._at = max(self._at, nanoseconds(stamp))
        data = b"".join(self._parts.pop(output)).removesuffix(b"\n").removesuffix(b"\r")
        return Line(self._subject, stamp, self._at, data.decode(errors="replace"))


class Seen:
    """The newest pieces that were read, so that reading on from a little before their end repeats none."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[int, Piece]] = deque()
        self._newest = 0
        self._floor = 0

    @property
    def since(self) -> int:
        """From where to read on."""
        return max(self._floor, self._newest - SLACK)

    def begin(self, piece: Piece) -> None:
        """It is the oldest that counts: what was written before it is not wanted."""
        self._floor = nanoseconds(piece.stamp)

    def add(self, piece: Piece) -> Piece:
        """It was read; here it is again."""
        at = nanoseconds(piece.stamp)
        self._newest = max(self._newest, at)
        self._pieces.append((at, piece))
        while self._pieces[0][0] < self.since:
            self._pieces.popleft()
        return piece

    def recent(self) -> Counter[Piece]:
        """How often each piece came that reading on shows again."""
        return Counter(piece for at, piece in self._pieces if at >= self.since)


class Window:
    """Puts lines that arrive almost in order into order; each waits no longer than the window."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._heap: list[tuple[int, int, Line]] = []
        self._arrivals: deque[tuple[float, int]] = deque()  # when, and the latest line until then
        self._count = 0

    def push(self, line: Line, now: float) -> None:
        """A line arrives."""
        self._count += 1
        heapq.heappush(self._heap, (line.at, self._count, line))
        self._arrivals.append((now, line.at))

    def due(self) -> float | None:
        """When the next line has waited long enough; None when none waits."""
        return self._arrivals[0][0] + self._seconds if self._arrivals else None

    def ready(self, now: float) -> Iterator[Line]:
        """The lines that have waited long enough, and every older one."""
        until = -1
        while self._arrivals and self._arrivals[0][0] + self._seconds <= now:
            until = max(until, self._arrivals.popleft()[1])
        while self._heap and self._heap[0][0] <= until:
            yield heapq.heappop(self._heap)[2]

    def rest(self) -> Iterator[Line]:
        """All that still wait."""
        while self._heap:
            yield heapq.heappop(self._heap)[2]
        self._arrivals.clear()
