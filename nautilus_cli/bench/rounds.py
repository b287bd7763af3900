"""A and B measured in turns: each round has both, side by side in time, and the one that begins changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nautilus_cli.bench.campaign import Bench, Subject, good, stopped
from nautilus_cli.bench.compare import Case
from nautilus_cli.bench.interval import LEAST
from nautilus_cli.bench.recording import Closed, Open
from nautilus_cli.bench.report import Report

CONNECTIONS = 16
PART = 0.5  # of what the slower one answers at the most: where latency is compared
Side = tuple[Subject, Subject]


@dataclass
class Rounds:
    """What was measured, and why it ended early if it did."""

    a: Subject
    b: Subject
    reports: dict[Closed | Open, tuple[list[Report], list[Report]]] = field(default_factory=dict)
    failed: str = ""
    interrupted: bool = False

    @property
    def cases(self) -> list[Case]:
        """Every load with the rounds that both finished."""
        found = []
        for load, (a, b) in self.reports.items():
            whole = min(len(a), len(b))
            if whole:
                found.append(Case(self.a.name, load, tuple(a[:whole]), tuple(b[:whole]), paired=True))
        return found

    @property
    def done(self) -> int:
        """The rounds that are whole."""
        return min((min(len(a), len(b)) for a, b in self.reports.values()), default=0)


def in_turns(bench: Bench, a: Subject, b: Subject, loads: Sequence[Closed | Open], rounds: int) -> Rounds:
    """A B, B A, A B, ...: under each of these loads, or, without any, at the peak and at half of the slower one's."""
    found = Rounds(a, b)
    for letter, subject in (("A", a), ("B", b)):
        checked = bench.check(subject)
        if checked.note or stopped([checked]):
            found.failed = f"{letter}, {subject.name}: {checked.note}" if checked.note else ""
            found.interrupted = not checked.note
            return found
    chosen = loads or explored(bench, found)
    found.reports = {load: ([], []) for load in chosen}
    for number in range(max(LEAST, rounds)):
        for load in chosen:
            for side in (0, 1) if number % 2 == 0 else (1, 0):
                if found.failed or found.interrupted:
                    return found
                take(bench, found, load, side)
    return found


def explored(bench: Bench, found: Rounds) -> list[Closed | Open]:
    """The loads that suit both: one run of each, which is not counted, says what the slower one can answer."""
    peaks = []
    for subject in (found.a, found.b):
        run = bench.told(subject, bench.run(subject, "explore", Closed(CONNECTIONS)), "not counted")
        peaks.append(good(run.report))
        if stopped([run]):
            found.interrupted = True
            return []
    return [Closed(CONNECTIONS), Open(max(1.0, float(round(PART * min(peaks)))))]


def take(bench: Bench, found: Rounds, load: Closed | Open, side: int) -> None:
    """One run of one side; what was cut short is not counted."""
    subject = (found.a, found.b)[side]
    run = bench.told(subject, bench.run(subject, "AB"[side], load))
    if stopped([run]):
        found.interrupted = run.report.interrupted == "stopped"
        found.failed = "" if found.interrupted else f"{'AB'[side]}, {subject.name}: {run.report.interrupted}"
    else:
        found.reports[load][side].append(run.report)
