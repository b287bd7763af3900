"""When requests are due."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_cli.bench.recording import Open
from nautilus_cli.bench.schedule import CHUNK, due_times

RATES = st.floats(0.1, 200_000)


@given(RATES, st.integers(2, 3 * CHUNK))
def test_constant_gaps_add_up_to_the_rate_exactly(rate: float, count: int) -> None:
    due = list(islice(due_times(Open(rate)), count))
    assert due[0] == 0
    assert abs(due[-1] - (count - 1) / rate * 1e9) <= 1
    assert np.ptp(np.diff(due)) <= 1


@given(RATES, st.integers(0, 100), st.integers(1, 3 * CHUNK))
def test_poisson_never_goes_back_and_repeats_itself_by_its_seed(rate: float, seed: int, count: int) -> None:
    load = Open(rate, arrival="poisson", seed=seed)
    due = list(islice(due_times(load), count))
    assert due == list(islice(due_times(load), count))
    assert due[0] >= 0
    assert (np.diff(due) >= 0).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_poisson_gaps_are_exponential_also_across_chunks(seed: int) -> None:
    count = 20 * CHUNK
    gaps = np.diff(list(islice(due_times(Open(1000, arrival="poisson", seed=seed)), count))) / 1e6
    assert gaps.mean() == pytest.approx(1, rel=4 / np.sqrt(count))
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03)
    assert np.percentile(gaps, (50, 99)) == pytest.approx([np.log(2), np.log(100)], rel=0.05)


def test_another_seed_is_another_schedule() -> None:
    first, second = (list(islice(due_times(Open(10, arrival="poisson", seed=seed)), 5)) for seed in (0, 1))
    assert first != second
