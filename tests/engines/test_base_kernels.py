"""What the kernels share gives what numpy's sort gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from engines.base import compiled

if not compiled.AVAILABLE:
    pytest.skip("numba is not installed or switched off, or the processor is below x86-64-v3", allow_module_level=True)

from engines.base.kernels import keep_smallest

Floats = NDArray[np.float64]


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6)), st.data())
@settings(deadline=None)
def test_the_smallest_are_kept(values: Floats, data: st.DataObject) -> None:
    heap = np.empty(data.draw(st.integers(1, len(values))))
    keep_smallest(values, heap)
    expected = np.sort(values)[: len(heap)]
    np.testing.assert_array_equal(np.sort(heap), expected)
    assert heap[0] == expected[-1]
