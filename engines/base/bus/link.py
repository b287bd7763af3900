"""A connection to Redis that comes back, and a state that is true."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic

from redis.exceptions import RedisError

from engines.base.bus.options import BusOptions
from engines.base.bus.wire import Wire

FIRST_WAIT, LONGEST_WAIT = 0.05, 5.0  # seconds before the next try, and the most that doubling makes of it

log = logging.getLogger("nautilus.bus")


class Link:
    """Keeps one connection for a session that runs for ever, and makes it anew when it is lost.

    Waits with full jitter, 50 ms to 5 s. `up` says what is.
    """

    def __init__(self, options: BusOptions, name: str) -> None:
        self._options = options
        self._name = name
        self.up = False
        self.lost = 0
        self.failed = asyncio.Event()  # at least once
        self.stopping = asyncio.Event()

    async def keep(self, session: Callable[[Wire], Awaitable[None]]) -> None:
        """Run `session` on a live connection, again and again, until it returns by itself or the link is stopped."""
        failures, opened = 0, monotonic()
        while not self.stopping.is_set():
            try:
                async with self._open() as wire:
                    opened, self.up = monotonic(), True
                    await session(wire)
                return
            except (RedisError, OSError, TimeoutError) as error:
                # A Redis that answers and then refuses is no better than one that is away: the waits grow.
                failures = 1 if self.up and monotonic() - opened > LONGEST_WAIT else failures + 1
                self._down(error, failures)
                if not self._options.auto_reconnect:
                    return
                await self._pause(failures)
            finally:
                self.up = False

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Wire]:
        options = self._options
        password = await asyncio.to_thread(options.password)
        async with asyncio.timeout(options.connection_timeout):
            make = asyncio.get_running_loop().create_connection
            _, wire = await make(lambda: Wire(options.connection_timeout), options.host, options.port)
        try:
            await wire.sign_in(self._name, password)
            yield wire
        finally:
            wire.close()

    def _down(self, error: Exception, failures: int) -> None:
        if self.up:
            self.lost += 1
        if failures == 1:
            where = f"{self._options.host}:{self._options.port}"
            log.warning("%s: Redis at %s: %s", self._name, where, str(error) or "no answer in time")
        self.up = False
        self.failed.set()

    async def _pause(self, failures: int) -> None:
        ceiling = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures - 1, 10))
        wait = max(FIRST_WAIT / 2, secrets.randbelow(int(ceiling * 1e6)) / 1e6)
        try:
            async with asyncio.timeout(wait):
                await self.stopping.wait()
        except TimeoutError:
            return
