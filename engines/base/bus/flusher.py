"""Writes what is buffered: whatever came while one batch was under way is the next one, so there is no timer."""

import logging

import msgspec
from redis.exceptions import ResponseError

from engines.base.bus.buffer import PriorityBuffer, Queued
from engines.base.bus.counters import Counters
from engines.base.bus.options import BusOptions
from engines.base.bus.wire import Bell, Script, Wire

BATCH = 512
FOR_GOOD = (b"WRONGTYPE", b"ERR")  # refusals that no later try can change


log = logging.getLogger("nautilus.bus")


class Flusher:
    """The one writer of a client."""

    def __init__(self, options: BusOptions, buffer: PriorityBuffer, bell: Bell, token: str, counters: Counters) -> None:
        self._options = options
        self._buffer = buffer
        self._counters = counters
        self._encode = msgspec.msgpack.Encoder().encode
        self._stopping = False
        self._bell = bell
        self._token = token  # before the number of a message: its id

    def stop(self) -> None:
        """The session ends when the buffer is empty."""
        self._stopping = True
        self._bell.ring()

    async def session(self, wire: Wire) -> None:
        """Write until stopped; a batch stays buffered until every answer to it was read."""
        while True:
            self._bell.listen()
            batch = self._buffer.take(BATCH)
            if batch:
                await self._write(wire, batch)
            elif self._stopping:
                return
            if len(batch) < BATCH and not self._stopping:
                await wire.idle(self._bell, self._options.health_monitoring)

    async def _write(self, wire: Wire, batch: list[Queued]) -> None:
        command = wire.script(Script.PUBLISH, (), self._options.retained, self._pack(batch))
        try:
            refusals = await wire.call(*command)
        except BaseException:
            self._buffer.restore(batch)
            raise
        self._judge(batch, dict(zip(refusals[::2], refusals[1::2], strict=True)))

    def _pack(self, batch: list[Queued]) -> bytes:
        """One argument, as five for each message cost three times as much to write."""
        words: list[str] = []
        for (_, stream, topic), number, at, payload in batch:
            words += (stream, f"{self._token}-{number:x}", topic, str(at // 1000), payload.decode())
        return self._encode(words)

    def _judge(self, batch: list[Queued], refusals: dict[int, bytes]) -> None:
        """A refused message fails alone: for good, or it is kept and its refusal is raised."""
        kept = []
        for place, reason in refusals.items():
            route = batch[place][0]
            if reason.startswith(FOR_GOOD):
                self._buffer.discard(route.priority)
                log.error("%s cannot be published: %s", route.topic, reason.decode())
            else:
                kept.append(batch[place])
        stored = len(batch) - len(refusals)
        self._buffer.settle(stored)
        self._counters.published += stored
        if kept:
            self._buffer.restore(kept)
            raise ResponseError("; ".join({reason.decode() for reason in refusals.values()}))
