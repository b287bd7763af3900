"""A connection's exchanges, and the bell that wakes its session."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.exceptions import InvalidResponse, ResponseError

from engines.base.bus import BufferedMessageBusClient
from engines.base.bus.wire import Bell, Wire
from tests.engines.redis_server import Server, until


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads change places as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@asynccontextmanager
async def answering(*replies: bytes, timeout: float = 5) -> AsyncIterator[Wire]:
    """A wire to a server that gives one of these to each thing that it reads, and then hangs up."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await reader.read(1000)
            for part in reply.partition(b"|")[::2]:
                writer.write(part)
                await asyncio.sleep(0.01)
        writer.close()
        over.set()

    server = await asyncio.start_server(serve, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    _, wire = await asyncio.get_running_loop().create_connection(lambda: Wire(timeout), "127.0.0.1", port)
    yield wire
    wire.close()
    await over.wait()
    server.close()


def test_answers_are_plain_and_a_refusal_is_its_commands_own() -> None:
    async def story() -> None:
        async with answering(b"+OK\r\n-NO|GROUP x\r\n*2\r\n$1\r\na\r\n:1\r\n", b"-ERR no\r\n") as wire:
            ok, refusal, found = await wire.pipeline([("A",), ("B", 1), ("C", b"x")])
            assert (ok, found, type(refusal), str(refusal)) == (b"OK", [b"a", 1], ResponseError, "NOGROUP x")
            with pytest.raises(ResponseError, match="ERR no"):
                await wire.call("D")

    asyncio.run(story())


@pytest.mark.parametrize(
    ("replies", "error"),
    [((b"+O",), ConnectionError), ((b"what\r\n",), InvalidResponse), ((b"", b""), TimeoutError)],
)
def test_a_connection_that_has_failed_is_of_no_more_use(replies: tuple[bytes, ...], error: type[Exception]) -> None:
    async def story() -> None:
        async with answering(*replies, timeout=0.2) as wire:
            for _ in range(2):
                with pytest.raises(error):
                    await wire.call("A")

    asyncio.run(story())


def test_a_connection_that_is_lost_while_nothing_happens_is_noticed_at_once(server: Server) -> None:
    async def story() -> None:
        bus = BufferedMessageBusClient(server.options(health_monitoring=False), "risk", "risk-1")
        await bus.start()
        await until(lambda: bus.state == "connected")
        server.kill()
        await until(lambda: bus.state == "degraded", within=1)
        await bus.stop()

    asyncio.run(story())


@pytest.mark.usefixtures("hasty")
def test_whoever_has_work_is_heard_from_any_thread() -> None:
    work: list[int] = []
    done: list[int] = []

    def bring(bell: Bell) -> None:
        for number in range(2000):
            work.append(number)
            if bell.silent:
                bell.ring()

    async def story() -> None:
        bell = Bell()
        threads = [threading.Thread(target=bring, args=[bell]) for _ in range(4)]
        for thread in threads:
            thread.start()
        async with asyncio.timeout(20):
            while len(done) < 8000:
                bell.listen()
                if found := work[:]:
                    del work[: len(found)]
                    done.extend(found)
                else:
                    await bell.wait(asyncio.get_running_loop().create_future())
        for thread in threads:
            thread.join()

    asyncio.run(story())
    assert sorted(done) == sorted(4 * [*range(2000)])


class Interrupted(Bell):
    """Rung by another thread whenever somebody has just found it silent."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name == "silent" and found:
            ringer = threading.Thread(target=self.ring)
            ringer.start()
            ringer.join()
        return found


def test_a_bell_that_rings_before_the_wait_has_begun_is_heard() -> None:
    async def story() -> None:
        bell = Interrupted()
        bell.listen()
        async with asyncio.timeout(5):
            await bell.wait(asyncio.get_running_loop().create_future())

    asyncio.run(story())


@pytest.mark.usefixtures("hasty")
def test_what_threads_publish_is_stored_in_the_order_of_each(server: Server) -> None:
    def publish(bus: BufferedMessageBusClient, name: str) -> None:
        for number in range(1000):
            assert bus.publish(f"trading.positions.{name}", number)

    async def story() -> None:
        bus = BufferedMessageBusClient(server.options(), "risk", "risk-1")
        await bus.start()
        await asyncio.gather(*(asyncio.to_thread(publish, bus, name) for name in "abcd"))
        await until(lambda: bus.counters.published == 4000)
        stored = [(fields[b"t"][-1:], int(fields[b"d"])) for _, fields in server.entries("nautilus:bus:trading")]
        for name in (b"a", b"b", b"c", b"d"):
            assert [number for topic, number in stored if topic == name] == [*range(1000)]
        assert len({fields[b"i"] for _, fields in server.entries("nautilus:bus:trading")}) == 4000
        await bus.stop()

    asyncio.run(story())
