"""One open connection to Redis: commands in, plain answers out.

A protocol of its own over hiredis, as an exchange through redis-py's streams takes a third more of the processor.
"""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from threading import get_ident
from typing import Any, cast

import hiredis
from redis.exceptions import InvalidResponse, ResponseError

HEALTH_SECONDS = 2.0  # an idle connection is asked this often
LUA = Path(__file__).parent

Argument = str | bytes | int | float
Command = tuple[Argument, ...]
Waiter = asyncio.Future[None]


class Script(StrEnum):
    """What must happen in Redis in one step; each is a file beside this one."""

    PUBLISH = "publish.lua"
    COMMIT = "commit.lua"
    BURY = "bury.lua"
    TIDY = "tidy.lua"


class Bell:
    """Tells the one session that listens that there is work; rung from any thread.

    `silent` says whether it is worth ringing: only the first one who has work after `listen` needs to.
    """

    def __init__(self) -> None:
        self.silent = False
        self._waiter: Waiter | None = None
        self._thread = 0

    def listen(self) -> None:
        """Before looking for work: what comes from here on rings."""
        self.silent = True

    def ring(self) -> None:
        """There is work."""
        self.silent = False
        if (waiter := self._waiter) is None:
            return
        if get_ident() == self._thread:
            wake(waiter)
        else:  # a system call: 10 us and more
            waiter.get_loop().call_soon_threadsafe(wake, waiter)

    async def wait(self, waiter: Waiter) -> None:
        """Return when it rings, or has rung since `listen`, or `waiter` is woken by somebody else."""
        self._thread = get_ident()
        self._waiter = waiter  # before the look: who rings after it finds whom to wake
        try:
            if self.silent:
                await waiter
        finally:
            self._waiter = None


def wake(waiter: Waiter) -> None:
    """Let it go on, unless it has already."""
    if not waiter.done():
        waiter.set_result(None)


class Wire(asyncio.Protocol):
    """A command's error reply is returned, not raised: it is that command's alone. One exchange at a time."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(protocolError=InvalidResponse, replyError=ResponseError)
        self._answers: list[Any] = []
        self._expected = 0
        self._waiter: Waiter | None = None
        self._lost: Exception | None = None
        self._scripts: dict[Script, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not False:
                self._answers.append(answer)
        except InvalidResponse as error:
            self._fail(error)
        if self._waiter is not None and len(self._answers) >= self._expected:
            wake(self._waiter)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or ConnectionError("the connection was closed"))

    def close(self) -> None:
        """Nothing that is under way is waited for."""
        self._transport.abort()

    def _fail(self, error: Exception) -> None:
        """What comes after this can belong to no command any more."""
        self._lost = self._lost or error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self._lost)

    async def pipeline(self, commands: Sequence[Command], patience: float = 0.0) -> list[Any]:
        """Send all commands in one go and read all answers; `patience` is added to the time for them."""
        waiter, self._expected = self._wait(), len(commands)
        packed = [hiredis.pack_command(command) for command in commands]  # type: ignore[arg-type]  # its stub
        self._transport.write(b"".join(packed))
        late = self._loop.call_later(self._timeout + patience, self._fail, TimeoutError("no answer in time"))
        try:
            await waiter
        finally:
            late.cancel()
            self._waiter = None
        answers, self._answers = self._answers, []
        return answers

    def _wait(self) -> Waiter:
        if self._lost is not None:
            raise self._lost
        self._waiter = self._loop.create_future()
        return self._waiter

    async def call(self, *command: Argument, patience: float = 0.0) -> Any:
        """One command; raises ResponseError where it is refused."""
        (answer,) = await self.pipeline([command], patience)
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    async def idle(self, bell: Bell, monitored: bool) -> None:
        """Wait for the bell; a monitored connection is asked meanwhile whether it lives."""
        while bell.silent:
            await self._rest(bell, HEALTH_SECONDS if monitored else None)
            if bell.silent:
                await self.call("PING")

    async def _rest(self, bell: Bell, seconds: float | None) -> None:
        """Until the bell rings or the time is over; raises what the connection was lost by."""
        waiter = self._wait()
        end = None if seconds is None else self._loop.call_later(seconds, wake, waiter)
        try:
            await bell.wait(waiter)
        finally:
            self._waiter = None
            if end is not None:
                end.cancel()

    async def sign_in(self, name: str, password: str | None) -> None:
        """Make the name known to the server, and every script."""
        if password is not None:
            await self.call("AUTH", password)
        await self.call("CLIENT", "SETNAME", name)
        for script in Script:
            self._scripts[script] = await self.call("SCRIPT", "LOAD", (LUA / script).read_bytes())

    def script(self, script: Script, keys: Sequence[Argument], *arguments: Argument) -> Command:
        """The command that runs a script."""
        return ("EVALSHA", self._scripts[script], len(keys), *keys, *arguments)
