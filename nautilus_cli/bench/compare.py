"""What changed between A and B: every load that both bore, metric by metric, and what of it is noise. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from nautilus_cli.bench.campaign import Result, Run, good
from nautilus_cli.bench.interval import Change, apart, paired
from nautilus_cli.bench.objective import KEPT, MOST_ERRORS
from nautilus_cli.bench.recording import Closed, Open
from nautilus_cli.bench.report import Report, Slice
from nautilus_cli.errors import ConfigError

KNOWN = 10  # parts of a run that must know a figure before its spread is believed
NEAR = 1.01  # loads further apart than this are different loads
ROUNDS = 2  # runs of each side from which on their spread counts, and not that within each


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a run, and of a part of it."""

    name: str
    of: Callable[[Report], float | None]
    part: Callable[[Slice], float | None]
    more_is_better: bool = False


RATE = Metric("requests/s", good, lambda part: part.rate, more_is_better=True)
P50 = Metric("p50", lambda report: report.response["p50"], lambda part: part.p50)
P99 = Metric("p99", lambda report: report.response["p99"], lambda part: part.p99)


@dataclass(frozen=True, slots=True)
class Case:
    """One load that both bore: in rounds, the nth run of A beside the nth of B, or each for itself."""

    subject: str
    load: Closed | Open
    a: tuple[Report, ...]
    b: tuple[Report, ...]
    paired: bool

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What can differ: the rate of an open loop was asked for, so it tells something only where it was missed."""
        reports = (*self.a, *self.b)
        behind = any(report.offered and report.rate < KEPT * report.offered for report in reports)
        return (RATE, P50, P99) if isinstance(self.load, Closed) or behind else (P50, P99)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of A and of B: seconds, or requests per second."""

    case: Case
    metric: Metric
    a: float | None
    b: float | None
    change: Change | None

    @property
    def verdict(self) -> str:
        """`faster`, `slower`, `noise`, or `unknown` where too little was measured to tell."""
        if self.change is None or not self.change.known:
            return "unknown"
        if not self.change.real:
            return "noise"
        return "faster" if (self.change.ratio > 1) is self.metric.more_is_better else "slower"

    @property
    def worse(self) -> float:
        """By which share B is surely worse at the least: latency gained, or rate lost; 0 where it may not be."""
        if self.change is None or self.change.low is None or self.change.high is None:
            return 0.0
        return max(0.0, 1 - self.change.high if self.metric.more_is_better else self.change.low - 1)


def rows(case: Case) -> Iterator[Row]:
    """What changed under one load."""
    for metric in case.metrics:
        a, b = [metric.of(report) for report in case.a], [metric.of(report) for report in case.b]
        yield Row(case, metric, middle(a), middle(b), change(case, metric, a, b))


def middle(values: Sequence[float | None]) -> float | None:
    """The median of what is known."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


def change(case: Case, metric: Metric, a: Sequence[float | None], b: Sequence[float | None]) -> Change | None:
    """How much a figure changed; None where one side does not know it."""
    if case.paired:
        pairs = [(before, after) for before, after in zip(a, b, strict=True) if before and after]
        return paired(*zip(*pairs, strict=True)) if pairs else None
    before, after = middle(a), middle(b)
    if not before or not after:
        return None
    if min(len(a), len(b)) >= ROUNDS:
        return apart(after / before, [value for value in a if value], [value for value in b if value])
    return apart(after / before, parts(case.a[0], metric), parts(case.b[0], metric))


def parts(report: Report, metric: Metric) -> list[float]:
    """A figure in the parts of a run; none where too few of them know it."""
    known = [value for part in report.slices if (value := metric.part(part))]
    return known if len(known) >= KNOWN else []


def error_share(reports: Sequence[Report]) -> float:
    """The errors among all requests of these runs."""
    asked = sum(report.requests for report in reports)
    return sum(report.errors for report in reports) / asked if asked else 0.0


def failing(case: Case) -> bool:
    """Whether B fails more than A does: what fails is quick, so its other figures prove nothing."""
    return error_share(case.b) > error_share(case.a) + MOST_ERRORS


def cases(a: Sequence[Result], b: Sequence[Result]) -> tuple[list[Case], list[str]]:
    """Every load that two sets of saved results have in common, and what could not be compared."""
    found, left = [], []
    for before, after in matched(a, b):
        name = before.subject.name
        mine, yours = loads(before.runs), loads(after.runs)
        for key in mine:
            if key in yours and near(mine[key][0], yours[key][0]):
                load = mine[key][0].profile.load
                found.append(Case(name, load, tuple(mine[key]), tuple(yours[key]), paired=False))
            else:
                left.append(f"{name}: B has no run at the load of A's {key[0]} ({words(mine[key][0])})")
    if not found:
        raise ConfigError("A and B have no load in common", "measure both with the same options; " + "; ".join(left))
    return found, left


def matched(a: Sequence[Result], b: Sequence[Result]) -> list[tuple[Result, Result]]:
    """The subjects of one name; a single one on each side is compared whatever the names."""
    if len(a) == len(b) == 1:
        return [(a[0], b[0])]
    others = {result.subject.name: result for result in b}
    return [(result, others[result.subject.name]) for result in a if result.subject.name in others]


def loads(runs: Sequence[Run]) -> Mapping[tuple[str, int], list[Report]]:
    """The runs that were made to measure, by what they were for and over how many connections."""
    found: dict[tuple[str, int], list[Report]] = {}
    for run in runs:
        if run.purpose not in ("check", "search") and run.report.answers:
            found.setdefault((run.purpose, run.report.profile.load.connections), []).append(run.report)
    return found


def near(a: Report, b: Report) -> bool:
    """Whether two runs of one purpose bore the same load."""
    if a.offered is None or b.offered is None:
        return a.offered is b.offered
    return 1 / NEAR <= a.offered / b.offered <= NEAR


def words(report: Report) -> str:
    """The load of a run."""
    load = report.profile.load
    return f"{load.connections} connections" if isinstance(load, Closed) else f"{load.rate:,.0f}/s"
