"""The client that an engine holds: publish and forget, subscribe, and a state that is true."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from itertools import count
from time import time_ns
from typing import Any

import msgspec

from engines.base.bus.buffer import PriorityBuffer
from engines.base.bus.consumer import Consumer
from engines.base.bus.counters import Counters
from engines.base.bus.flusher import Flusher
from engines.base.bus.interface import BusState
from engines.base.bus.link import Link
from engines.base.bus.options import BusOptions
from engines.base.bus.replication import Replicator
from engines.base.bus.subscriptions import Handler, Subscriptions
from engines.base.bus.topics import Priority, Routes, TopicError
from engines.base.bus.wire import Bell, Wire
from engines.base.state import State

URGENT = (Priority.CRITICAL, Priority.HIGH)  # read on a connection of their own
FLUSH_SECONDS = 3.0  # that a stop may take

log = logging.getLogger("nautilus.bus")


class BufferedMessageBusClient:
    """Redis Streams behind a buffer: nothing that it is asked ever waits for Redis, or fails because of it.

    Delivery is at least once; what a handler returns is applied once for each message id. `group` is shared by the
    replicas of one engine: each message goes to one of them.
    """

    def __init__(self, options: BusOptions, group: str, replica: str, state: State | None = None) -> None:
        token = secrets.token_hex(6)
        self.counters = Counters()
        self.replicated = state or State()
        self._options = options
        self._group = group
        self._name = f"{replica}-{token}"
        self._token = token
        self._numbers = count(1)  # one step of it is one operation: threads publish too
        self._routes = Routes()
        self._encode = msgspec.json.Encoder().encode
        self._buffer = PriorityBuffer(options.capacity)
        self._bell = Bell()
        self._subscriptions = Subscriptions()
        self._links: list[Link] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stops: list[Callable[[], None]] = []

    @property
    def state(self) -> BusState:
        """connecting until every connection was made, degraded while one is lost, off without reconnection."""
        if any(task.done() for task in self._tasks) or not self._tasks:
            return "off"
        if all(link.up for link in self._links):
            return "connected"
        return "degraded" if any(link.lost for link in self._links) else "connecting"

    @property
    def buffered(self) -> int:
        """Messages that are not stored yet."""
        return len(self._buffer)

    @property
    def dropped(self) -> dict[Priority, int]:
        """Messages that were lost, by priority: the buffer was full, or Redis refused them for good."""
        return dict(self._buffer.dropped)

    def publish(self, topic: str, payload: Any) -> bool:
        """Buffer a message; never waits, never raises. False says that it is lost, which is counted."""
        try:
            route = self._routes[topic]
            body = self._encode(payload)
        except (TopicError, TypeError, ValueError, msgspec.MsgspecError) as error:
            self.counters.rejected += 1
            log.error("%r cannot be published: %s", topic, error)
            return False
        taken = self._buffer.put((route, next(self._numbers), time_ns(), body))
        if self._bell.silent:
            self._bell.ring()
        return taken

    def subscribe(self, pattern: str, handler: Handler) -> None:
        """Hand each message of this pattern to one replica of the group; before `start`. Raises TopicError."""
        self._subscriptions.add(pattern, handler)

    async def start(self) -> None:
        """Begin; returns when the replicated state is loaded, or as soon as it is known that it cannot be."""
        flusher = Flusher(self._options, self._buffer, self._bell, self._token, self.counters)
        self._begin(Link(self._options, f"{self._name}-publisher"), flusher.session, flusher.stop)
        await self._replicate()
        for name, chosen in (("urgent", URGENT), ("other", set(Priority) - set(URGENT))):
            if (some := self._subscriptions.among(chosen)).streams:
                consumer = Consumer(
                    self._group, f"{self._name}-{name}", self._options, some, self.replicated, self.counters
                )
                self._begin(Link(self._options, f"{self._name}-{name}"), consumer.session, consumer.stop)

    async def stop(self) -> None:
        """Read no more, finish what is under way, hand over the rest, write what is buffered; bounded in time."""
        for stop in self._stops:
            stop()
        for link in self._links:
            link.stopping.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=FLUSH_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.buffered:
            log.warning("%d messages could not be published before the end", self.buffered)
        self._tasks.clear()

    def _begin(self, link: Link, session: Callable[[Wire], Awaitable[None]], stop: Callable[[], None]) -> None:
        self._links.append(link)
        self._stops.append(stop)
        task = asyncio.create_task(link.keep(session))
        task.add_done_callback(_tell)
        self._tasks.append(task)

    async def _replicate(self) -> None:
        if not self.replicated.tables:
            return
        replicator = Replicator(self.replicated, self._options, self._name)
        self.replicated.replication = replicator
        self._begin(replicator.follower, replicator.follow, replicator.stop)
        self._begin(replicator.writer, replicator.write, replicator.stop)
        first = [asyncio.create_task(event.wait()) for event in (replicator.loaded, replicator.follower.failed)]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        for task in first:
            task.cancel()


def _tell(task: "asyncio.Task[None]") -> None:
    """A session that ends by a bug turns the bus off; the engine serves on."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a part of the bus has failed", exc_info=error)
