"""When a warm-up has become steady."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.bench.steady import SLICES, Slice, drift, steady

BUSY = Slice(10_000, 0.001)


def slices(answers: list[float], p50: list[float] | None = None) -> list[Slice]:
    return [Slice(round(n), p) for n, p in zip(answers, p50 or [0.001] * len(answers), strict=True)]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([], False),
        ([BUSY] * (SLICES - 1), False),
        ([BUSY] * SLICES, True),
        (slices([10_000, 10_100, 9_900, 10_050, 10_000]), True),
        (slices([10_000, 10_300, 10_600, 10_900, 11_200]), False),  # still rising
        (slices([1_000] * 5, [0.010, 0.008, 0.006, 0.005, 0.004]), False),  # still getting faster
        (slices([10_000, 7_000, 13_000, 7_000, 10_000]), True),  # unquiet, but going nowhere
        (slices([100, 110, 95, 105, 112]), True),  # so few vary by so much by chance
        ([*[BUSY] * 4, Slice(0, 0)], False),
        (slices([100, 5_000, *[10_000] * 5]), True),  # what was before does not matter
    ],
)
def test_steady(seen: list[Slice], expected: bool) -> None:
    assert steady(seen) is expected


@given(st.floats(1, 1e6), st.floats(-0.5, 0.5), st.integers(2, 20))
def test_drift_of_a_line_is_its_change_as_a_share_of_its_mean(mean: float, change: float, count: int) -> None:
    values = [mean * (1 + change * (place / (count - 1) - 0.5)) for place in range(count)]
    assert drift(values) == pytest.approx(change, abs=1e-9)
