"""Sizes, durations, shares and CPU counts: what is read, what is refused, and that writing is exact."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.units import (
    about_size,
    parse_cpus,
    parse_duration,
    parse_ratio,
    parse_share,
    parse_size,
    parse_whole,
    show_cpus,
    show_duration,
    show_latency,
    show_size,
    shown,
    write_duration,
    write_share,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MiB", 512 * 2**20),
        ("4GiB", 4 * 2**30),
        ("1GB", 10**9),
        ("1.5g", 3 * 2**29),
        (" 10 kb ", 10_000),
        ("7", 7),
        (7, 7),
        ("9007199254740993", 9007199254740993),  # not a float
        ("0.1TiB", 2**40 // 10),
    ],
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["1 GBB", "GiB", "-1", "", "1e3", "1_000", True, None, "9" * 400, "٣"])
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="is not a size; write 1GiB or 512MiB"):
        parse_size(text)


@given(st.integers(0, 10**18 - 1))
def test_a_size_is_written_exactly(size: int) -> None:
    assert parse_size(show_size(size)) == size


@given(st.integers(0, 10**6), st.integers(0, 99), st.sampled_from(["KiB", "MiB", "GiB", "TB", "m", "kb"]))
def test_a_size_with_decimals_is_rounded_down_from_the_exact_number(whole: int, part: int, unit: str) -> None:
    exact = Fraction(f"{whole}.{part:02d}") * parse_size(f"1{unit}")
    assert parse_size(f"{whole}.{part:02d}{unit}") == exact.__floor__()


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (4 * 2**30, "4GiB"),
        (3 * 2**29, "1.5GiB"),
        (2**20, "1MiB"),
        (1000, "1000B"),
        (0, "0B"),
        (1023 * 2**40, "1023TiB"),
    ],
)
def test_how_a_size_is_written(size: int, text: str) -> None:
    assert show_size(size) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30.0), ("1m30s", 90.0), ("1.5h", 5400.0), ("250us", 0.00025), (0, 0.0), ("0", 0.0)],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["30", 30, "s", "30 s", "-1s", "", True, None, "1d", "1s1"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration; write 30s, 500ms or 5m"):
        parse_duration(text)


@given(st.floats(0, 86400))
def test_a_duration_is_written_exactly(seconds: float) -> None:
    assert parse_duration(write_duration(seconds)) == seconds


@given(st.integers(1, 86400 * 1000).map(lambda ms: f"{ms}ms"))
def test_a_duration_stays_short(text: str) -> None:
    assert len(write_duration(parse_duration(text))) <= len(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"), (0.045, "45ms"), (0.9999, "1s"), (1.24, "1.2s"), (59.97, "1m00s"), (185, "3m05s"),
        (3599.7, "1h00m"), (7800, "2h10m"), (90000, "1d01h"),
    ],
)  # fmt: skip
def test_how_people_say_a_duration(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text


def test_ratios() -> None:
    assert [parse_ratio(value) for value in (0, 1, 0.25, "0.25", "25%", "100 %")] == [0, 1, 0.25, 0.25, 0.25, 1]


@pytest.mark.parametrize("value", [1.5, -1, True, None, "half", "101%", "1e-3"])
def test_what_is_no_ratio(value: object) -> None:
    with pytest.raises(ValueError, match=r"is not a (ratio; write 0.25 or 25%|share)"):
        parse_ratio(value)


def test_shares() -> None:
    assert parse_share("70%") == 0.7
    assert parse_share(" 0.1 %") == pytest.approx(0.001)


@pytest.mark.parametrize("text", ["70", 0.7, "101%", "-1%", "%", True, None])
def test_what_is_no_share(text: object) -> None:
    with pytest.raises(ValueError, match=r"is not a share; write 0\.1% or 70%"):
        parse_share(text)


@given(st.integers(1, 102400).map(lambda hundredths: hundredths / 100))
def test_cpus_are_written_exactly(cpus: float) -> None:
    assert parse_cpus(show_cpus(cpus)) == cpus


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0us"),
        (45e-6, "45us"),
        (999.7e-6, "1ms"),
        (0.001236, "1.24ms"),
        (0.3124, "312ms"),
        (0.9996, "1s"),
        (61, "61s"),
    ],
)
def test_latencies_have_three_digits(seconds: float, text: str) -> None:
    assert show_latency(seconds) == text


@given(st.integers(0, 10**6).map(lambda parts: f"{parts / 10**4}%"))
def test_shares_are_written_exactly(text: str) -> None:
    assert parse_share(write_share(parse_share(text))) == parse_share(text)


@pytest.mark.parametrize("text", ["0.1%", "70%", "0%", "100%", "99.95%"])
def test_shares_are_written_as_people_do(text: str) -> None:
    assert write_share(parse_share(text)) == text


@pytest.mark.parametrize("text", ["lots", "-1", "1e3", "nan", "inf", "1_0", True, None, ""])
def test_what_is_no_number_of_cpus(text: object) -> None:
    with pytest.raises(ValueError, match=r"is not a number of CPUs; write 0\.5 or 2"):
        parse_cpus(text)


@pytest.mark.parametrize("text", [0, "0.009", 1025])
def test_cpus_that_nobody_has(text: object) -> None:
    with pytest.raises(ValueError, match=r"cannot be granted; write a number from 0\.01 to 1024"):
        parse_cpus(text)


def test_whole_numbers() -> None:
    assert parse_whole("-8") == -8
    for wrong in (True, 1.5, "1.0", "x", None, "9" * 5000):
        with pytest.raises(ValueError, match="is not a whole number"):
            parse_whole(wrong)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"), (True, "true"), (5, "5"), ("5", "'5'"), ({}, "a mapping"), ([], "a list"),
        ("x" * 99, repr("x" * 57 + "...")), ("a\nb", r"'a\nb'"),
    ],
)  # fmt: skip
def test_how_a_message_quotes_a_value(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (1023, "1023B"), (1024, "1KiB"), (2**29, "512MiB"), (25_276_502_016, "23.5GiB"), (2**40, "1TiB")],
)
def test_about_size_is_for_people(size: int, text: str) -> None:
    assert about_size(size) == text
