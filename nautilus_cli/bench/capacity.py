"""How many replicas a load needs: which count to measure next, and what the measured ones answer. Pure.

A count is an answer only where it was measured: it holds the load, and one replica less was measured not to. What lies
beyond the counts that may be driven is an estimate, told as a range, and no further out than `REACH` times the highest
count that was measured. What this host cannot give is told with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from nautilus_cli.bench.scaling import Law, fit, range_needed

REACH = 3  # times the highest measured count: further out nothing is estimated
FLAT = 0.1  # of what one replica holds: a further one that brings less brings nothing
BUSY = 0.9  # of the cores: they are all in use
CLIENT = 0.8  # of its core: the generator's own limit
FULL = 0.9  # of its CPU limit: a replica is at it


@dataclass(frozen=True, slots=True)
class Point:
    """What so many replicas hold within the objective, and what they use at a rate that they hold."""

    replicas: int
    knee: float  # requests per second; 0 where no rate held
    why: str = ""  # what failed above it
    rate: float = 0.0  # of the run below
    cpus: float = 0.0  # of all replicas
    memory: int = 0  # likewise, bytes
    busy: float = 0.0  # cores in use on this host, the generator's among them
    client: float = 0.0  # of a core, by the generator

    @property
    def cost(self) -> float:
        """CPU seconds of the replicas for a request; 0 where it is not known."""
        return self.cpus / self.rate if self.rate else 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What stands in the way of more: of the file, and of the host."""

    most: int  # replicas, of the file
    cores: int
    memory: int  # bytes of the host
    cpus: float | None = None  # of one replica
    each: int | None = None  # bytes of one replica


class Verdict(StrEnum):
    """What can be said of a load."""

    HELD = "held"  # by so many replicas: measured
    ESTIMATED = "estimated"  # by more than may be driven
    REFUSED = "refused"  # this host cannot hold it
    UNKNOWN = "unknown"  # too little was measured


@dataclass(frozen=True, slots=True)
class Answer:
    """How many replicas a load needs."""

    load: float
    verdict: Verdict
    points: tuple[Point, ...]
    why: str
    replicas: int | None = None  # that hold it, measured
    low: int | None = None  # of the estimate
    high: int | None = None  # None: no upper end is known
    law: Law | None = None

    @property
    def point(self) -> Point | None:
        """What was measured of the count that holds the load."""
        return next((point for point in self.points if point.replicas == self.replicas), None)

    @property
    def headroom(self) -> float | None:
        """How much more than the load it holds, as a share of the load."""
        return self.point.knee / self.load - 1 if self.point else None


def next_count(points: Sequence[Point], load: float, most: int) -> int | None:
    """The count to measure now; None when it is known what holds the load, or that nothing here does."""
    if not points:
        return 1
    holding = min((point.replicas for point in points if point.knee >= load), default=None)
    short = max((p.replicas for p in points if holding is None or p.replicas < holding), default=0)
    if holding is not None:
        return None if holding - short == 1 else (holding + short) // 2
    if short >= most or not highest(points).knee or flat(points):
        return None
    guess = fit(knees(points)).needed(load, most) or most
    return min(most, max(short + 1, min(guess, 2 * short)))


def answer(
    points: Sequence[Point], load: float, limits: Limits, stopped: str = "", *, interrupted: bool = False
) -> Answer:
    """What the measured counts say of a load; `stopped` is why no further count could be driven, if it was tried."""
    found = tuple(sorted(points, key=lambda point: point.replicas))
    if any(point.knee >= load for point in found):
        return held(found, load)
    if not found or interrupted:
        why = "it was interrupted" if interrupted else stopped or "nothing was measured"
        return Answer(load, Verdict.UNKNOWN, found, why)
    if not highest(found).knee:
        why = f"{hold(found[-1].replicas)} no rate within the objective: {found[-1].why or 'none was confirmed'}"
        return Answer(load, Verdict.REFUSED, found, why)
    if why := stopped or refusal(found, load, limits):
        return Answer(load, Verdict.REFUSED, found, why, law=fit(knees(found)))
    return estimate(found, load, limits)


def held(points: Sequence[Point], load: float) -> Answer:
    """The fewest replicas that were measured to hold a load."""
    fewest = next(point.replicas for point in points if point.knee >= load)
    less = next((point for point in points if point.replicas == fewest - 1), None)
    why = f"{hold(less.replicas)} {less.knee:,.0f}/s" if less else "" if fewest == 1 else "fewer were not measured"
    return Answer(load, Verdict.HELD, tuple(points), why, fewest, law=fit(knees(points)))


def refusal(points: Sequence[Point], load: float, limits: Limits) -> str:
    """Why more replicas on this host would not hold the load either; empty where nothing says so."""
    last, cores = points[-1], f"this host's {limits.cores} core{'' if limits.cores == 1 else 's'}"
    if flat(points):
        gain = last.knee - points[-2].knee
        told = f"scaling flattens: {points[-2].replicas} to {last.replicas} replicas brought {gain:+,.0f}/s"
        return f"{told}; {where(last, limits)}"
    if (needs := last.cost * load) > limits.cores:
        return f"at {last.cost * 1e3:.2g} ms of CPU a request it takes {needs:.1f} CPUs, more than {cores}"
    if (memory := each(last) * (fit(knees(points)).needed(load, 1000) or 0)) > limits.memory:
        return f"the replicas would need {memory / 2**30:.1f} GiB, more than this host's {limits.memory / 2**30:.1f}"
    return ""


def where(point: Point, limits: Limits) -> str:
    """What was used up at a count that holds no more."""
    if point.client >= CLIENT:
        return f"the load generator used {point.client:.0%} of its core: measure from another machine"
    if point.busy >= BUSY * limits.cores:
        parts = f"replicas {point.cpus:.1f}, generator {point.client:.1f}"
        return f"{point.busy:.1f} of this host's {limits.cores} cores are in use ({parts}, the rest everything else)"
    if limits.cpus and point.cpus >= FULL * limits.cpus * point.replicas:
        return f"each replica uses its limit of {limits.cpus:g} CPUs"
    return f"{point.busy:.1f} of {limits.cores} cores are in use: they wait for something that all share"


def estimate(points: Sequence[Point], load: float, limits: Limits) -> Answer:
    """What the law of the measured points says of a load beyond them."""
    curve, last = fit(knees(points)), highest(points)
    far = REACH * max(point.replicas for point in points)
    low, high = range_needed(knees(points), load, far)
    most = f"the file's replicas.max of {limits.most} holds {last.knee:,.0f}/s"
    if len(points) == 1:
        most += "; how throughput grows is not known from one count"
    if low is None:
        why = f"{most}; it needs more than {far} replicas, too far from what was measured to tell"
        return Answer(load, Verdict.UNKNOWN, tuple(points), why, law=curve)
    return Answer(load, Verdict.ESTIMATED, tuple(points), most, low=low, high=high, law=curve)


def flat(points: Sequence[Point]) -> bool:
    """Whether the last replicas that were added brought next to nothing."""
    ranked = sorted(points, key=lambda point: point.replicas)
    if len(ranked) < 2:
        return False
    before, last = ranked[-2:]
    gain = (last.knee - before.knee) / (last.replicas - before.replicas)
    return gain < FLAT * ranked[0].knee / ranked[0].replicas


def range_to_write(found: Answer, most: int) -> tuple[int, int] | None:
    """The replicas.min and max for the file: enough for the load, and one to lose; None where none was measured."""
    return (found.replicas, max(most, found.replicas + 1)) if found.replicas else None


def hold(replicas: int) -> str:
    """`1 holds`, `2 hold`."""
    return f"{replicas} hold{'s' if replicas == 1 else ''}"


def highest(points: Sequence[Point]) -> Point:
    """The point that holds the most."""
    return max(points, key=lambda point: point.knee)


def knees(points: Sequence[Point]) -> dict[int, float]:
    """What was held by count, where any rate was."""
    return {point.replicas: point.knee for point in points if point.knee}


def each(point: Point) -> float:
    """Bytes that one replica uses."""
    return point.memory / point.replicas
