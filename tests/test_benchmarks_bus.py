"""What the bus benchmark makes of its rounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.engines_bus import SLICE, Run, middle, report, stalls, times


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1e6)), min_size=1, max_size=300))
def test_percentiles_are_values_that_were_measured(samples: list[tuple[int, float]]) -> None:
    values = [took for _, took in samples]
    p50, p99, quiet = times(samples)
    assert {p50, p99, quiet} <= set(values)
    assert sum(value < p50 for value in values) <= len(values) / 2
    assert sum(value > p99 for value in values) <= len(values) / 100


def test_a_second_in_which_something_else_ran_shows_in_the_p99_but_not_in_that_of_the_quiet_slices() -> None:
    calm = [(at, 2.0) for at in range(0, 9 * SLICE, 1000)]
    disturbed = [(at, 500.0) for at in range(9 * SLICE, 10 * SLICE, 1000)]
    assert times(calm + disturbed) == (2, 500, 2)


def run(rate: float, call: float, whole: float, missing: int = 0) -> Run:
    return Run(rate, (call / 2, call, call), (whole / 2, whole, whole), missing, (5.0, 4.0))


def test_each_figure_is_the_median_of_the_rounds_and_nothing_that_is_missing_is_hidden() -> None:
    found = middle([run(1, 30, 200), run(3, 10, 100, missing=2), run(2, 20, 300, missing=1)])
    assert (found.rate, found.call, found.whole, found.missing) == (2, (10, 20, 20), (100, 200, 200), 3)


def test_report(capsys: pytest.CaptureFixture[str]) -> None:
    rounds = {"plain": [run(3_000, 500, 500)], "bus": [run(29_900, 5, 1_900)], "burst": [run(500, 5, 59_000)]}
    assert all(target.met for target in report(rounds))
    assert "10.0 times the messages, 100 times shorter calls at p99" in capsys.readouterr().out
    slow = report({**rounds, "bus": [run(29_000, 6, 2_100, missing=1)], "burst": [run(500, 5, 61_000)]})
    assert not any(target.met for target in slow)


def test_pauses_are_a_share() -> None:
    assert 0 <= stalls(0.05) <= 1
