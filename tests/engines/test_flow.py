"""Trading data on a real bus: positions, fills and prices become metrics, alerts and scores, each event once."""

from __future__ import annotations

import asyncio
import importlib
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from engines.base.app import create_app
from engines.base.bus import BufferedMessageBusClient
from engines.base.lifecycle import Lifecycle, Phase
from engines.base.metrics import Metrics
from engines.base.settings import Settings
from engines.risk.limits import DEFAULTS
from tests.engines.redis_server import Server, until

FLEET = {"analytics": 2, "risk": 2, "factor": 1}
ANALYTICS, RISK, FACTORS = "nautilus:bus:analytics", "nautilus:bus:risk", "nautilus:bus:factors"
CONCENTRATED = {"positions": [{"symbol": "KO", "quantity": 100}], "cash": 100.0, "name": "one stock"}


@dataclass
class Member:
    """One replica: its bus, and a client of its application."""

    bus: BufferedMessageBusClient
    http: httpx.AsyncClient

    async def get(self, path: str) -> Any:
        reply = await self.http.get(path)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def counter(self, name: str) -> float:
        """The sum of a metric over its labels."""
        families = text_string_to_metric_families((await self.http.get("/metrics")).text)
        return sum(sample.value for family in families for sample in family.samples if sample.name == name)


async def member(server: Server, settings: Settings) -> Member:
    """A replica that is loaded, joined and ready."""
    bus = BufferedMessageBusClient(server.options(), settings.engine, settings.replica)
    lifecycle = Lifecycle(bus)
    engine = importlib.import_module(f"engines.{settings.engine}.service").create(settings)
    engine.join(bus)
    transport = httpx.ASGITransport(
        create_app(engine, settings, lifecycle, Metrics(settings.engine, settings.replica, bus))
    )
    engine.load()
    await bus.start()
    lifecycle.phase = Phase.READY
    return Member(bus, httpx.AsyncClient(transport=transport, base_url="http://engine"))


@pytest.fixture
def play(server: Server, settings_for: Callable[[str], Settings]) -> Callable[..., None]:
    """Plays a story with the fleet, and ends what it started."""

    def run(story: Callable[..., Any]) -> None:
        async def whole() -> None:
            async with AsyncExitStack() as stack:

                async def start(engine: str) -> Member:
                    made = await member(server, settings_for(engine))
                    stack.push_async_callback(made.bus.stop)
                    stack.push_async_callback(made.http.aclose)
                    return made

                fleet = {name: [await start(name) for _ in range(count)] for name, count in FLEET.items()}
                await story(fleet, start)

        asyncio.run(whole())

    return run


def published(server: Server, stream: str) -> list[tuple[str, Any]]:
    """Topics and payloads of a stream."""
    return [(fields[b"t"].decode(), msgspec.json.decode(fields[b"d"])) for _, fields in server.entries(stream)]


def test_positions_become_metrics_and_alerts_and_are_served_by_everyone(server: Server, play: Any) -> None:
    async def story(fleet: dict[str, list[Member]], start: Any) -> None:
        source = fleet["factor"][0].bus
        for number in range(20):
            update = {"portfolio_id": f"mine {number}", **CONCENTRATED}
            source.publish(f"trading.positions.mine_{number}", update)
        await until(lambda: server.client.xlen(ANALYTICS) >= 20 and server.client.xlen(RISK) >= 20)
        everyone = [*fleet["analytics"], *fleet["risk"]]
        tables = [one.bus.replicated.tables["portfolios"] for one in everyone]
        await until(lambda: all(table.get("mine 7") for table in tables))
        metrics = published(server, ANALYTICS)
        assert Counter(topic for topic, _ in metrics) == {f"analytics.performance.mine_{n}": 1 for n in range(20)}
        expected = await fleet["analytics"][0].get("/analytics/calculate/mine 7")
        (said,) = [payload for _, payload in metrics if payload["portfolio_id"] == "mine 7"]
        assert said["performance"] == expected["performance"]
        alerts = published(server, RISK)
        assert {payload["limit_id"] for _, payload in alerts} == {"single-name-concentration"}
        assert Counter(topic for topic, _ in alerts) == {f"risk.breaches.mine_{n}": 1 for n in range(20)}
        for each in everyone:
            assert (await each.get("/portfolios/mine 7"))["name"] == "one stock"

        def handled(engine: str) -> int:
            return sum(one.bus.counters.consumed for one in fleet[engine])

        await until(lambda: handled("analytics") == handled("risk") == 20)

    play(story)


def test_fills_change_the_book_exactly_once(server: Server, play: Any) -> None:
    async def story(fleet: dict[str, list[Member]], start: Any) -> None:
        source = fleet["factor"][0].bus
        before = await fleet["risk"][0].get("/portfolios/portfolio_002")
        for _ in range(50):
            fill = {"portfolio_id": "portfolio_002", "symbol": "KO", "quantity": 2, "price": 60.0}
            source.publish("trading.fills.portfolio_002", fill)
        await until(lambda: server.client.xlen(ANALYTICS) >= 50)
        everyone = [*fleet["analytics"], *fleet["risk"]]
        tables = [one.bus.replicated.tables["portfolios"] for one in everyone]
        await until(lambda: len({table.version("portfolio_002") for table in tables}) == 1)
        shares = next(one["quantity"] for one in before["positions"] if one["symbol"] == "KO")
        for each in everyone:
            after = await each.get("/portfolios/portfolio_002")
            assert next(one["quantity"] for one in after["positions"] if one["symbol"] == "KO") == shares + 100
            assert after["cash"] == pytest.approx(before["cash"] - 6000)
        assert len(published(server, ANALYTICS)) == 50

    play(story)


def test_prices_become_scores_metrics_and_alerts_and_value_what_is_held(server: Server, play: Any) -> None:
    async def story(fleet: dict[str, list[Member]], start: Any) -> None:
        risk = fleet["risk"]
        before = await risk[0].get("/risk/check/portfolio_001")
        assert before["largest_position"] == "AAPL"
        fleet["factor"][0].bus.publish("market.prices.AAPL", {"symbol": "AAPL", "date": "2022-12-29", "close": 1000.0})
        await until(lambda: server.client.xlen(FACTORS) and server.client.xlen(ANALYTICS) and server.client.xlen(RISK))
        ((topic, scores),) = published(server, FACTORS)
        assert (topic, scores["symbol"], len(scores["scores"])) == ("factors.scores.AAPL", "AAPL", 10)
        assert scores["scores"]["momentum"] > 3  # it has risen by far the most
        alerts = [payload for _, payload in published(server, RISK)]
        said = [(alert["portfolio_id"], alert["limit_id"]) for alert in alerts]
        assert ("portfolio_006", "positive-equity") in said  # it is short of the stock
        assert ("portfolio_002", "single-name-concentration") in said
        assert "portfolio_012" not in [payload["portfolio_id"] for _, payload in published(server, ANALYTICS)]

        async def revalued(one: Member) -> bool:
            check = await one.get("/risk/check/portfolio_001")
            return bool(check["equity"] > 2 * before["equity"])

        async with asyncio.timeout(20):
            while not all([await revalued(one) for one in risk]):
                await asyncio.sleep(0.005)
        listed = (await risk[1].get("/risk/breaches"))["breaches"]
        assert "portfolio_002" in [breach["portfolio_id"] for breach in listed]

    play(story)


def test_what_one_replica_is_told_all_serve_also_later_ones(server: Server, play: Any) -> None:
    async def story(fleet: dict[str, list[Member]], start: Any) -> None:
        first, second = fleet["risk"]
        reply = await first.http.put("/portfolios/mine", json=CONCENTRATED)
        assert reply.status_code == 200, reply.text
        limit = {"id": "tiny", "kind": "gross_leverage", "threshold": 0.01}
        assert (await first.http.post("/risk/limits", json=limit)).status_code == 200
        assert (await first.http.put("/risk/limits/tiny", json={**limit, "threshold": 0.02})).status_code == 200
        assert (await first.http.delete("/risk/limits/value-at-risk")).status_code == 200
        later = await start("risk")
        for one in (second, later):
            async with asyncio.timeout(1):
                while "tiny" not in [limit["id"] for limit in (await one.get("/risk/limits"))["limits"]]:
                    await asyncio.sleep(0.005)
            check = await one.get("/risk/check/portfolio_002")
            found = {limit["id"]: limit["threshold"] for limit in (await one.get("/risk/limits"))["limits"]}
            assert found == {**{d.id: d.threshold for d in DEFAULTS if d.id != "value-at-risk"}, "tiny": 0.02}
            assert check["approved"] is False
            assert (await one.get("/risk/check/mine"))["concentration"] > 0.9
            assert "mine" in [breach["portfolio_id"] for breach in (await one.get("/risk/breaches"))["breaches"]]
        tables = [one.bus.replicated.tables["portfolios"] for one in fleet["analytics"]]
        await until(lambda: all(table.get("mine") for table in tables))
        for one in fleet["analytics"]:
            assert (await one.get("/analytics/calculate/mine"))["portfolio_id"] == "mine"

    play(story)


def test_a_breach_that_one_replica_acknowledges_is_so_in_all_until_it_closes(server: Server, play: Any) -> None:
    words = {"portfolio_id": "portfolio_001", "limit_id": "single-name-concentration", "by": "desk 7"}
    limit = {"id": words["limit_id"], "kind": "concentration", "threshold": 0.25}

    async def story(fleet: dict[str, list[Member]], start: Any) -> None:
        async def seen_by(one: Member) -> list[str | None]:
            listed = (await one.get("/risk/breaches"))["breaches"]
            found = [breach for breach in listed if (breach["portfolio_id"], breach["limit_id"]) == ids]
            return [seen and seen["by"] for seen in (breach["acknowledged"] for breach in found)]

        async def all_say(members: list[Member], expected: list[str | None]) -> None:
            async with asyncio.timeout(5):
                for one in members:
                    while await seen_by(one) != expected:
                        await asyncio.sleep(0.005)

        ids = (words["portfolio_id"], words["limit_id"])
        first, second = fleet["risk"]
        assert (await first.http.post("/risk/breaches/acknowledge", json=words)).status_code == 200
        everyone = [first, second, await start("risk")]
        await all_say(everyone, ["desk 7"])
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        everyone.append(await start("risk"))
        await all_say(everyone, ["desk 7"])
        wider = {**limit, "threshold": 0.5}
        assert (await second.http.put(f"/risk/limits/{limit['id']}", json=wider)).is_success  # 202 while it reconnects
        await all_say(everyone, [])
        assert (await first.http.put(f"/risk/limits/{limit['id']}", json=limit)).is_success
        await all_say([*everyone, await start("risk")], [None])

    play(story)


def test_without_redis_a_write_is_accepted_and_the_engines_stay_healthy(server: Server, play: Any) -> None:
    async def story(fleet: dict[str, list[Member]], start: Any) -> None:
        first, second = fleet["risk"]
        assert (await first.get("/health"))["bus"] == "connected"
        await asyncio.to_thread(server.kill)
        await until(lambda: {one.bus.state for one in fleet["risk"]} == {"degraded"})
        health = await first.get("/health")
        assert (health["status"], health["bus"]) == ("ready", "degraded")
        reply = await first.http.put("/portfolios/mine", json=CONCENTRATED)
        assert reply.status_code == 202
        assert (await first.get("/risk/check/mine"))["portfolio_id"] == "mine"  # here it holds at once
        first.bus.publish("trading.positions.x", {"portfolio_id": "x", **CONCENTRATED})
        assert await first.counter("nautilus_bus_buffered") == 1
        await asyncio.to_thread(server.start)
        portfolios = second.bus.replicated.tables["portfolios"]
        await until(lambda: portfolios.get("x") and portfolios.get("mine"))
        assert (await second.get("/risk/check/mine"))["portfolio_id"] == "mine"
        await until(lambda: first.bus.state == "connected")
        assert await first.counter("nautilus_bus_published_total") == 1
        assert await first.counter("nautilus_bus_buffered") == 0

    play(story)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("PUT", "/portfolios/p", {"positions": [{"symbol": "NONE", "quantity": 1}]}, 422, "positions[0].symbol"),
        ("PUT", "/portfolios/p", {"positions": [{"symbol": "KO", "quantity": -1}]}, 422, "positions"),
        ("PUT", "/portfolios/p", {"positions": []}, 422, "positions"),
        ("GET", "/portfolios/nobody", None, 404, "portfolio_id"),
        ("PUT", f"/portfolios/{'x' * 101}", CONCENTRATED, 422, "portfolio_id"),
        ("PUT", "/prices", [{"symbol": "KO", "date": "2022-12-28", "close": 1}], 422, "[0].date"),
        ("PUT", "/prices", [{"symbol": "NONE", "date": "2023-12-28", "close": 1}], 422, "[0].symbol"),
        ("PUT", "/prices", [{"symbol": "KO", "date": "2023-12-28", "close": 0}], 422, "[0].close"),
        ("PUT", "/risk/limits/a", {"id": "b", "kind": "gross_leverage", "threshold": 1}, 422, "id"),
        ("DELETE", "/risk/limits/nothing", None, 404, "limit_id"),
    ],
)
def test_what_cannot_be_stored_is_refused(
    client_for: Any, method: str, path: str, body: Any, status: int, field: str
) -> None:
    client = client_for("risk")
    reply = client.request(method, path, json=body) if body is not None else client.request(method, path)
    assert (reply.status_code, reply.json().get("field")) == (status, field)


def test_every_fault_is_told_at_once(client_for: Any) -> None:
    client = client_for("risk")
    held = {"positions": [{"symbol": symbol, "quantity": 1} for symbol in ("A", "KO", "B")]}
    faults = client.request("PUT", "/portfolios/p", json=held).json()
    assert [error["field"] for error in faults["errors"]] == ["positions[0].symbol", "positions[2].symbol"]
    rows = [{"symbol": "KO", "date": day, "close": 1} for day in ("2023-01-03", "2022-12-28", "2022-12-27")]
    faults = client.request("PUT", "/prices", json=rows).json()
    assert (faults["field"], [error["field"] for error in faults["errors"]]) == ("[1].date", ["[1].date", "[2].date"])


def test_prices_are_taken_without_a_bus_too(client_for: Any) -> None:
    client = client_for("risk")
    rows = [{"symbol": symbol, "date": "2023-01-03", "close": 100.0} for symbol in ("KO", "SP500")]
    reply = client.request("PUT", "/prices", json=rows)
    assert (reply.status_code, reply.json()) == (200, {"prices": 2, "until": "2023-01-03"})
    before = client.get("/risk/check/portfolio_012").json()["equity"]
    client.request("PUT", "/prices", json=[{"symbol": "KO", "date": "2023-01-04", "close": 200.0}])
    assert client.get("/risk/check/portfolio_012").json()["equity"] > before
