"""The state of several replicas on a real server: alike within a second, and after everything was restarted."""

from __future__ import annotations

import asyncio
import time

import pytest

from engines.base.bus import BufferedMessageBusClient, Effect, Message, Put
from engines.base.bus.replication import CHANGES, HASHES, PATIENCE
from engines.base.state import State, Table, is_stored
from tests.engines.redis_server import Server, until


@pytest.fixture
def server(each_server: Server) -> Server:
    return each_server


class Replica:
    """A bus with one table of numbers."""

    def __init__(self, server: Server, name: str) -> None:
        self.state = State()
        self.numbers: Table[int] = self.state.table("numbers", int)
        self.bus = BufferedMessageBusClient(server.options(), "risk", name, self.state)

    def values(self) -> dict[str, int]:
        return dict(self.numbers.items())


def test_a_write_is_seen_by_every_replica_and_by_later_ones(server: Server) -> None:
    async def story() -> None:
        first, second = Replica(server, "risk-1"), Replica(server, "risk-2")
        for replica in (first, second):
            await replica.bus.start()
        first.numbers.put("a", 1)
        assert first.numbers.get("a") == 1
        await until(lambda: first.state.stored_up_to(first.state.serial))
        await until(lambda: second.numbers.get("a") == 1)
        second.numbers.put("a", 2)
        second.numbers.put("b", 3)
        first.numbers.delete("c")
        await until(lambda: first.values() == {"a": 2, "b": 3})
        third = Replica(server, "risk-3")
        await third.bus.start()  # which loads before it returns
        assert third.values() == {"a": 2, "b": 3}
        for replica in (first, second, third):
            await replica.bus.stop()

    asyncio.run(story())


def test_a_write_without_redis_is_kept_and_stored_later(server: Server) -> None:
    async def story() -> None:
        first, second = Replica(server, "risk-1"), Replica(server, "risk-2")
        for replica in (first, second):
            await replica.bus.start()
        first.numbers.put("old", 1)
        await until(lambda: second.numbers.get("old") == 1)
        await asyncio.to_thread(server.kill)
        await until(lambda: {first.bus.state, second.bus.state} == {"degraded"})
        began = time.monotonic()
        first.numbers.put("a", 1)
        assert not await is_stored(first.state)
        assert time.monotonic() - began < PATIENCE / 2  # it does not wait for what is away
        late = Replica(server, "risk-3")
        await late.bus.start()  # and neither does a new replica
        assert late.values() == {}
        await asyncio.to_thread(server.start)
        await until(lambda: second.values() == late.values() == {"old": 1, "a": 1})
        await until(lambda: first.state.stored_up_to(first.state.serial))
        for replica in (first, second, late):
            await replica.bus.stop()

    asyncio.run(story())


def test_everything_is_there_after_everything_was_restarted(server: Server) -> None:
    async def story() -> None:
        first = Replica(server, "risk-1")
        await first.bus.start()
        for number in range(300):
            first.numbers.put(f"key {number}", number)
        await until(lambda: first.state.stored_up_to(first.state.serial))
        await first.bus.stop()
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        second = Replica(server, "risk-2")
        await second.bus.start()
        assert second.values() == {f"key {number}": number for number in range(300)}
        await second.bus.stop()

    asyncio.run(story())


def test_a_redis_that_lost_its_data_gets_it_back(server: Server) -> None:
    async def story() -> None:
        first = Replica(server, "risk-1")
        await first.bus.start()
        first.numbers.put("a", 1)
        await until(lambda: first.state.stored_up_to(first.state.serial))
        server.client.flushall()
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        await until(lambda: server.client.hget(HASHES + "numbers", "a"))
        await first.bus.stop()

    asyncio.run(story())


def test_a_redis_that_was_emptied_gets_it_back_with_the_next_change(server: Server) -> None:
    async def story() -> None:
        first, second = Replica(server, "risk-1"), Replica(server, "risk-2")
        for replica in (first, second):
            await replica.bus.start()
        for number in range(3):
            first.numbers.put(f"key {number}", number)
        await until(lambda: len(second.values()) == 3)
        server.client.flushall()
        second.numbers.put("a", 1)
        await until(lambda: server.client.hlen(HASHES + "numbers") == 4)
        for replica in (first, second):
            await replica.bus.stop()

    asyncio.run(story())


def test_a_reader_that_missed_changes_reads_the_hashes_again(server: Server) -> None:
    async def story() -> None:
        first, second = Replica(server, "risk-1"), Replica(server, "risk-2")
        for replica in (first, second):
            await replica.bus.start()
        first.numbers.put("a", 1)
        await until(lambda: second.values() == {"a": 1})
        pipe = server.client.pipeline()  # as when the changes are trimmed faster than they are read
        for number in range(20):
            pipe.hset(HASHES + "numbers", f"missed {number}", f"{10**16} {number}")
        for number in (10, 11):
            change = {"n": number, "k": "numbers", "f": "seen", "v": 10**16 + number, "d": number}
            pipe.xadd(CHANGES, change)  # type: ignore[arg-type]
        pipe.hset(HASHES + "numbers", "seen", f"{10**16 + 11} 11")
        pipe.execute()
        await until(lambda: len(second.values()) == 22 and second.numbers.get("seen") == 11)
        for replica in (first, second):
            await replica.bus.stop()

    asyncio.run(story())


def test_increments_by_messages_are_lost_by_nobody(server: Server) -> None:
    """Each message adds 1 to what is stored; two replicas handle them at once, and clash."""

    async def story() -> None:
        replicas = [Replica(server, f"risk-{number}") for number in (1, 2)]

        def adding(replica: Replica) -> None:
            def add(message: Message) -> list[Effect]:
                numbers = replica.numbers
                document = b"%d" % ((numbers.get("total") or 0) + 1)
                put = Put("numbers", "total", replica.state.now(), document, expected=numbers.version("total"))
                return [put]

            replica.bus.subscribe("trading.fills.*", add)

        for replica in replicas:
            adding(replica)
            await replica.bus.start()
        for number in range(400):
            replicas[number % 2].bus.publish("trading.fills.p1", number)
        await until(lambda: [replica.numbers.get("total") for replica in replicas] == [400, 400])
        await until(lambda: server.pending("nautilus:bus:trading", "risk") == 0)
        for replica in replicas:
            await replica.bus.stop()

    asyncio.run(story())
