"""What a group left behind: messages of dead replicas are claimed, poison becomes dead letters, dead names go."""

import logging
from collections.abc import AsyncIterator, Sequence
from time import monotonic
from typing import Any

from engines.base.bus.counters import Counters
from engines.base.bus.options import BusOptions
from engines.base.bus.topics import DEAD_LETTERS
from engines.base.bus.wire import Argument, Script, Wire

PAGE = 200
KEPT_LETTERS = 10_000
FORGOTTEN_MS = 10 * 60_000  # a consumer asks five times a second: one that has not for so long is dead
MINE = 10_000  # of one's own messages, handed over in one go

log = logging.getLogger("nautilus.bus")

Entries = list[tuple[bytes, list[bytes]]]


class Janitor:
    """Looks after some streams of one group, on the connection of the consumer that it belongs to."""

    def __init__(
        self, group: str, consumer: str, options: BusOptions, streams: Sequence[str], counters: Counters
    ) -> None:
        self._group = group
        self._consumer = consumer
        self._idle_ms = round(options.claim_after * 1000)
        self._every = options.claim_after / 2
        self._deliveries = options.deliveries
        self._streams = streams
        self._counters = counters
        self._next = monotonic()  # at once: what this replica left when it was killed is old

    @property
    def due(self) -> bool:
        """Whether it is time to look."""
        return monotonic() >= self._next

    async def claim(self, wire: Wire) -> AsyncIterator[tuple[bytes, Entries]]:
        """Bury what was delivered too often, then yield what was not handled for long; forget dead consumers."""
        for stream in self._streams:
            await self._bury(wire, stream)
            async for entries in self._claimed(wire, stream):
                yield stream.encode(), entries
            await wire.call(*wire.script(Script.TIDY, [stream], self._group, FORGOTTEN_MS, ""))
        self._next = monotonic() + self._every

    async def hand_over(self, wire: Wire) -> None:
        """What this consumer could not handle is old enough to be claimed at once; then it is forgotten."""
        for stream in self._streams:
            mine = await wire.call("XPENDING", stream, self._group, "-", "+", MINE, self._consumer)
            if mine:
                entries = [found[0] for found in mine]
                target: tuple[Argument, ...] = ("XCLAIM", stream, self._group, self._consumer, 0)
                await wire.call(*target, *entries, "IDLE", self._idle_ms, "JUSTID")
            await wire.call(*wire.script(Script.TIDY, [stream], self._group, FORGOTTEN_MS, self._consumer))

    async def _bury(self, wire: Wire, stream: str) -> None:
        start = "-"
        while True:
            page = await wire.call("XPENDING", stream, self._group, "IDLE", self._idle_ms, start, "+", PAGE)
            for entry, consumer, _, deliveries in page:
                if deliveries >= self._deliveries:
                    await self._bury_one(wire, stream, entry, consumer, deliveries)
            if len(page) < PAGE:
                return
            start = f"({page[-1][0].decode()}"

    async def _bury_one(self, wire: Wire, stream: str, entry: bytes, consumer: bytes, deliveries: int) -> None:
        keys = (stream, DEAD_LETTERS)
        command = wire.script(Script.BURY, keys, self._group, entry, deliveries, consumer, KEPT_LETTERS)
        if await wire.call(*command):
            self._counters.dead_lettered += 1
            log.error("%s %s is a dead letter after %d deliveries", stream, entry.decode(), deliveries)

    async def _claimed(self, wire: Wire, stream: str) -> AsyncIterator[Entries]:
        cursor: bytes = b"0-0"
        while True:
            command = ("XAUTOCLAIM", stream, self._group, self._consumer, self._idle_ms, cursor, "COUNT", PAGE)
            answer: list[Any] = await wire.call(*command)
            cursor = answer[0]
            entries: Entries = [found for found in answer[1] if found and found[1] is not None]
            await self._forget_trimmed(wire, stream, answer)
            self._counters.claimed += len(entries)
            if entries:
                yield entries
            if cursor == b"0-0":
                return

    async def _forget_trimmed(self, wire: Wire, stream: str, answer: list[Any]) -> None:
        """Redis 6.2 goes on naming entries that were trimmed away; later ones forget them by themselves."""
        gone = [found[0] for found in answer[1] if found and found[1] is None]
        if gone:
            await wire.call("XACK", stream, self._group, *gone)
