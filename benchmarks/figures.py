"""What the measurements say: medians, ratios, targets and tables as text, and what wrk reports; pure."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
PERCENTILE = re.compile(r"^\s*(50|99)%\s+([\d.]+)(us|ms|s|m|h)\s*$", re.MULTILINE)
RATE = re.compile(r"^Requests/sec:\s+([\d.]+)\s*$", re.MULTILINE)
FAULTS = re.compile(r"^\s*(Socket errors: .*|Non-2xx or 3xx responses: .*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity, measured several times."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value; the mean of the two in the middle of an even number."""
        return statistics.median(self.values)

    @property
    def worst(self) -> float:
        """The largest value."""
        return max(self.values)

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.worst:.2f})"


@dataclass(frozen=True, slots=True)
class Target:
    """A value and the most that it may be."""

    what: str
    value: float
    most: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the value is at most its bound."""
        return self.value <= self.most

    def __str__(self) -> str:
        verdict = "met   " if self.met else "MISSED"
        return f"{verdict} {self.what}: {self.value:.2f}{self.unit}, at most {self.most:.2f}{self.unit}"


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the report: a table, its targets, and every value that was measured."""

    title: str
    table: str
    targets: tuple[Target, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join([f"{self.title}\n", self.table, *(["", *map(str, self.targets)] if self.targets else [])])

    def data(self) -> dict[str, Any]:
        """The same for JSON."""
        targets = [{"what": t.what, "value": t.value, "most": t.most, "met": t.met} for t in self.targets]
        return {"title": self.title, "values": dict(self.values), "targets": targets}


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw on one path."""

    p50: float  # seconds
    p99: float  # seconds
    rate: float  # requests a second


def ratio(ours: Iterable[float], theirs: Iterable[float]) -> float:
    """Our median as a share of theirs."""
    return statistics.median(ours) / statistics.median(theirs)


def against(values: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Rows of seconds, nautilus against Compose: median, worst in brackets, and the ratio of the medians."""
    rows = []
    for what, sides in values.items():
        ours, theirs = (Series(tuple(sides[name])) for name in ("nautilus", "compose"))
        rows.append((what, str(ours), str(theirs), f"{ours.median / theirs.median:.2f}"))
    return table(("seconds: median (worst)", "nautilus", "Compose", "ratio"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell: the first to the left, figures to the right."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cells(line, widths)).rstrip() for line in lines)


def cells(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    """One line's cells, padded."""
    return [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]


def parse_wrk(text: str) -> Load:
    """What `wrk --latency` printed; `ValueError` where a request failed or where figures are missing."""
    if fault := FAULTS.search(text):
        raise ValueError(fault[1].strip())
    found = {share: float(number) * UNITS[unit] for share, number, unit in PERCENTILE.findall(text)}
    rate = RATE.search(text)
    if rate is None or not float(rate[1]) or found.keys() != {"50", "99"}:
        raise ValueError(f"wrk reports no figures: {text.strip()[-200:]!r}")
    return Load(found["50"], found["99"], float(rate[1]))


def middle(loads: Sequence[Load]) -> Load:
    """The median of each figure."""
    return Load(*(statistics.median(getattr(load, name) for load in loads) for name in ("p50", "p99", "rate")))


def turns(names: Sequence[str], number: int) -> list[str]:
    """The order of one round: each round begins with another one, so that no place in the order is anybody's."""
    start = number % len(names)
    return [*names[start:], *names[:start]]
