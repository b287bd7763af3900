"""What is written on the tape is read from it, and figures that a clock falsified are dropped."""

from __future__ import annotations

from struct import pack

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.bench.recording import Failure
from nautilus_cli.bench.tape import NEVER, SKEW, UNKNOWN, Tape, cut, spanning, under_way, wire

MOMENTS = st.integers(0, 2**62)


def test_what_is_written_is_read() -> None:
    tape = Tape()
    tape.answered(1, 2, 3, 4, pack("qq", 5, 6), 503, 7, True)
    tape.failed(8, 9, 10, Failure.TIMEOUT, False)
    assert len(tape) == 2
    assert tape.since(0).tolist() == [
        (1, 2, 3, 4, 5, 6, 503, 7, Failure.NONE, 1),
        (8, 9, 10, 0, 0, 0, 0, 0, Failure.TIMEOUT, 0),
    ]
    assert tape.since(1)["due"].tolist() == [8]
    assert len(tape.since(2)) == 0


@given(st.lists(st.tuples(MOMENTS, MOMENTS)), MOMENTS, MOMENTS)
def test_a_cut_holds_what_was_due_in_the_order_of_completion(
    times: list[tuple[int, int]], began: int, ended: int
) -> None:
    tape = Tape()
    for due, done in times:
        tape.failed(due, due, done, Failure.RESET, False)
    found = cut(tape.since(0), began, ended)
    assert sorted(found["due"]) == sorted(due for due, _ in times if began <= due < ended)
    assert found["done"].tolist() == sorted(found["done"])


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=50), st.integers(1, 5), st.integers(0, 30))
def test_connections_that_are_never_idle_are_all_under_way(latencies: list[int], connections: int, cut: int) -> None:
    tape = Tape()
    for _ in range(connections):
        moment = 0
        for latency in latencies:
            tape.answered(moment, moment, moment := moment + latency, 0, NEVER, 200, 0, False)
    end = sum(latencies)
    assert under_way(tape.since(0), end * cut // 100, end) == pytest.approx(connections)


def test_what_is_under_way_all_the_time_is_in_no_cut_and_is_counted() -> None:
    tape = Tape()
    for sent, done in ((0, 5), (5, 15), (15, 19), (12, 25), (5, 25), (9, 21)):
        tape.answered(sent, sent, done, 0, NEVER, 200, 0, False)
    assert spanning(tape.since(0), 10, 20) == 2
    assert len(cut(tape.since(0), 10, 20)) == 2


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        (pack("qq", 100, 500), 500),
        (NEVER, UNKNOWN),
        (pack("qq", 99, 0), UNKNOWN),  # the clock was set back
        (pack("qq", 100, 2000 + SKEW), UNKNOWN),  # or forward
        (pack("qq", 100, SKEW), SKEW),
    ],
)
def test_wire_latency(came: bytes, expected: int) -> None:
    tape = Tape()
    tape.answered(0, 0, 1000, 100 * 10**9, came, 200, 0, False)
    latencies, dropped = wire(tape.since(0))
    assert latencies.tolist() == [expected]
    assert dropped == (expected == UNKNOWN and came != NEVER)
    assert latencies.dtype == np.int64
