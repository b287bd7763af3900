"""The buffer keeps what matters most, in order, and counts what it loses."""

import sys
import threading
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.base.bus.buffer import PriorityBuffer, Queued
from engines.base.bus.topics import Priority, Route

PRIORITIES = st.lists(st.sampled_from(Priority), max_size=60)


def message(priority: Priority, number: int) -> Queued:
    return Route(priority, "stream", "topic"), number, 0, b"{}"


def numbers(batch: list[Queued]) -> list[tuple[Priority, int]]:
    return [(route.priority, number) for route, number, *_ in batch]


def filled(priorities: list[Priority], capacity: int) -> PriorityBuffer:
    buffer = PriorityBuffer(capacity)
    for number, priority in enumerate(priorities):
        buffer.put(message(priority, number))
    return buffer


def survivors(priorities: list[Priority], capacity: int) -> list[tuple[Priority, int]]:
    """What is left by the rule, in the plainest words: the oldest of the lowest goes, the newcomer among them."""
    kept: list[tuple[Priority, int]] = []
    for number, priority in enumerate(priorities):
        kept.append((priority, number))
        if len(kept) > capacity:
            lowest = max(priority for priority, _ in kept)
            kept.remove(next(one for one in kept if one[0] == lowest))
    return sorted(kept)


@given(PRIORITIES, st.integers(1, 20))
def test_the_oldest_of_the_lowest_makes_room_and_is_counted(priorities: list[Priority], capacity: int) -> None:
    buffer = filled(priorities, capacity)
    left = survivors(priorities, capacity)
    assert len(buffer) == len(left)
    assert numbers(buffer.take(100)) == left
    lost = Counter(priorities) - Counter(priority for priority, _ in left)
    assert buffer.dropped == {priority: lost[priority] for priority in Priority}


@given(PRIORITIES, st.integers(1, 20), st.integers(0, 20))
def test_a_batch_that_failed_goes_back_as_if_it_had_never_been_taken(
    priorities: list[Priority], limit: int, settled: int
) -> None:
    buffer = filled(priorities, 100)
    batch = buffer.take(limit)
    assert len(buffer) == len(priorities)  # what is under way counts
    buffer.settle(len(batch[:settled]))
    buffer.restore(batch[settled:])
    assert len(buffer) == len(priorities) - len(batch[:settled])
    assert numbers(buffer.take(100)) == survivors(priorities, 100)[len(batch[:settled]) :]


def test_a_message_that_can_never_be_stored_is_a_lost_one() -> None:
    buffer = filled([Priority.HIGH, Priority.HIGH], 10)
    buffer.take(2)
    buffer.settle(1)
    buffer.discard(Priority.HIGH)
    assert (len(buffer), buffer.dropped[Priority.HIGH]) == (0, 1)


@pytest.mark.parametrize("capacity", [1, 7, 100, 1000])
def test_threads_that_fill_it_find_the_bound_and_no_message_is_lost_uncounted(capacity: int) -> None:
    buffer = PriorityBuffer(capacity)
    stored: list[Queued] = []
    filling = threading.Event()

    def fill(thread: int) -> None:
        for number in range(3000):
            buffer.put(message(Priority((thread + number) % 4), thread * 3000 + number))

    def drain() -> None:
        while not filling.is_set():
            batch = buffer.take(50)
            assert len(batch) <= capacity
            buffer.restore(batch[30:])
            buffer.settle(len(batch[:30]))
            stored.extend(batch[:30])

    threads = [threading.Thread(target=fill, args=[thread]) for thread in range(4)]
    drainer = threading.Thread(target=drain)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in (*threads, drainer):
            thread.start()
        for thread in threads:
            thread.join()
        assert len(buffer) <= capacity
        filling.set()
        drainer.join()
    finally:
        sys.setswitchinterval(usual)
    left = buffer.take(capacity + 1)
    kept = [number for _, number in numbers(stored + left)]
    assert len(left) <= capacity
    assert len(set(kept)) == len(kept) == 4 * 3000 - sum(buffer.dropped.values())


class Interrupted(PriorityBuffer):
    """While it is being sorted, just before it tells how much room there is, another thread puts something."""

    intruder: threading.Thread | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_room" and self.intruder is not None and not self._arrived and not self.intruder.ident:
            self.intruder.start()
            self.intruder.join(0.2)  # it ends in this time if nothing holds it up
        super().__setattr__(name, value)


def test_whoever_comes_while_it_is_sorted_finds_the_bound_too() -> None:
    buffer = Interrupted(2)
    buffer.put(message(Priority.LOW, 1))
    buffer.take(0)
    buffer.put(message(Priority.LOW, 2))
    buffer.intruder = threading.Thread(target=buffer.put, args=[message(Priority.LOW, 3)])
    buffer.take(0)
    buffer.intruder.join()
    assert len(buffer) == 2
    assert (numbers(buffer.take(3)), buffer.dropped[Priority.LOW]) == ([(Priority.LOW, 2), (Priority.LOW, 3)], 1)
