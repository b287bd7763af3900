"""What waits to be written: four queues by priority under one bound."""

from collections import deque
from threading import Lock

from engines.base.bus.messages import Outgoing
from engines.base.bus.topics import Priority

Queued = tuple[Priority, Outgoing]


class PriorityBuffer:
    """At most `capacity` messages, those under way included; safe to fill from any thread.

    When it is full the OLDEST message of the LOWEST priority makes room, and is counted. A batch that was taken stays
    counted until it is settled, and goes back in front of its queues when it is returned.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._queues: tuple[deque[Outgoing], ...] = tuple(deque() for _ in Priority)
        self._lock = Lock()
        self._size = 0
        self.dropped = dict.fromkeys(Priority, 0)

    def __len__(self) -> int:
        return self._size

    def put(self, priority: Priority, message: Outgoing) -> bool:
        """Whether it was taken: not, where nothing waits that is worth less."""
        with self._lock:
            if self._size >= self._capacity and not self._make_room(priority):
                self.dropped[priority] += 1
                return False
            self._queues[priority].append(message)
            self._size += 1
            return True

    def _make_room(self, priority: Priority) -> bool:
        for lowest in reversed(Priority):
            if lowest < priority:
                return False
            if self._queues[lowest]:
                self._queues[lowest].popleft()
                self.dropped[lowest] += 1
                self._size -= 1
                return True
        return False

    def take(self, limit: int) -> list[Queued]:
        """The next batch: the highest priority first, each in the order in which it came."""
        batch: list[Queued] = []
        with self._lock:
            for priority in Priority:
                queue = self._queues[priority]
                count = min(limit - len(batch), len(queue))
                batch += [(priority, queue.popleft()) for _ in range(count)]
        return batch

    def settle(self, count: int) -> None:
        """So many messages of a batch are stored."""
        with self._lock:
            self._size -= count

    def discard(self, priority: Priority) -> None:
        """A message of a batch can never be stored."""
        with self._lock:
            self._size -= 1
            self.dropped[priority] += 1

    def restore(self, batch: list[Queued]) -> None:
        """Give back what could not be written; it is as if it had never been taken."""
        with self._lock:
            for priority, message in reversed(batch):
                self._queues[priority].appendleft(message)
