"""From pieces to lines, and lines in order: nothing is lost, nothing is told twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.runtimes.base import Line
from nautilus_cli.runtimes.lines import LONGEST, SLACK, Joiner, Piece, Seen, Window, nanoseconds

START = datetime(2026, 11, 22, 15, 53, 52, tzinfo=UTC)


def stamp(at: int) -> str:
    """Docker's stamp of so many nanoseconds after the start."""
    return f"{START + timedelta(seconds=at // 10**9):%Y-%m-%dT%H:%M:%S}.{at % 10**9:09d}Z"


def piece(at: int, data: bytes, output: int = 1) -> Piece:
    return Piece(output, stamp(at), data)


def line(at: int, text: str = "") -> Line:
    return Line("risk/1", stamp(at), at, text)


def joined(*pieces: Piece) -> list[Line]:
    joiner = Joiner("risk/1")
    return [*filter(None, map(joiner.feed, pieces)), *joiner.rest()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01.000000002Z", 1_000_000_002),
        ("1970-01-01T01:00:01.5+01:00", 1_500_000_000),
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("no stamp", 0),
        ("", 0),
    ],
)
def test_stamps_are_read_to_the_nanosecond(text: str, expected: int) -> None:
    assert nanoseconds(text) == expected


@given(st.integers(min_value=0, max_value=10**15))
def test_stamps_keep_their_order(at: int) -> None:
    assert nanoseconds(stamp(at)) - nanoseconds(stamp(0)) == at


def test_the_pieces_of_a_long_line_are_one_line_under_its_first_stamp() -> None:
    (whole,) = joined(piece(1, b"a" * 16384), piece(1, b"b" * 16384), piece(2, b"c\n"))
    assert whole.text == "a" * 16384 + "b" * 16384 + "c"
    assert whole.stamp == stamp(1)


def test_the_outputs_of_one_process_do_not_cut_each_others_lines() -> None:
    lines = joined(piece(1, b"long "), piece(2, b"error\n", 2), piece(3, b"line\n"))
    assert [found.text for found in lines] == ["error", "long line"]
    assert lines[0].at <= lines[1].at  # the order of one container stays


def test_what_has_no_end_or_is_no_text_is_shown_too() -> None:
    lines = joined(piece(1, b"\xff\xfe caf\xc3\xa9\r\n"), piece(2, b"\n"), piece(3, b"no end"))
    assert [found.text for found in lines] == ["\ufffd\ufffd café", "", "no end"]


def test_a_line_without_bounds_is_told_in_parts() -> None:
    count = LONGEST // 16384 + 3
    lines = joined(*(piece(1, b"x" * 16384) for _ in range(count)))
    assert [len(found.text) for found in lines] == [LONGEST, 3 * 16384]


@given(
    gaps=st.lists(st.integers(min_value=-(SLACK // 4), max_value=SLACK), max_size=40),
    cut=st.integers(min_value=0, max_value=40),
    texts=st.lists(st.sampled_from([b"same\n", b"other\n"]), min_size=40, max_size=40),
)
def test_reading_on_repeats_nothing_and_leaves_nothing_out(gaps: list[int], cut: int, texts: list[bytes]) -> None:
    log, at = [], 10**9
    for gap, text in zip(gaps, texts, strict=False):
        at = max(0, at + gap if gap > 0 else at)
        log.append(piece(at + min(gap, 0), text))
    seen = Seen()
    for found in log[:cut]:
        seen.add(found)
    known = seen.recent()
    again = [found for found in log if nanoseconds(found.stamp) >= seen.since]
    fresh = []
    for found in again:
        if known[found]:
            known[found] -= 1
        else:
            fresh.append(found)
    assert fresh == log[cut:]


def test_what_stands_before_the_tail_is_not_read_when_reading_on() -> None:
    seen = Seen()
    seen.begin(piece(500, b"last\n"))
    seen.add(piece(500, b"last\n"))
    assert seen.since == nanoseconds(stamp(500))


ARRIVALS = st.lists(
    st.tuples(st.floats(min_value=0, max_value=1), st.integers(min_value=0, max_value=100)), max_size=50
)


@given(ARRIVALS)
def test_a_window_loses_nothing_and_holds_nothing_too_long(steps: list[tuple[float, int]]) -> None:
    window, now, out = Window(0.2), 0.0, list[Line]()
    pushed: list[tuple[float, Line]] = []
    for gap, at in steps:
        now += gap
        pushed.append((now, line(at, str(len(pushed)))))
        window.push(pushed[-1][1], now)
        out += list(window.ready(now))
        due = window.due()
        assert due is not None
        assert due > now
        assert {found.text for when, found in pushed if when + 0.2 <= now} <= {found.text for found in out}
    out += list(window.rest())
    assert sorted(int(found.text) for found in out) == list(range(len(steps)))
    assert window.due() is None


@given(st.lists(st.tuples(st.integers(min_value=0, max_value=3000), st.integers(min_value=0, max_value=199))))
def test_lines_that_are_late_by_less_than_the_window_come_in_order(written: list[tuple[int, int]]) -> None:
    window, out = Window(0.2), []
    for arrival, at in sorted((at + late, at) for at, late in written):
        window.push(line(at), arrival / 1000)
        out += list(window.ready(arrival / 1000))
    out += list(window.rest())
    assert [found.at for found in out] == sorted(at for at, _ in written)
