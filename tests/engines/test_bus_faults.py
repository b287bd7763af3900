"""What goes wrong around a bus, on a real server with an append-only file: killed servers, dead consumers, poison."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import Counter

from engines.base.bus import DEAD_LETTERS, BufferedMessageBusClient, Effect, Message, Publish
from engines.base.bus.topics import Priority
from tests.engines.conftest import ROOT
from tests.engines.redis_server import Server, until

TRADING, RISK, SYSTEM = "nautilus:bus:trading", "nautilus:bus:risk", "nautilus:bus:system"
RATE = 5000  # messages a second


def marking(server: Server, replica: str) -> BufferedMessageBusClient:
    """A replica of the risk engine whose effect is one message for each that it handles."""
    bus = BufferedMessageBusClient(server.options(), "risk", replica)
    bus.subscribe("trading.positions.*", lambda message: [Publish("risk.checks.done", message.id)])
    return bus


def effects(server: Server) -> Counter[bytes]:
    """How often each message had its effect."""
    return Counter(fields[b"d"] for _, fields in server.entries(RISK))


async def pace(bus: BufferedMessageBusClient, count: int) -> None:
    """Publish at RATE."""
    began, sent = time.monotonic(), 0
    while sent < count:
        for _ in range(min(count, int((time.monotonic() - began) * RATE)) - sent):
            bus.publish(f"trading.positions.p{sent % 50}", {"number": sent})
            sent += 1
        await asyncio.sleep(0.002)


def test_a_killed_redis_loses_nothing_and_nothing_happens_twice(server: Server) -> None:
    async def story() -> None:
        count = 5 * RATE
        publisher = BufferedMessageBusClient(server.options(), "gateway", "gateway-1")
        replicas = [marking(server, f"risk-{number}") for number in (1, 2)]
        for bus in (publisher, *replicas):
            await bus.start()
        sending = asyncio.create_task(pace(publisher, count))
        await until(lambda: publisher.counters.published > RATE)
        await asyncio.to_thread(server.kill)
        await until(lambda: publisher.buffered > 2 * RATE)  # two seconds of it
        assert {bus.state for bus in (publisher, *replicas)} == {"degraded"}
        await asyncio.to_thread(server.start)
        await sending
        await until(lambda: server.client.xlen(RISK) >= count)
        await until(lambda: server.pending(TRADING, "risk") == 0)
        for bus in (publisher, *replicas):
            await bus.stop()
        done = effects(server)
        assert (len(done), set(done.values())) == (count, {1})
        assert sum(publisher.dropped.values()) == 0

    asyncio.run(story())


def test_what_a_killed_consumer_had_is_handled_by_another(server: Server) -> None:
    async def story() -> None:
        publisher = BufferedMessageBusClient(server.options(), "gateway", "gateway-1")
        await publisher.start()
        for number in range(300):
            publisher.publish("trading.positions.p1", number)
        await until(lambda: publisher.counters.published == 300)
        words = [str(server.port), str(server.password_file), "40"]
        victim = subprocess.Popen(
            [sys.executable, "-m", "tests.engines.bus_victim", *words], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert victim.stdout is not None
        with victim, victim.stdout:
            assert await asyncio.to_thread(victim.stdout.readline) == b"stuck\n"
            assert server.pending(TRADING, "risk") > 50
            victim.kill()
        survivor = marking(server, "risk-2")
        await survivor.start()
        await until(lambda: server.client.xlen(RISK) >= 300)
        await until(lambda: server.pending(TRADING, "risk") == 0)
        assert survivor.counters.claimed > 50
        await survivor.stop()
        await publisher.stop()
        done = effects(server)
        assert (len(done), set(done.values())) == (300, {1})

    asyncio.run(story())


def test_poison_becomes_a_dead_letter_and_the_others_are_handled(server: Server) -> None:
    async def story() -> None:
        bus = BufferedMessageBusClient(server.options(claim_after=0.1), "risk", "risk-1")
        tried: list[str] = []

        def handle(message: Message) -> list[Effect]:
            if message.payload == b"3":
                tried.append(message.id)
                raise RuntimeError("poison")
            return [Publish("risk.checks.done", message.id)]

        bus.subscribe("trading.positions.*", handle)
        await bus.start()
        for number in range(10):
            bus.publish("trading.positions.p1", number)
        server.client.xadd(TRADING, {"what": "somebody else's"})
        await until(lambda: server.client.xlen(DEAD_LETTERS) == 2)
        letters = [fields for _, fields in server.entries(DEAD_LETTERS)]
        (poison,) = [letter for letter in letters if b"d" in letter]
        assert (poison[b"d"], poison[b"t"], poison[b"group"]) == (b"3", b"trading.positions.p1", b"risk")
        assert (poison[b"stream"], int(poison[b"deliveries"]), len(tried)) == (TRADING.encode(), 5, 5)
        assert [letter[b"what"] for letter in letters if b"what" in letter] == [b"somebody else's"]
        await until(lambda: server.pending(TRADING, "risk") == 0)
        assert (len(effects(server)), bus.counters.dead_lettered, bus.state) == (9, 2, "connected")
        await bus.stop()

    asyncio.run(story())


def test_what_was_under_way_is_handled_as_soon_as_redis_is_back(server: Server) -> None:
    async def story() -> None:
        bus = BufferedMessageBusClient(server.options(claim_after=60), "risk", "risk-1")
        given: list[str] = []

        def handle(message: Message) -> list[Effect]:
            given.append(message.id)
            if len(given) == 1:
                server.kill()  # so that the effects of this batch cannot be committed
            return [Publish("risk.checks.done", message.id)]

        bus.subscribe("trading.positions.*", handle)
        await bus.start()
        bus.publish("trading.positions.p1", 1)
        await until(lambda: bus.state == "degraded")
        await asyncio.to_thread(server.start)
        await until(lambda: effects(server), within=20)  # and not after a minute
        await until(lambda: server.pending(TRADING, "risk") == 0)
        await bus.stop()

    asyncio.run(story())


def test_a_stopping_replica_hands_over_what_it_could_not_handle(server: Server) -> None:
    async def story() -> None:
        first = BufferedMessageBusClient(server.options(claim_after=60), "risk", "risk-1")

        def refuse(message: Message) -> list[Effect]:
            raise RuntimeError("not here")

        first.subscribe("trading.positions.*", refuse)
        await first.start()
        first.publish("trading.positions.p1", 1)
        await until(lambda: first.counters.failed == 1)
        await first.stop()
        second = BufferedMessageBusClient(server.options(claim_after=60), "risk", "risk-2")
        second.subscribe("trading.positions.*", lambda message: [Publish("risk.checks.done", message.id)])
        await second.start()
        await until(lambda: effects(server), within=10)  # and not after a minute
        await second.stop()

    asyncio.run(story())


def test_an_overflow_drops_the_oldest_of_the_lowest_and_counts(server: Server) -> None:
    async def story() -> None:
        server.kill()
        bus = BufferedMessageBusClient(server.options(capacity=100), "risk", "risk-1")
        await bus.start()
        for number in range(130):
            bus.publish("system.metrics.x", number)
        for number in range(60):
            bus.publish("trading.positions.p1", number)
        assert (bus.buffered, bus.state) == (100, "connecting")
        assert bus.dropped == {**dict.fromkeys(Priority, 0), Priority.LOW: 90}
        await asyncio.to_thread(server.start)
        await until(lambda: bus.counters.published == 100)
        assert [int(fields[b"d"]) for _, fields in server.entries(TRADING)] == list(range(60))
        assert [int(fields[b"d"]) for _, fields in server.entries(SYSTEM)] == list(range(90, 130))
        await bus.stop()

    asyncio.run(story())


def test_critical_messages_overtake_a_burst(server: Server) -> None:
    async def story() -> None:
        reader = BufferedMessageBusClient(server.options(), "risk", "risk-1")
        order: list[bytes] = []

        def note(message: Message) -> list[Effect]:
            order.append(message.payload)
            return []

        reader.subscribe("trading.positions.*", note)
        reader.subscribe("system.metrics.*", note)
        await reader.start()
        writer = BufferedMessageBusClient(server.options(), "gateway", "gateway-1")
        for number in range(20_000):
            writer.publish("system.metrics.x", number)
        for number in range(100):
            writer.publish("trading.positions.p1", f"critical {number}")
        await writer.start()
        await until(lambda: len(order) == 20_100)
        places = [place for place, payload in enumerate(order) if payload.startswith(b'"critical')]
        assert [order[place] for place in places] == [b'"critical %d"' % number for number in range(100)]
        assert places[-1] < 2_000  # of 20,100: published last, handled among the first
        newest_critical = max(entry for entry, _ in server.entries(TRADING))
        stamps = [int(entry.split(b"-")[0]) for entry, _ in server.entries(SYSTEM)]
        assert int(newest_critical.split(b"-")[0]) <= min(stamps)
        await writer.stop()
        await reader.stop()

    asyncio.run(story())
