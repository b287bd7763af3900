"""Plots as SVG text: scales, axes, lines, bars. Colours are classes, so that the page's scheme decides them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH = 480
Point = tuple[float, float | None]  # None where a figure is not known
Tick = tuple[float, str]


@dataclass(frozen=True, slots=True)
class Scale:
    """Where values lie between two places of a picture."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = log10(low), log10(high), log10(max(at, low))
        share = (at - low) / (high - low) if high > low else 0.5
        return round(self.start + min(1.0, max(0.0, share)) * (self.end - self.start), 2)

    def ticks(self) -> list[float]:
        """Round values across it: 1, 2 and 5 times a power of ten; of a long logarithmic scale the powers alone."""
        if self.log:
            powers = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
            steps = (1,) if self.high / self.low > 50 else (1, 2, 5)
            found = [step * 10.0**power for power in powers for step in steps]
        else:
            step = round_up((self.high - self.low) / 5 or 1.0)
            found = [step * number for number in range(floor(self.low / step), ceil(self.high / step) + 1)]
        return [value for value in found if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)]


def round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))


def around(values: Iterable[float], least: float = 2.0) -> tuple[float, float]:
    """The bounds of a logarithmic scale that shows these values, the highest at least so many times the lowest."""
    found = [value for value in values if value > 0] or [1.0]
    low, high = min(found) / 1.15, max(found) * 1.15
    return (low, high) if high / low >= least else (low / least**0.5, high * least**0.5)


def picture(key: str, title: str, description: str, height: float, parts: Iterable[str]) -> str:
    """A whole picture; the key is its own on the page."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-labelledby="{key}-title {key}-desc">'
        f'<title id="{key}-title">{escape(title)}</title><desc id="{key}-desc">{escape(description)}</desc>'
        f"{''.join(parts)}</svg>"
    )


def text(x: float, y: float, words: str, anchor: str = "start", css: str = "label") -> str:
    """Words at a place."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{css}">{escape(words)}</text>'


def rule(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line."""
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{css}"/>'


def rectangle(x: float, y: float, width: float, height: float, css: str, told: str = "") -> str:
    """A bar, and what it says when it is pointed at."""
    title = f"<title>{escape(told)}</title>" if told else ""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{max(0, width):g}" height="{height:g}" rx="3" class="{css}">{title}</rect>'
    )


@dataclass(frozen=True, slots=True)
class Panel:
    """A plot between two scales."""

    x: Scale
    y: Scale

    def grid(self, across: Sequence[Tick], up: Sequence[Tick]) -> str:
        """Lines and figures of both axes."""
        parts = []
        for value, words in up:
            at = self.y(value)
            parts += [rule(self.x.start, at, self.x.end, at, "grid"), text(self.x.start - 6, at + 4, words, "end")]
        for value, words in across:
            at = self.x(value)
            parts += [rule(at, self.y.start, at, self.y.end, "grid"), text(at, self.y.start + 16, words, "middle")]
        return "".join(parts)

    def line(self, points: Sequence[Point], css: str) -> str:
        """A line through the points, broken where one is not known."""
        drawn, pen = [], "M"
        for x, y in points:
            if y is not None:
                drawn.append(f"{pen}{self.x(x):g} {self.y(y):g}h0")  # h0: a place without neighbours is a dot
            pen = "M" if y is None else "L"
        return f'<path d="{" ".join(drawn)}" class="line {css}"/>' if drawn else ""

    def area(self, points: Sequence[Point], css: str) -> str:
        """The same line, filled down to the axis."""
        known = [(x, y) for x, y in points if y is not None]
        if not known:
            return ""
        top = " L".join(f"{self.x(x):g} {self.y(y):g}" for x, y in known)
        foot = f"{self.y.start:g}"
        return (
            f'<path d="M{self.x(known[0][0]):g} {foot} L{top} L{self.x(known[-1][0]):g} {foot}Z" class="area {css}"/>'
        )

    def dots(self, points: Sequence[tuple[float, float, str]], css: str) -> str:
        """Dots, each of which says something when it is pointed at."""
        return "".join(
            f'<circle cx="{self.x(x):g}" cy="{self.y(y):g}" r="3.5" class="dot {css}">'
            f"<title>{escape(told)}</title></circle>"
            for x, y, told in points
        )


def legend(names: Sequence[tuple[str, str]], y: float, x: float = 54) -> str:
    """What each line is: (name, class)."""
    parts = []
    for name, css in names:
        parts += [f'<path d="M{x:g} {y:g}h20" class="line {css}"/>', text(x + 26, y + 4, name)]
        x += 40 + 7.2 * len(name)
    return "".join(parts)
