"""The highest rate that holds an objective: which rate to try next, and when it is found. Pure.

bracket   from a first guess the rate is doubled until one fails, or halved until one holds
bisect    the rates between the two, until they are 3 % apart, or as far as was asked
confirm   the highest rate that held must hold in a longer run; if it does not, that much less must, and so on

A rate fails by two of three votes: one bad moment of the machine decides nothing. Near the edge it also holds by two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, sqrt

APART = 1.03
EDGE = 1.25  # nearer to the edge than this one vote is not enough
VOTES = 2  # that must agree
MOST = 1e6  # requests per second
CONFIRMATIONS = 5  # longer runs that may fail before the search gives up


@dataclass(frozen=True, slots=True)
class Probe:
    """A rate to try."""

    rate: float
    confirm: bool = False  # in a longer run


@dataclass
class Search:
    """What is known so far. Ask `next`, try it, tell `take`, until there is nothing to try."""

    guess: float
    least: float = 1.0  # below it nothing is tried
    apart: float = APART  # how near the answer must be to the edge
    held: float = 0.0  # the highest rate that held
    failed: float = inf  # the lowest that did not
    confirmed: bool = False
    _votes: list[bool] = field(default_factory=list)
    _refused: int = 0  # confirmations that failed

    def next(self) -> Probe | None:
        """What to try now; None when all is known that can be."""
        if self.confirmed or self._refused == CONFIRMATIONS:
            return None
        if self.failed == inf and self.held < MOST:
            return Probe(min(MOST, max(self.least, self.held * 2 or self.guess)))
        if not self.held:
            return Probe(max(self.least, self.failed / 2)) if self.failed > self.least else None
        if self.apart < self.failed / self.held < inf and not self._refused:
            return Probe(sqrt(self.held * self.failed))
        return Probe(self.held, confirm=True)

    def take(self, probe: Probe, held: bool) -> None:
        """What came of a probe."""
        if probe.confirm:
            self._confirm(probe.rate, held)
            return
        self._votes.append(held)
        if (self._near or not held) and self._votes.count(held) < VOTES:
            return
        self._votes.clear()
        if held:
            self.held = probe.rate
        else:
            self.failed = probe.rate

    @property
    def _near(self) -> bool:
        return self.held > 0 and self.failed / self.held <= EDGE

    def _confirm(self, rate: float, held: bool) -> None:
        if held:
            self.confirmed = True
            return
        self._refused += 1
        lower = rate / self.apart
        self.failed, self.held = rate, lower if lower >= self.least else 0.0
