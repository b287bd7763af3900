"""What waits to be written: four queues by priority under one bound."""

from collections import deque
from threading import Lock

from engines.base.bus.topics import Priority, Route

Queued = tuple[Route, int, int, bytes]  # the number of the message, when it was published (nanoseconds), its payload


class PriorityBuffer:
    """At most `capacity` messages, those under way included; safe to fill from any thread.

    When it is full the OLDEST message of the LOWEST priority makes room, and is counted. A batch that was taken stays
    counted until it is settled, and goes back in front of its queues when it is returned.

    What is put arrives in one line, without a lock, as long as there is room: whoever appends last sees all of it.
    Whoever holds the lock sorts it into the queues.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._arrived: deque[Queued] = deque()
        self._queues: tuple[deque[Queued], ...] = tuple(deque() for _ in Priority)
        self._lock = Lock()
        self._size = 0  # of what is sorted or under way
        self._room = capacity  # for what arrives; 0 while it is sorted, so that whoever comes then waits for the lock
        self.dropped = dict.fromkeys(Priority, 0)

    def __len__(self) -> int:
        with self._lock:
            return self._size + len(self._arrived)

    def put(self, message: Queued) -> bool:
        """Whether it was taken: not, where nothing waits that is worth less."""
        self._arrived.append(message)
        return len(self._arrived) <= self._room or self._squeeze_in(message)

    def _squeeze_in(self, message: Queued) -> bool:
        with self._lock:
            return all(lost is not message for lost in self._sort())

    def _sort(self) -> list[Queued]:
        """Move what has arrived into its queues; what had to be dropped for it."""
        self._room = 0
        lost: list[Queued] = []
        while self._arrived:
            message = self._arrived.popleft()
            self._queues[message[0].priority].append(message)
            self._size += 1
            if self._size > self._capacity:
                lost.append(self._drop())
        self._room = self._capacity - self._size
        return lost

    def _drop(self) -> Queued:
        queue = next(queue for queue in reversed(self._queues) if queue)
        self._size -= 1
        self.dropped[queue[0][0].priority] += 1
        return queue.popleft()

    def take(self, limit: int) -> list[Queued]:
        """The next batch: the highest priority first, each in the order in which it came."""
        batch: list[Queued] = []
        with self._lock:
            self._sort()
            for queue in self._queues:
                count = min(limit - len(batch), len(queue))
                batch += [queue.popleft() for _ in range(count)]
        return batch

    def settle(self, count: int) -> None:
        """So many messages of a batch are stored."""
        with self._lock:
            self._forget(count)

    def discard(self, priority: Priority) -> None:
        """A message of a batch can never be stored."""
        with self._lock:
            self._forget(1)
            self.dropped[priority] += 1

    def _forget(self, count: int) -> None:
        self._size -= count
        self._room += count

    def restore(self, batch: list[Queued]) -> None:
        """Give back what could not be written; it is as if it had never been taken."""
        with self._lock:
            for message in reversed(batch):
                self._queues[message[0].priority].appendleft(message)
