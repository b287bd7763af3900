"""The benchmark of isolation: what CPU shares explain, and what its report says. Pure."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.isolation import PASSED, SLICE, Seen, arguments, explained, left, rows

CORES = st.floats(0.1, 64)


def seen(p99: float = 0.01, busy: float = 0.1, failed: int = 0) -> Seen:
    return Seen(p99 / 2, p99, 1000, failed, busy)


@pytest.mark.parametrize(
    ("cores", "limit", "others", "had"),
    [
        (2, 1, [1], 1),  # the other one's limit leaves a whole core
        (2, 1, [1, 1], 2 / 3),  # the limits leave nothing: its share of both cores
        (1, 1, [1], 0.5),
        (2, 0.5, [2], 0.4),
        (4, 1, [1], 1),  # never more than its own limit
    ],
)
def test_what_is_left_beside_others(cores: float, limit: float, others: list[float], had: float) -> None:
    assert left(cores, limit, others) == pytest.approx(had)


@given(CORES, CORES, st.lists(CORES, max_size=5))
def test_others_only_take_and_never_more_than_what_weights_grant(
    cores: float, limit: float, others: list[float]
) -> None:
    alone, beside = left(cores, limit, ()), left(cores, limit, others)
    assert 0 < beside <= alone <= min(cores, limit) + 1e-9


def test_what_is_explained_is_the_ratio_of_what_there_is_to_spare() -> None:
    assert explained(seen(0.01), 2, 1, [1]) == pytest.approx(0.01 + PASSED * SLICE)
    assert explained(seen(0.01, busy=0.1), 1, 1, [1]) == pytest.approx(0.01 * 0.9 / 0.4 + PASSED * SLICE)
    assert explained(seen(busy=0.5), 1, 1, [1]) == inf


def test_the_report_has_medians_and_every_failure() -> None:
    pairs = [(seen(0.010), seen(0.012)), (seen(0.011), seen(0.013, failed=2)), (seen(0.5), seen(0.5))]
    lines = rows({"burn": pairs, "eat": [(seen(0.01), seen(0.02))]}, lambda before: before.p99 + SLICE)
    assert lines == [
        ["burn", "11.0", "13.0", "15.0", "met", "2 of 3002"],
        ["eat", "10.0", "20.0", "14.0", "MISSED", "0 of 1000"],
    ]


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--rate", "100", "--seconds", "5"]])
def test_wrong_arguments(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments(words)
    assert "at least" in capsys.readouterr().err
