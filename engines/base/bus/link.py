"""One connection to Redis that comes back: commands in, plain answers out, and a state that is true."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Any

import hiredis
from redis.asyncio.connection import Connection
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from engines.base.bus.options import BusOptions

FIRST_WAIT, LONGEST_WAIT = 0.05, 5.0  # seconds before the next try, and the most that doubling makes of it
HEALTH_SECONDS = 2.0  # an idle connection is asked this often
LUA = Path(__file__).parent

Argument = str | bytes | int | float
Command = tuple[Argument, ...]
log = logging.getLogger("nautilus.bus")


class Script(StrEnum):
    """What must happen in Redis in one step; each is a file beside this one."""

    PUBLISH = "publish.lua"
    COMMIT = "commit.lua"
    BURY = "bury.lua"
    TIDY = "tidy.lua"


class Wire:
    """An open connection. A command's error reply is returned, not raised: it is that command's alone."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._scripts: dict[Script, bytes] = {}

    async def pipeline(self, commands: Sequence[Command], patience: float = 0.0) -> list[Any]:
        """Send all commands in one go and read all answers; `patience` is added to the time for them."""
        packed = b"".join([hiredis.pack_command(command) for command in commands])  # type: ignore[arg-type]  # its stub
        async with asyncio.timeout(self._timeout + patience):
            await self._connection.send_packed_command(packed, check_health=False)
            return [await self._answer() for _ in commands]

    async def call(self, *command: Argument, patience: float = 0.0) -> Any:
        """One command; raises ResponseError where it is refused."""
        (answer,) = await self.pipeline([command], patience)
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    async def idle(self, wake: asyncio.Event, monitored: bool) -> None:
        """Wait for `wake`; a monitored connection is asked meanwhile whether it lives."""
        while not wake.is_set():
            try:
                async with asyncio.timeout(HEALTH_SECONDS if monitored else None):
                    await wake.wait()
            except TimeoutError:
                await self.call("PING")

    async def load_scripts(self) -> None:
        """Make every script known to the server."""
        for script in Script:
            self._scripts[script] = await self.call("SCRIPT", "LOAD", (LUA / script).read_bytes())

    def script(self, script: Script, keys: Sequence[Argument], *arguments: Argument) -> Command:
        """The command that runs a script."""
        return ("EVALSHA", self._scripts[script], len(keys), *keys, *arguments)

    async def _answer(self) -> Any:
        try:
            return await self._connection.read_response(disable_decoding=True)
        except ResponseError as error:
            return error


class Link:
    """Keeps one connection for a session that runs for ever, and makes it anew when it is lost.

    Waits with full jitter, 50 ms to 5 s; redis-py's own retries are off, so that `up` says what is.
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
            connection = self._connection()
            try:
                wire = await self._open(connection)
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
                await connection.disconnect(nowait=True)

    def _connection(self) -> Connection:
        return Connection(
            host=self._options.host,
            port=self._options.port,
            client_name=self._name,
            socket_connect_timeout=self._options.connection_timeout,
            socket_timeout=None,  # Wire bounds each exchange as a whole
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )

    async def _open(self, connection: Connection) -> Wire:
        connection.password = await asyncio.to_thread(self._options.password)
        async with asyncio.timeout(self._options.connection_timeout):
            await connection.connect()  # type: ignore[no-untyped-call]
        wire = Wire(connection, self._options.connection_timeout)
        await wire.load_scripts()
        return wire

    def _down(self, error: Exception, failures: int) -> None:
        if self.up:
            self.lost += 1
        if failures == 1:
            where = f"{self._options.host}:{self._options.port}"
            log.warning("%s: Redis at %s: %s", self._name, where, error or "no answer in time")
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
