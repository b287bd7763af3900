"""The client against real servers: each message to one replica of each group, once, and a state that is true."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engines.base.bus import BufferedMessageBusClient, BusOptions, Effect, Message, Publish, wire
from engines.base.bus.topics import Priority
from engines.base.state import State
from tests.engines.redis_server import KINDS, Server, until

POSITIONS = "nautilus:bus:trading"


@pytest.fixture
def server(each_server: Server) -> Server:
    return each_server


def bus_of(server: Server, group: str = "risk", replica: str = "risk-1", **options: Any) -> BufferedMessageBusClient:
    return BufferedMessageBusClient(server.options(**options), group, replica)


def collect(bus: BufferedMessageBusClient, *patterns: str) -> list[Message]:
    """What the bus is given, as it comes."""
    found: list[Message] = []

    def handle(message: Message) -> list[Effect]:
        found.append(message)
        return []

    for pattern in patterns:
        bus.subscribe(pattern, handle)
    return found


def test_there_is_a_server_to_test_with() -> None:
    assert KINDS


def test_each_message_goes_to_one_replica_of_each_group(server: Server) -> None:
    async def story() -> None:
        members = [bus_of(server, group, f"{group}-{number}") for group in ("risk", "analytics") for number in (1, 2)]
        found = [collect(bus, "trading.positions.*", "system.**") for bus in members]
        for bus in members:
            await bus.start()
        for number in range(500):
            assert members[0].publish(f"trading.positions.p{number}", {"number": number})
            assert members[0].publish("trading.orders.p1", None)  # nobody subscribed: read, and acknowledged
        assert members[0].publish("system.health.risk-1", "up")
        await until(lambda: sum(map(len, found)) == 2 * 501)
        for one, other in (found[:2], found[2:]):
            topics = [message.topic for message in one + other]
            assert len(set(topics)) == len(topics) == 501
        assert next(m for m in found[0] + found[1] if m.topic == "trading.positions.p7").read(dict) == {"number": 7}
        assert [bus.state for bus in members] == ["connected"] * 4
        await until(lambda: server.pending(POSITIONS, "risk") == 0)
        for bus in members:
            await bus.stop()
        assert members[0].counters.published == 1001
        assert sum(bus.counters.consumed for bus in members) == 2 * 501
        assert members[0].state == "off"

    asyncio.run(story())


def test_a_stopped_replica_leaves_no_name_and_nothing_pending(server: Server) -> None:
    async def story() -> None:
        bus = bus_of(server)
        found = collect(bus, "trading.positions.*")
        await bus.start()
        bus.publish("trading.positions.p1", 1)
        await until(lambda: found)
        bus.publish("trading.positions.p2", 2)  # is written before the end
        await bus.stop()
        assert bus.counters.published == 2
        assert server.client.xinfo_consumers(POSITIONS, "risk") == []

    asyncio.run(story())


def test_a_message_that_is_delivered_twice_has_one_effect(server: Server) -> None:
    async def story() -> None:
        bus = bus_of(server)
        bus.subscribe("trading.positions.*", lambda message: [Publish("risk.breaches.p1", message.id)])
        await bus.start()
        bus.publish("trading.positions.p1", {"a": 1})
        await until(lambda: server.client.xlen("nautilus:bus:risk"))
        ((_, fields),) = server.entries(POSITIONS)
        for _ in range(3):
            server.client.xadd(POSITIONS, fields)  # type: ignore[arg-type]
        await until(lambda: bus.counters.duplicates == 3)
        ((_, effect),) = server.entries("nautilus:bus:risk")
        assert effect[b"i"] == fields[b"i"] + b"/risk/0"  # so that whoever reads it knows it again
        await until(lambda: server.pending(POSITIONS, "risk") == 0)
        await bus.stop()

    asyncio.run(story())


def test_a_group_that_is_gone_is_made_again(server: Server) -> None:
    async def story() -> None:
        bus = bus_of(server)
        found = collect(bus, "trading.positions.*")
        await bus.start()
        bus.publish("trading.positions.p1", 1)
        await until(lambda: len(found) == 1)
        server.client.flushall()
        bus.publish("trading.positions.p2", 2)
        await until(lambda: len(found) == 2)
        assert bus.state == "connected"
        await bus.stop()

    asyncio.run(story())


def test_streams_are_trimmed(server: Server) -> None:
    async def story() -> None:
        bus = bus_of(server, retained=1000)
        await bus.start()
        for number in range(5000):
            bus.publish("system.metrics.x", number)
            bus.publish("ml.signals.x", number)
        await until(lambda: bus.counters.published == 10_000)
        assert 1000 <= server.client.xlen("nautilus:bus:system") < 2000
        assert 1000 <= server.client.xlen("nautilus:bus:ml") < 2000
        await bus.stop()

    asyncio.run(story())


def test_a_message_that_redis_refuses_for_good_is_lost_alone(server: Server) -> None:
    async def story() -> None:
        server.client.set("nautilus:bus:trading", "not a stream")
        bus = bus_of(server)
        await bus.start()
        bus.publish("trading.positions.p1", 1)
        bus.publish("system.health.x", 1)
        await until(lambda: bus.counters.published == 1)
        assert (bus.dropped[Priority.CRITICAL], bus.buffered, bus.state) == (1, 0, "connected")
        await bus.stop()

    asyncio.run(story())


def test_a_handler_whose_effects_are_none_fails_alone(server: Server) -> None:
    async def story() -> None:
        bus = bus_of(server)
        server.client.set("nautilus:bus:risk", "not a stream")

        def handle(message: Message) -> list[Effect]:
            topic = {b"1": "no topic", b"2": "risk.checks.done"}.get(message.payload, "ml.done.x")
            return [Publish(topic, object() if message.payload == b"3" else 0)]

        bus.subscribe("trading.positions.*", handle)
        await bus.start()
        for number in range(1, 5):
            bus.publish("trading.positions.p1", number)
        await until(lambda: server.client.xlen("nautilus:dead-letters") == 3, within=60)
        assert server.client.xlen("nautilus:bus:ml") == 1
        assert (bus.counters.consumed, bus.state) == (1, "connected")
        await bus.stop()

    asyncio.run(story())


def test_what_redis_refuses_for_now_is_kept(server: Server) -> None:
    async def story() -> None:
        bus = bus_of(server)
        await bus.start()
        await until(lambda: bus.state == "connected")
        server.client.config_set("maxmemory", 1)
        bus.publish("trading.positions.p1", 1)
        await until(lambda: bus.state == "degraded")
        assert (bus.buffered, bus.dropped[Priority.CRITICAL]) == (1, 0)
        server.client.config_set("maxmemory", 0)
        await until(lambda: bus.counters.published == 1)
        await bus.stop()

    asyncio.run(story())


def test_a_wrong_password_is_told_and_a_right_one_is_found(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        right = server.password_file.read_text()
        server.password_file.write_text("wrong")
        bus = bus_of(server)
        await bus.start()
        bus.publish("trading.positions.p1", 1)
        await until(lambda: "invalid username-password pair" in caplog.text)
        assert bus.state == "connecting"
        server.password_file.write_text(right)
        await until(lambda: bus.counters.published == 1)
        await bus.stop()
        assert right not in caplog.text

    asyncio.run(story())


def test_nothing_that_is_published_raises() -> None:
    async def story() -> None:
        bus = BufferedMessageBusClient(BusOptions(host="127.0.0.1", port=1), "risk", "risk-1")
        states = [bus.state]
        assert bus.publish("trading.positions.p1", 1)  # before the start: buffered
        await bus.start()
        states.append(bus.state)
        assert not bus.publish("no topic", 1)
        assert not bus.publish("trading.positions.p1", object())
        assert (bus.counters.rejected, bus.buffered) == (2, 1)
        await bus.stop()
        assert [*states, bus.state] == ["off", "connecting", "off"]

    asyncio.run(story())


def test_a_redis_that_has_fallen_silent_is_found_out_and_what_is_published_waits(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "HEALTH_SECONDS", 0.05)

    async def story() -> None:
        state = State()
        table = state.table("numbers", int)
        options = server.options(connection_timeout=0.5)
        bus = BufferedMessageBusClient(options, "risk", "risk-1", state)
        await bus.start()
        await until(lambda: bus.state == "connected")
        server.hold()
        await until(lambda: not any(one.up for one in bus._links))  # also those that had nothing to say
        assert bus.state == "degraded"
        assert bus.publish("trading.positions.p1", 1)
        table.put("a", 1)
        server.resume()
        await until(lambda: bus.state == "connected" and bus.counters.published == 1)
        await until(lambda: state.stored_up_to(state.serial))
        await bus.stop()

    asyncio.run(story())


def test_without_health_monitoring_an_idle_connection_is_left_alone(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "HEALTH_SECONDS", 0.02)

    def last_command(bus: BufferedMessageBusClient) -> str:
        name = f"{bus._name}-publisher"
        return next(one["cmd"] for one in server.client.client_list() if one["name"] == name)

    async def story() -> None:
        buses = [bus_of(server, replica=name, health_monitoring=name == "asked") for name in ("asked", "left")]
        for bus in buses:
            await bus.start()
        await until(lambda: {bus.state for bus in buses} == {"connected"})
        await until(lambda: last_command(buses[0]) == "ping")
        assert last_command(buses[1]) == "script|load"
        for bus in buses:
            await bus.stop()

    asyncio.run(story())


def test_without_reconnection_a_lost_bus_is_off(server: Server) -> None:
    async def story() -> None:
        bus = bus_of(server, auto_reconnect=False)
        collect(bus, "trading.**")
        await bus.start()
        await until(lambda: bus.state == "connected")
        server.kill()
        await until(lambda: bus.state == "off")
        await bus.stop()

    asyncio.run(story())
