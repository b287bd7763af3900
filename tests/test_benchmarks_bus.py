"""What the bus benchmark makes of its rounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.engines_bus import Run, middle, percentiles, report, stalls


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300))
def test_percentiles_are_values_that_were_measured(values: list[float]) -> None:
    p50, p99 = percentiles(values)
    assert {p50, p99} <= set(values)
    assert sum(value < p50 for value in values) <= len(values) / 2
    assert sum(value > p99 for value in values) <= len(values) / 100


def run(rate: float, call: float, whole: float, missing: int = 0) -> Run:
    return Run(rate, (call / 2, call), (whole / 2, whole), missing, (5.0, 4.0))


def test_each_figure_is_the_median_of_the_rounds_and_nothing_that_is_missing_is_hidden() -> None:
    found = middle([run(1, 30, 200), run(3, 10, 100, missing=2), run(2, 20, 300, missing=1)])
    assert (found.rate, found.call, found.whole, found.missing) == (2, (10, 20), (100, 200), 3)


def test_report(capsys: pytest.CaptureFixture[str]) -> None:
    rounds = {"plain": [run(3_000, 500, 500)], "bus": [run(29_900, 5, 1_900)], "burst": [run(500, 5, 59_000)]}
    assert all(target.met for target in report(rounds))
    assert "10.0 times the messages, 100 times shorter calls at p99" in capsys.readouterr().out
    slow = report({**rounds, "bus": [run(29_000, 6, 2_100, missing=1)], "burst": [run(500, 5, 61_000)]})
    assert not any(target.met for target in slow)


def test_pauses_are_a_share() -> None:
    assert 0 <= stalls(0.05) <= 1
