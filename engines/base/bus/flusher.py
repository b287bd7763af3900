"""Writes what is buffered: whatever came while one batch was under way is the next one, so there is no timer."""

import asyncio
import logging
from itertools import chain
from threading import get_ident

from redis.exceptions import ResponseError

from engines.base.bus.buffer import PriorityBuffer, Queued
from engines.base.bus.counters import Counters
from engines.base.bus.link import Script, Wire
from engines.base.bus.options import BusOptions

BATCH = 512
FOR_GOOD = (b"WRONGTYPE", b"ERR")  # refusals that no later try can change


log = logging.getLogger("nautilus.bus")


class Flusher:
    """The one writer of a client."""

    def __init__(self, options: BusOptions, buffer: PriorityBuffer, counters: Counters) -> None:
        self._options = options
        self._buffer = buffer
        self._counters = counters
        self._sleeping = False
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self._stopping = False

    def notify(self) -> None:
        """Something was buffered; from any thread."""
        if not self._sleeping:
            return
        self._sleeping = False
        if get_ident() == self._thread:
            self._wake.set()
        else:
            self._loop.call_soon_threadsafe(self._wake.set)

    def stop(self) -> None:
        """The session ends when the buffer is empty."""
        self._stopping = True
        self._wake.set()

    async def session(self, wire: Wire) -> None:
        """Write until stopped; a batch stays buffered until every answer to it was read."""
        while True:
            batch = self._buffer.take(BATCH)
            if batch:
                await self._write(wire, batch)
            elif self._stopping:
                return
            else:
                await self._idle(wire)

    async def _write(self, wire: Wire, batch: list[Queued]) -> None:
        words = chain.from_iterable(message for _, message in batch)
        try:
            refusals = await wire.call(*wire.script(Script.PUBLISH, (), self._options.retained, *words))
        except BaseException:
            self._buffer.restore(batch)
            raise
        self._judge(batch, dict(zip(refusals[::2], refusals[1::2], strict=True)))

    def _judge(self, batch: list[Queued], refusals: dict[int, bytes]) -> None:
        """A refused message fails alone: for good, or it is kept and its refusal is raised."""
        kept = []
        for place, reason in refusals.items():
            priority, message = batch[place]
            if reason.startswith(FOR_GOOD):
                self._buffer.discard(priority)
                log.error("%s cannot be published: %s", message.topic.decode(), reason.decode())
            else:
                kept.append((priority, message))
        stored = len(batch) - len(refusals)
        self._buffer.settle(stored)
        self._counters.published += stored
        if kept:
            self._buffer.restore(kept)
            raise ResponseError("; ".join({reason.decode() for reason in refusals.values()}))

    async def _idle(self, wire: Wire) -> None:
        self._wake.clear()
        self._sleeping = True
        if len(self._buffer):  # it came between the look and the sign
            self._sleeping = False
            return
        try:
            await wire.idle(self._wake, self._options.health_monitoring)
        finally:
            self._sleeping = False
