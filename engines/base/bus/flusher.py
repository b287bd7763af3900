"""Writes what is buffered: whatever came while one batch was under way is the next one, so there is no timer."""

import asyncio
import logging
from threading import get_ident
from typing import Any

from redis.exceptions import ResponseError

from engines.base.bus.buffer import PriorityBuffer, Queued
from engines.base.bus.counters import Counters
from engines.base.bus.link import Command, Wire
from engines.base.bus.messages import Outgoing
from engines.base.bus.options import BusOptions

BATCH = 512
HEALTH_SECONDS = 2.0  # an idle connection is asked this often
FOR_GOOD = ("WRONGTYPE", "ERR")  # refusals that no later try can change


log = logging.getLogger("nautilus.bus")


class Flusher:
    """The one writer of a client."""

    def __init__(self, options: BusOptions, buffer: PriorityBuffer, counters: Counters) -> None:
        self._options = options
        self._buffer = buffer
        self._counters = counters
        self._retained = b"%d" % options.retained
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
        try:
            answers = await wire.pipeline([self._command(message) for _, message in batch])
        except BaseException:
            self._buffer.restore(batch)
            raise
        self._judge(batch, answers)

    def _command(self, message: Outgoing) -> Command:
        limit = (b"MAXLEN", b"~", self._retained)
        fields = (b"i", message.id, b"t", message.topic, b"a", message.at, b"d", message.payload)
        return (b"XADD", message.stream, *limit, b"*", *fields)

    def _judge(self, batch: list[Queued], answers: list[Any]) -> None:
        """A refused message fails alone: for good, or it is kept and the first such refusal is raised."""
        kept: list[Queued] = []
        stored, refusal = 0, None
        for queued, answer in zip(batch, answers, strict=True):
            if not isinstance(answer, ResponseError):
                stored += 1
            elif str(answer).startswith(FOR_GOOD):
                self._buffer.discard(queued[0])
                log.error("%s cannot be published: %s", queued[1].topic.decode(), answer)
            else:
                kept.append(queued)
                refusal = refusal or answer
        self._buffer.settle(stored)
        self._counters.published += stored
        self._buffer.restore(kept)
        if refusal is not None:
            raise refusal

    async def _idle(self, wire: Wire) -> None:
        self._wake.clear()
        self._sleeping = True
        if len(self._buffer):  # it came between the look and the sign
            self._sleeping = False
            return
        try:
            async with asyncio.timeout(HEALTH_SECONDS if self._options.health_monitoring else None):
                await self._wake.wait()
        except TimeoutError:
            await wire.call("PING")
        finally:
            self._sleeping = False
