"""Charts of characters are as long, as high and as true as their figures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.view import charts


def test_a_bar_is_exact_to_an_eighth() -> None:
    assert [charts.bar(share, 4) for share in (0, 0.03, 0.25, 0.5 + 1 / 32, 1, 7)] == [
        "",
        "▏",
        "█",
        "██▏",
        "████",
        "████",
    ]


def test_columns_reach_from_nothing_to_the_highest() -> None:
    assert charts.columns([0, 3.5, None, 7]) == "▁▅·█"
    assert charts.columns([0, 0]) == "▁▁"
    assert charts.columns([]) == ""


def test_a_curve_of_dots() -> None:
    assert charts.curve([(0, 0), (1, 1)], 1, 1) == ["⣸"]
    assert charts.curve([(0, 1), (1, 0)], 1, 1) == ["⢁"]


@given(st.lists(st.floats(0.0001, 10), min_size=1, max_size=50))
def test_a_percentile_chart_never_falls_and_has_a_scale(latencies: list[float]) -> None:
    ranked = sorted(latencies)
    steps = [((at + 0.5) / len(ranked), latency) for at, latency in enumerate(ranked)]
    *rows, axis = charts.percentile_chart(steps, width=20).splitlines()
    assert axis.split()[0] == "p0"
    assert all(len(row) == 28 for row in rows)
    drawn = [[at for at, row in enumerate(rows) if row[column] != chr(charts.BRAILLE)] for column in range(8, 28)]
    heights = [max(dots) for dots in drawn if dots]
    assert drawn[0]
    assert heights == sorted(heights, reverse=True)
    assert any(row.strip()[0].isdigit() for row in rows)


def test_a_chart_of_nothing_is_nothing() -> None:
    assert charts.percentile_chart([]) == ""
    assert charts.percentile_chart([(1.0, 0.1)]) == ""
