"""Confidence intervals hold what they promise: against scipy, by symmetry, and by how often they cover the truth."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nautilus_cli.bench.interval import LEAST, SURE, apart, paired, student, within

VALUES = st.floats(1e-6, 1e6)
PAIRS = st.lists(st.tuples(VALUES, VALUES), min_size=LEAST, max_size=12)


@pytest.mark.parametrize("freedom", [*range(1, 40), 99, 200])
def test_students_quantiles_are_those_of_scipy(freedom: int) -> None:
    assert student(freedom) == pytest.approx(stats.t.ppf((1 + SURE) / 2, freedom), rel=1e-9)
    for bound in (0.1, 1.0, 5.0):
        assert within(bound, freedom) == pytest.approx(2 * stats.t.cdf(bound, freedom) - 1, abs=1e-12)


def test_the_fewer_values_the_wider() -> None:
    assert all(a > b for a, b in pairwise(student(freedom) for freedom in range(1, 60)))


@given(PAIRS)
def test_b_against_a_is_the_inverse_of_a_against_b(pairs: list[tuple[float, float]]) -> None:
    a, b = zip(*pairs, strict=True)
    there, back = paired(a, b), paired(b, a)
    assert back.low is not None
    assert back.high is not None
    assert there.ratio == pytest.approx(1 / back.ratio)
    assert there.low == pytest.approx(1 / back.high)
    assert there.high == pytest.approx(1 / back.low)


@given(PAIRS, st.floats(0.01, 100))
def test_the_unit_does_not_matter(pairs: list[tuple[float, float]], unit: float) -> None:
    a, b = zip(*pairs, strict=True)
    one, other = paired(a, b), paired([unit * v for v in a], [unit * v for v in b])
    assert (other.ratio, other.low, other.high) == pytest.approx((one.ratio, one.low, one.high))


def test_the_paired_interval_is_that_of_the_textbook() -> None:
    a, b = [10.0, 11.0, 9.0, 10.5], [12.0, 12.5, 11.5, 11.0]
    expected = stats.ttest_rel(np.log(b), np.log(a)).confidence_interval(SURE)
    assert (paired(a, b).low, paired(a, b).high) == pytest.approx((np.exp(expected.low), np.exp(expected.high)))


def test_the_unpaired_interval_is_welchs_but_for_whole_degrees_of_freedom() -> None:
    a, b = [10.0, 11.0, 9.0, 10.5, 10.1], [12.0, 12.5, 11.5, 11.0]
    test = stats.ttest_ind(np.log(b), np.log(a), equal_var=False)
    error = (np.log(b).mean() - np.log(a).mean()) / test.statistic
    found = apart(1.2, a, b)
    assert found.high == pytest.approx(1.2 * np.exp(student(int(test.df)) * error))
    assert found.low == pytest.approx(1.2 / np.exp(student(int(test.df)) * error))


@pytest.mark.parametrize("rounds", [3, 5, 10])
@pytest.mark.parametrize("truth", [1.0, 1.1])
def test_nineteen_of_twenty_intervals_hold_the_truth(rounds: int, truth: float) -> None:
    """Pairs whose common disturbance is far larger than the difference: only pairing finds it."""
    dice, tries = np.random.default_rng(7), 3000
    common = np.exp(dice.normal(0, 0.5, (tries, rounds)))
    a = common * np.exp(dice.normal(0, 0.03, (tries, rounds)))
    b = truth * common * np.exp(dice.normal(0, 0.03, (tries, rounds)))
    held = sum(found.low <= truth <= found.high for found in map(paired, a, b) if found.low and found.high)
    assert held / tries == pytest.approx(SURE, abs=0.015)


def test_unpaired_intervals_hold_the_truth_too() -> None:
    dice, tries = np.random.default_rng(8), 3000
    a, b = np.exp(dice.normal(0, 0.05, (tries, 20))), np.exp(dice.normal(0, 0.2, (tries, 12)))
    ratios = np.exp(np.log(b).mean(1) - np.log(a).mean(1))
    found = [apart(float(ratio), one, other) for ratio, one, other in zip(ratios, a, b, strict=True)]
    assert sum(not change.real for change in found) / tries == pytest.approx(SURE, abs=0.015)


def test_too_few_values_make_no_interval_and_equal_ones_a_point() -> None:
    assert not paired([1, 1], [2, 2]).known
    assert not apart(2.0, [1, 2], [1, 2, 3]).known
    assert not paired([1, 1], [2, 2]).real
    same = paired([1, 1, 1], [2, 2, 2])
    assert (same.ratio, same.low, same.high) == pytest.approx((2, 2, 2))
    assert same.real
    assert not paired([1, 2, 3], [1, 2, 3]).real
    assert not apart(1.0, [1, 1, 1], [1, 1, 1]).real
