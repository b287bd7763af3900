"""What is measured of each engine, in which order: every run of `nautilus bench` goes through here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Protocol

from nautilus_cli.bench import objective, sweep
from nautilus_cli.bench.objective import Verdict
from nautilus_cli.bench.recording import Closed, Live, OnLive, Open, Profile, Recording, Target
from nautilus_cli.bench.report import Report, summarise
from nautilus_cli.bench.search import APART, Search
from nautilus_cli.fleet import Slo
from nautilus_cli.snapshot import Image

CHECKING = 0.5  # seconds
PEAK_CONNECTIONS = (4, 16, 64)
PEAK_SECONDS = 3.0  # at most, of each of them
GUESS = 0.6  # of the peak: where the search for the highest rate begins
PART = 0.5  # of the peak: where latency is measured
LONGEST = 20.0  # seconds that answers for a percentile are waited for: a search tries no rate that brings fewer
CONFIRMING = 3  # times as long is the run that confirms


class Generator(Protocol):
    """What makes the load."""

    def __call__(
        self, target: Target, profile: Profile, on_live: OnLive | None, stop: Callable[[], bool] | None
    ) -> Recording:
        """Load the target as the profile says."""
        ...


class Watcher(Protocol):
    """Who is told what happens."""

    def began(self, subject: Subject, purpose: str, profile: Profile) -> None:
        """A run begins."""
        ...

    def live(self, live: Live) -> None:
        """What it shows of itself; called while load is made, so it must be quick."""
        ...

    def ended(self, subject: Subject, run: Run) -> None:
        """It is over."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: an engine behind the gateway, or a URL."""

    name: str
    target: Target
    slo: Slo = field(default_factory=Slo)
    rate: float | None = None  # at which latency is measured; half of the peak where there is none
    ready: int | None = None  # replicas, of an engine
    wanted: int | None = None
    images: tuple[Image, ...] = ()  # that its replicas run


@dataclass(frozen=True, slots=True)
class Run:
    """One load run and what it was for: check, peak, latency, sweep, search, confirm or run."""

    purpose: str
    report: Report
    note: str = ""  # what it decided


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to how much load is held."""

    slo: Slo
    held: float | None  # the highest rate that held, and did so again in a longer run
    failed: float | None  # the lowest that did not
    why: str  # what failed there


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that was measured of one subject."""

    subject: Subject
    runs: tuple[Run, ...]
    verdicts: tuple[Verdict, ...] = ()
    levels: tuple[sweep.Level, ...] = ()
    found: Found | None = None
    failed: str = ""  # why it could not be measured

    @property
    def interrupted(self) -> bool:
        """Whether the user ended it."""
        return any(run.report.interrupted == STOPPED for run in self.runs)

    @property
    def gone(self) -> bool:
        """Whether the target ended it."""
        return any(run.report.interrupted not in ("", STOPPED) for run in self.runs)

    @property
    def missed(self) -> bool:
        """Whether it does not do what it should."""
        unheld = self.found is not None and self.found.held is None
        return bool(self.failed) or self.gone or unheld or any(verdict.met is False for verdict in self.verdicts)

    @property
    def healthy(self) -> bool:
        """Whether the generator can be believed, in the run that stands for the subject or else in each."""
        judged = [self.headline] if self.headline else [run.report for run in self.runs if run.purpose != "check"]
        return all(report.healthy for report in judged)

    @property
    def peak(self) -> Report | None:
        """The run with the most good answers per second in a closed loop."""
        return max((run.report for run in self.runs if run.purpose == "peak"), key=good, default=None)

    @property
    def headline(self) -> Report | None:
        """The run whose latencies stand for the subject: at the declared load, else the last one."""
        of = {run.purpose: run.report for run in self.runs if run.purpose != "check"}
        return next((of[purpose] for purpose in ("latency", "confirm", "run") if purpose in of), None)


STOPPED = "stopped"  # how a recording says that the user ended it


@dataclass(frozen=True)
class Bench:
    """What every measurement needs: the generator, who watches, and how long a run takes."""

    generate: Generator
    watcher: Watcher
    cores: int
    profile: Profile  # duration, warm-up and timeout of a run; its load is replaced
    stop: Callable[[], bool]

    def run(self, subject: Subject, purpose: str, load: Closed | Open, **changes: float) -> Run:
        """One load run, shown while it is made."""
        profile = replace(self.profile, load=load, **changes)
        self.watcher.began(subject, purpose, profile)
        recording = self.generate(subject.target, profile, self.watcher.live, self.stop)
        return Run(purpose, summarise(recording, self.cores))

    def told(self, subject: Subject, run: Run, note: str = "") -> Run:
        """The same run, with what it decided, after the watcher was told of it."""
        run = replace(run, note=note)
        self.watcher.ended(subject, run)
        return run

    def check(self, subject: Subject) -> Run:
        """One connection: does it answer, how soon, and which replicas do. Half a second, or as long as it may take."""
        run = self.run(subject, "check", Closed(1), duration=CHECKING, warmup=0.0, warmup_limit=0.0)
        if not run.report.requests and not run.report.interrupted:  # its first answer took longer than that
            run = self.run(subject, "check", Closed(1), duration=self.profile.timeout, warmup=0.0, warmup_limit=0.0)
        return self.told(subject, run, unwell(subject, run.report))


def good(report: Report) -> float:
    """Answers per second that are no errors."""
    return report.rate * (1 - report.error_share)


def unwell(subject: Subject, report: Report) -> str:
    """Why an engine is not worth measuring; empty when it is."""
    if report.interrupted == STOPPED:
        return ""
    if not report.answers:
        kinds = ", ".join(f"{count} {kind}" for kind, count in report.failures.items()) or "no request was sent"
        return f"it does not answer ({kinds})"
    if report.errors == report.requests:
        return f"every answer is an error ({', '.join(f'{n} x {kind}' for kind, n in report.statuses.items())})"
    if subject.ready is not None and subject.wanted is not None and subject.ready < subject.wanted:
        return f"{subject.ready} of {subject.wanted} replicas are ready"
    return ""


def campaign(bench: Bench, subject: Subject, schedule: Open) -> Result:
    """Health first, then the closed-loop peak, then the open-loop latency at half of it or at the declared rate."""
    runs = [bench.check(subject)]
    if runs[-1].note or stopped(runs):
        return Result(subject, tuple(runs), failed=runs[-1].note)
    peak = climb(bench, subject, runs)
    if stopped(runs):
        return Result(subject, tuple(runs))
    load = replace(schedule, rate=subject.rate or PART * peak)
    seconds = lasting(bench.profile.duration, subject.slo, load.rate)
    runs.append(bench.told(subject, bench.run(subject, "latency", load, duration=seconds)))
    return Result(subject, tuple(runs), objective.verdicts(subject.slo, runs[-1].report))


def enough(slo: Slo) -> float:
    """The answers to ask for, so that every promised percentile is known although a few of them do not come."""
    return 1.2 * objective.samples(slo)


def lasting(seconds: float, slo: Slo, rate: float) -> float:
    """So many seconds, or longer where an objective needs more answers and they can be had in a bearable time."""
    needed = ceil(10 * enough(slo) / rate) / 10 if rate else seconds
    return needed if seconds < needed <= LONGEST else seconds


def climb(bench: Bench, subject: Subject, runs: list[Run]) -> float:
    """The most good answers per second at a few numbers of connections; the runs are added."""
    seconds = min(PEAK_SECONDS, bench.profile.duration)
    best = 0.0
    for connections in PEAK_CONNECTIONS:
        if stopped(runs):
            break
        runs.append(bench.told(subject, bench.run(subject, "peak", Closed(connections), duration=seconds)))
        best = max(best, good(runs[-1].report))
    return best


def single(bench: Bench, subject: Subject, load: Closed | Open) -> Result:
    """One run; the objective is judged where the load is one that somebody chose, not the most that is possible."""
    runs = (bench.told(subject, bench.run(subject, "run", load)),)
    if not runs[0].report.answers and not stopped(runs):
        return Result(subject, runs, failed=unwell(subject, runs[0].report))
    judged = objective.verdicts(subject.slo, runs[0].report) if isinstance(load, Open) else ()
    return Result(subject, runs, judged)


def swept(bench: Bench, subject: Subject, levels: Sequence[int]) -> Result:
    """Every level in turns; medians of the rounds."""
    runs = [bench.check(subject)]
    if runs[-1].note:
        return Result(subject, tuple(runs), failed=runs[-1].note)
    for connections in sweep.order(levels):
        if stopped(runs):
            break
        runs.append(bench.told(subject, bench.run(subject, "sweep", Closed(connections))))
    by_level: dict[int, list[Report]] = {}
    for run in runs[1:]:
        if isinstance(run.report.profile.load, Closed) and run.report.requests:
            by_level.setdefault(run.report.profile.load.connections, []).append(run.report)
    medians = tuple(sweep.level(connections, reports) for connections, reports in sorted(by_level.items()))
    return Result(subject, tuple(runs), levels=medians)


def searched(
    bench: Bench, subject: Subject, slo: Slo, schedule: Open, guess: float | None = None, apart: float = APART
) -> Result:
    """The highest rate that holds an objective, confirmed, and the first that does not: so far apart at the most.

    Without a guess, the search begins below the closed loop's peak.
    """
    runs = [bench.check(subject)]
    if runs[-1].note:
        return Result(subject, tuple(runs), failed=runs[-1].note)
    needed = enough(slo)
    search = Search(guess or GUESS * climb(bench, subject, runs), least=needed / LONGEST, apart=apart)
    reasons: dict[float, str] = {}
    while not stopped(runs) and (probe := search.next()):
        seconds = max(bench.profile.duration, needed / probe.rate)
        purpose, times = ("confirm", CONFIRMING) if probe.confirm else ("search", 1)
        run = bench.run(subject, purpose, replace(schedule, rate=probe.rate), duration=seconds * times)
        why = objective.fault(slo, run.report)
        runs.append(bench.told(subject, run, why or "held"))
        if not stopped(runs):
            search.take(probe, not why)
            reasons |= {probe.rate: why} if why else {}
    failed = search.failed if search.failed in reasons else None
    found = Found(slo, search.held if search.confirmed else None, failed, reasons.get(search.failed, ""))
    return Result(subject, tuple(runs), found=found)


def stopped(runs: Sequence[Run]) -> bool:
    """Whether the last run ended early: the user wants no more, or there is no target any more."""
    return bool(runs[-1].report.interrupted)
