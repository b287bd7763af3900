"""Charts of characters: bars of eighth blocks, and curves of braille dots."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10

from nautilus_cli.units import show_latency

EIGHTHS = " ▏▎▍▌▋▊▉█"
RISING = "▁▂▃▄▅▆▇█"
BRAILLE = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of one character, by row and column
LINES = 8  # of a chart, about
GAP = "·"  # where a figure is not known


def bar(share: float, width: int) -> str:
    """A bar as long as this share of the width, to an eighth of a character."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (EIGHTHS[rest] if rest else "")


def columns(values: Sequence[float | None]) -> str:
    """One character a value, from nothing to the highest."""
    highest = max((value for value in values if value is not None), default=0.0)
    return "".join(GAP if v is None else RISING[round(v / highest * 7) if highest else 0] for v in values)


def curve(points: Sequence[tuple[float, float]], width: int, height: int) -> list[str]:
    """A rising curve through points of 0 to 1, joined by steps, in lines of braille."""
    cells = [[0] * width for _ in range(height)]
    across, up = 2 * width - 1, 4 * height - 1
    before = None
    for x, y in points:
        column, row = round(x * across), round(y * up)
        for dot in range(min(before, row) if before is not None else row, row + 1):
            cells[(up - dot) // 4][column // 2] |= DOTS[(up - dot) % 4][column % 2]
        before = row
    return ["".join(chr(BRAILLE + cell) for cell in line) for line in cells]


def percentile_chart(steps: Sequence[tuple[float, float]], width: int = 72) -> str:
    """Latency (seconds, on a logarithmic scale) by percentile: each further nine is as wide as the one before."""
    known = [(share, max(latency, 1e-6)) for share, latency in steps if share < 1]
    if not known:
        return ""
    low, high = floor(log10(min(y for _, y in known))), ceil(log10(max(y for _, y in known)))
    nines = max(1, ceil(-log10(1 - known[-1][0]) - 1e-9))
    span = max(1, high - low)
    placed = [(min(1.0, -log10(1 - share) / nines), (log10(y) - low) / span) for share, y in known]
    height = span * max(1, LINES // span) + 1
    lines = curve(filled(placed, 2 * width), width, height)
    scale = {round((height - 1) * (1 - step / span)): show_latency(10.0 ** (low + step)) for step in range(span + 1)}
    rows = [f"{scale.get(number, ''):>6} ┤{line}" for number, line in enumerate(lines)]
    return "\n".join([*rows, axis(nines, width)])


def filled(points: Sequence[tuple[float, float]], count: int) -> list[tuple[float, float]]:
    """The same curve at so many even places up to its end: each has the value of the first point at or after it."""
    found, place = [], 0
    for number in range(count):
        if (x := number / (count - 1)) > points[-1][0]:
            break
        while place < len(points) - 1 and points[place][0] < x:
            place += 1
        found.append((x, points[place][1]))
    return found


def axis(nines: int, width: int) -> str:
    """The percentiles under the curve."""
    line = [" "] * (width + 14)
    for number in range(nines + 1):
        label = "p0" if not number else f"p{100 * (1 - 10.0**-number):.10g}"
        at = 8 + round(number / nines * (width - 1))
        line[at : at + len(label)] = label
    return "".join(line).rstrip()
