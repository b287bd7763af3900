"""HDR counts are those of the `hdrhistogram` package, and a distribution says what the values say."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.bench.histogram import BUCKETS, DIGITS, HALF, HIGHEST, Histogram, index, lowest

LATENCIES = st.lists(st.integers(min_value=0, max_value=HIGHEST), min_size=1, max_size=200)


def ns(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def oracle(values: list[int]) -> HdrHistogram:
    found = HdrHistogram(1, HIGHEST, DIGITS)
    for value in values:
        assert found.record_value(value)
    return found


@given(LATENCIES)
def test_counts_are_equal_to_those_of_hdrhistogram(values: list[int]) -> None:
    expected = oracle(values)
    mine = Histogram.of(ns(values))
    places = [at for at in range(expected.counts_len) if expected.get_count_at_index(at)]
    assert index(mine.values).tolist() == places
    assert mine.counts.tolist() == [expected.get_count_at_index(at) for at in places]
    assert mine.values.tolist() == [expected.get_lowest_equivalent_value(value) for value in mine.values.tolist()]


def test_counts_of_a_real_shape_are_equal_too() -> None:
    values = np.random.default_rng(7).lognormal(13, 1.5, 20_000).astype(np.int64)
    expected = oracle(values.tolist())
    mine = Histogram.of(values)
    assert {int(at): int(n) for at, n in zip(index(mine.values), mine.counts, strict=True)} == {
        at: n for at in range(expected.counts_len) if (n := expected.get_count_at_index(at))
    }
    footer = re.findall(r"= +([\d.]+)", mine.hgrm())
    in_ms = [expected.get_mean_value() / 1e6, expected.get_stddev() / 1e6, expected.get_max_value() / 1e6]
    assert [float(x) for x in footer[:3]] == pytest.approx(in_ms, abs=0.0006)
    assert [float(x) for x in footer[3:]] == [20_000, expected.bucket_count, expected.sub_bucket_count]


@given(LATENCIES)
def test_each_step_of_the_distribution_is_true(values: list[int]) -> None:
    ranked = np.sort(ns(values))
    steps = list(Histogram.of(ranked).steps())
    assert [step.share for step in steps] == sorted({step.share for step in steps})
    assert steps[-1].share == 1.0
    for step in steps:
        rank = max(1, int(np.ceil(step.share * len(values) - 1e-9)))
        assert step.total == np.searchsorted(ranked, step.nanoseconds, side="right")
        assert step.total >= rank
        assert ranked[rank - 1] <= step.nanoseconds <= ranked[rank - 1] * (1 + 10**-DIGITS) + 1


@given(st.integers(min_value=0, max_value=HIGHEST))
def test_a_class_begins_with_its_lowest_value(value: int) -> None:
    place = index(ns([value]))
    first = lowest(place)
    assert first[0] <= value
    assert index(first) == place
    assert first[0] == 0 or index(first - 1) == place - 1


def test_what_is_longer_than_an_hour_counts_as_one() -> None:
    assert Histogram.of(ns([HIGHEST * 5])).values.tolist() == Histogram.of(ns([HIGHEST])).values.tolist()


def test_the_text_is_what_plotters_read() -> None:
    text = Histogram.of(ns([1_000_000, 2_000_000, 3_000_000, 400_000_000])).hgrm()
    head, blank, *rows = text.splitlines()
    assert head.split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    assert blank == ""
    assert rows[0] == "       1.000 0.000000000000          1           1.00"
    assert rows[-4] == "     400.032 1.000000000000          4"
    assert rows[-1] == f"#[Buckets = {BUCKETS:12d}, SubBuckets     = {2 * HALF:12d}]"


def test_nothing_counted_is_a_distribution_without_lines() -> None:
    empty = Histogram.of(ns([]))
    assert (empty.total, list(empty.steps())) == (0, [])
    assert "TotalCount     =        0.000" in empty.hgrm()
