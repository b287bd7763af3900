"""What the compiled kernels of several engines share."""

import numpy as np
from numpy.typing import NDArray

from engines.base.compiled import compiled

Floats = NDArray[np.float64]


@compiled
def keep_smallest(values: Floats, heap: Floats) -> None:
    """Fill `heap` (c,) with the c smallest of values (n,), n >= c: the largest of them first, the rest in heap order.

    n log c steps at most, and little more than n where few values are small: a sort takes n log n always.
    """
    count = len(heap)
    heap[:] = np.inf
    for value in values:
        if value >= heap[0]:
            continue
        place, child = 0, 1
        while child < count:
            if child + 1 < count and heap[child + 1] > heap[child]:
                child += 1
            if heap[child] <= value:
                break
            heap[place] = heap[child]
            place, child = child, 2 * child + 1
        heap[place] = value
