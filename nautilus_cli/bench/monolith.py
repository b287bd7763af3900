"""One process that serves all engines against a fleet of them: what is asked, and what the runs of both say. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from nautilus_cli.bench.address import request_of
from nautilus_cli.bench.campaign import good
from nautilus_cli.bench.recording import Closed, Open, Request
from nautilus_cli.bench.report import Report

MONOLITH = "monolith"
SIDES = ("fleet", MONOLITH)
ROUNDS = 3
CLOSED = Closed(8)  # connections to each engine, for throughput
FAST_SHARE = 0.25  # of what the slower side answers alone: the offered load of the fast engine
SLOW_SHARE = 0.5  # likewise, of the slow engine
POOL = 64  # connections of an open loop


@dataclass(frozen=True, slots=True)
class Work:
    """What both sides are asked; told by the engines themselves."""

    engines: tuple[str, ...]
    fast: str
    slow: str
    requests: Mapping[str, Request]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Work:
        """The work that the program of the engines prints."""
        requests = {
            name: request_of(asked["method"], asked["path"], asked["headers"], asked["body"].encode())
            for name, asked in told["requests"].items()
        }
        return cls(tuple(told["engines"]), told["fast"], told["slow"], requests)


@dataclass(frozen=True, slots=True)
class Offered:
    """The load that both sides are given."""

    fast: float  # requests per second
    slow: float

    @classmethod
    def to(cls, rounds: Mapping[str, Sequence[Peaks]]) -> Offered:
        """A part of what the slower side holds of each engine alone, so that both can answer it."""
        least = {
            engine: min(median(getattr(peaks, engine) for peaks in found) for found in rounds.values())
            for engine in ("fast", "slow")
        }
        return cls(FAST_SHARE * least["fast"], SLOW_SHARE * least["slow"])

    @property
    def loads(self) -> tuple[Open, Open]:
        """As open loops."""
        return Open(self.fast, POOL), Open(self.slow, POOL)


@dataclass(frozen=True, slots=True)
class Peaks:
    """Good answers per second in a closed loop: each engine alone, and both at once."""

    fast: float
    slow: float
    fast_beside: float
    slow_beside: float


@dataclass(frozen=True, slots=True)
class Beside:
    """The fast engine at the offered load: alone, and while the slow one works on its own."""

    alone_p50: float | None
    alone_p99: float | None
    p50: float | None
    p99: float | None
    slow_rate: float  # good answers of the slow one meanwhile
    errors: int

    @classmethod
    def of(cls, alone: Report, fast: Report, slow: Report) -> Beside:
        """What three runs say."""
        quiet, loud = alone.response, fast.response
        return cls(quiet["p50"], quiet["p99"], loud["p50"], loud["p99"], good(slow), fast.errors)


@dataclass(frozen=True, slots=True)
class Event:
    """What the fast engine's callers saw while something happened to the slow one."""

    seconds: float  # until it served again
    requests: int
    errors: int
    worst: float  # seconds

    @classmethod
    def of(cls, report: Report, seconds: float) -> Event:
        """What the run during it says."""
        return cls(seconds, report.requests, report.errors, report.response.max)

    @property
    def share(self) -> float:
        """Errors among the requests."""
        return self.errors / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class Side:
    """Everything of one side: medians of the rounds, and one crash and the releases."""

    name: str
    peaks: Peaks
    beside: Beside
    crash: Event
    releases: Mapping[str, Event]  # by how it is done


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides under the same load on the same cores."""

    work: Work
    offered: Offered
    rounds: int
    cores: int
    sides: tuple[Side, ...]
    healthy: bool  # the generator, in all runs at the offered load

    def ratio(self, figure: str) -> float | None:
        """The fleet's figure of throughput over the monolith's."""
        ours, theirs = (getattr(side.peaks, figure) for side in self.sides)
        return ours / theirs if theirs else None


def middle(found: Sequence[Any]) -> Any:
    """One record with the median of each figure of many; None where most do not know it."""
    first = found[0]
    figures = {}
    for name in type(first).__dataclass_fields__:
        known = [value for one in found if (value := getattr(one, name)) is not None]
        figures[name] = median(known) if 2 * len(known) > len(found) else None
    return type(first)(**figures)
