"""Losses, gaps and recovery, from outcomes that are made by hand and by chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.bench.recording import Failure
from nautilus_cli.bench.timeline import Timeline, slow_bound, timeline
from tests.bench_fakes import MS, recording

OUTCOMES = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 5), st.booleans()), min_size=1, max_size=60)


def made(*outcomes: tuple[float, float, bool]) -> Timeline:
    """Requests by when they were due, how long they took, and whether they were answered well."""
    due, took, fine = (np.array(column) for column in zip(*outcomes, strict=True))
    status = np.where(fine, 200, 0).astype(np.uint16)
    return Timeline(due, due + took, status, np.where(fine, Failure.NONE, Failure.RESET).astype(np.uint8))


def test_two_runs_become_one_on_the_same_clock() -> None:
    kept = recording([5 * MS] * 10, seconds=1.0)
    fresh = recording([7 * MS] * 10, seconds=1.0, status=[200] * 9 + [503])
    joined = timeline([kept, fresh])
    assert (joined.sent, joined.lost, dict(joined.reasons)) == (20, 1, {"503": 1})
    assert float(min(joined.due)) == pytest.approx(1_800_000_000.0)
    assert joined.slowest == pytest.approx(0.007, abs=1e-6)


def test_what_is_lost_has_a_reason_and_an_error_of_the_server_counts() -> None:
    status, failure = [404, 503, 503, 0, 302], [Failure.NONE, Failure.NONE, Failure.NONE, Failure.RESET, Failure.NONE]
    found = Timeline(np.arange(5.0), np.arange(5.0), np.array(status, np.uint16), np.array(failure, np.uint8))
    assert list(found.reasons.items()) == [("503", 2), ("404", 1), ("reset", 1)]


def test_a_gap_is_counted_from_the_beginning_to_the_end() -> None:
    seen = made((1, 0, True), (2, 0, True), (3, 0, False), (5, 0, True))
    assert seen.gap(0, 6) == 3
    assert seen.gap(0, 10) == 5
    assert seen.gap(-7, 6) == 8
    assert seen.between(3, 4).gap(3, 4) == 1


def test_recovery_is_the_first_good_answer_after_the_last_loss() -> None:
    assert made((1, 0.1, True), (2, 0.1, True)).recovery(1.5) == 0
    seen = made((1, 0.1, True), (2, 0.1, False), (2.5, 0.1, True), (3, 0.1, False), (4, 0.5, True), (5, 0.1, True))
    assert seen.recovery(1.5) == pytest.approx(3.0)
    assert seen.recovery(3.2) == 0, "all that was lost was lost before"
    assert made((1, 0.1, True), (2, 0.1, False)).recovery(1.5) is None


def test_a_request_that_hangs_does_not_count_as_trouble_for_as_long_as_it_hangs() -> None:
    seen = made((2, 5.0, False), (2.1, 0.1, True), (3, 0.1, True))
    assert seen.recovery(1.9) == pytest.approx(0.3)
    assert (seen.lost_later(1.9), seen.lost_later(2.0)) == (1, 0)


@given(OUTCOMES, st.floats(0, 100), st.floats(0, 20))
def test_a_gap_is_no_longer_than_the_time_and_no_good_answer_lies_in_it(
    outcomes: list[tuple[float, float, bool]], began: float, seconds: float
) -> None:
    seen, ended = made(*outcomes), began + seconds
    gap = seen.gap(began, ended)
    inside = sum(began <= due + took <= ended for due, took, fine in outcomes if fine)
    assert 0 <= gap <= ended - began
    assert gap * (inside + 1) >= (ended - began) * (1 - 1e-9)


@given(OUTCOMES, st.floats(0, 100))
def test_after_recovery_nothing_is_lost_any_more(outcomes: list[tuple[float, float, bool]], at: float) -> None:
    seen = made(*outcomes)
    took, troubled = seen.recovery(at), seen.open_at(at)
    assert (took == 0) or troubled.lost
    if took is None:
        last = max(due for due, wait, fine in outcomes if not fine and due + wait >= at)
        assert not [due for due, _, fine in outcomes if fine and due > last]
    else:
        assert not troubled.lost_later(at + took)


@given(OUTCOMES, st.floats(0, 100))
def test_every_request_is_before_or_after_a_moment(outcomes: list[tuple[float, float, bool]], at: float) -> None:
    seen = made(*outcomes)
    assert seen.between(0, at).sent + seen.between(at, 1000).sent == seen.sent
    assert seen.lost + len(seen.latencies) == seen.sent == len(outcomes)
    assert sum(seen.reasons.values()) == seen.lost


def test_slow_is_ten_times_the_median_and_never_less_than_50_ms() -> None:
    assert slow_bound(made((1, 0.001, True))) == 0.05
    assert slow_bound(made((1, 0.02, True), (2, 0.02, True))) == pytest.approx(0.2)
    assert slow_bound(made((1, 0.02, False))) is None
