"""The engines' bus on real containers: one flow, one state, whichever replica is asked and whatever was restarted."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.load import Load, eventually
from tests.scenarios.world import BASE, REDIS, World

pytestmark = pytest.mark.docker
ENGINES = Path(__file__).parents[2] / "engines"
HELD = {"portfolio_id": "held", "positions": [{"symbol": "KO", "quantity": 5}], "cash": 1.0}


def built(port: int, replicas: dict[str, int]) -> dict[str, Any]:
    """An engine of this repository."""
    return {
        "build": {"context": str(ENGINES), "args": {"BASE_IMAGE": BASE}},
        "port": port,
        "replicas": replicas,
        "resources": {"cpus": 0.5, "memory": "256MiB"},
        "healthcheck": {"interval": "1s"},
        "update": {"monitor": "0s"},
        "depends_on": ["redis"],
    }


def ask(world: World, engine: str, path: str, body: Any = None, method: str = "GET") -> tuple[int, str, Any]:
    """What an engine answers through the gateway: status, replica, document."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{world.port(engine)}{path}", data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["X-Nautilus-Replica"], json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("X-Nautilus-Replica", ""), json.load(error)


def served_by_all(world: World, engine: str, path: str, count: int) -> None:
    """Every one of `count` replicas answers with 200."""
    seen: dict[str, int] = {}

    def look() -> bool:
        status, replica, _ = ask(world, engine, path)
        seen[replica] = status
        return len(seen) == count and set(seen.values()) == {200}

    eventually(look)


def test_the_flow_and_the_state_of_a_fleet(world: World) -> None:
    world.declare(
        engines={
            "analytics": built(world.ports[0], {"min": 1, "max": 2}),
            "risk": built(world.ports[1], {"min": 2, "max": 3}),
        },
        services={"redis": {"kind": "redis", "image": REDIS, "volumes": ["redis-data:/data"]}},
    )
    world.run("up", within=280)
    eventually(lambda: ask(world, "risk", "/health")[2]["bus"] == "connected")
    files(world)
    flow(world)
    replicas(world)
    without_redis(world)
    world.run("down")
    world.run("up")
    for engine, path, count in (("risk", "/risk/check/desk", 2), ("analytics", "/analytics/calculate/late", 1)):
        served_by_all(world, engine, path, count)
    assert "tiny" in [limit["id"] for limit in ask(world, "risk", "/risk/limits")[2]["limits"]]
    world.run("down", "--volumes")
    assert world.leftovers() == []


def files(world: World) -> None:
    """A portfolio of a file is served by every replica of every engine; bad rows are told, and nothing is sent."""
    (world.folder / "desk.csv").write_text("symbol,quantity\nKO,100\nPG,50\n")
    assert "portfolio desk: 2 positions taken by analytics" in world.run("load", "portfolio", "desk.csv").stdout
    served_by_all(world, "analytics", "/analytics/calculate/desk", 1)
    served_by_all(world, "risk", "/risk/check/desk", 2)
    wrong = "date,symbol,close\n2023-01-03,KO,63\n2023-01-03,NONE,1\n2022-01-03,KO,1\n"
    (world.folder / "prices.csv").write_text(wrong)
    told = world.run("load", "prices", "prices.csv", code=2).stderr
    assert "prices.csv:3: there are no prices of 'NONE'" in told
    assert "prices.csv:4: the bundled prices end with" in told
    (world.folder / "prices.csv").write_text("date,symbol,close\n2023-01-03,KO,63\n")
    world.run("load", "prices", "prices.csv")


def flow(world: World) -> None:
    """Positions that are published become metrics and alerts, each by one replica."""
    following = world.start("bus", "tail", "analytics.**", "risk.**")
    eventually(lambda: world.run("bus", "publish", "trading.positions.held", json.dumps(HELD)) and following.lines)
    following.until("analytics.performance.held")
    following.until("risk.breaches.held .*single-name-concentration")
    assert following.end(2) == 130

    def handled() -> bool:
        found = json.loads(world.run("bus", "--json").stdout)
        groups = {s["name"]: {g["name"]: (g["lag"], g["pending"]) for g in s["groups"]} for s in found["streams"]}
        return groups["trading"] == {"analytics": (0, 0), "risk": (0, 0)} and not found["dead_letters"]

    eventually(handled)
    assert "no dead letters" in world.run("bus").stdout
    assert "is no topic" in world.run("bus", "publish", "nonsense", "1", code=2).stderr


def replicas(world: World) -> None:
    """What one replica is told, a later one serves too."""
    limit = {"id": "tiny", "kind": "gross_leverage", "threshold": 0.01}
    assert ask(world, "risk", "/risk/limits", limit, "POST")[0] == 200
    world.run("scale", "risk", "3")
    served_by_all(world, "risk", "/risk/check/held", 3)
    for _ in range(6):
        assert "tiny" in [limit["id"] for limit in ask(world, "risk", "/risk/limits")[2]["limits"]]
    world.run("scale", "risk", "2")


def without_redis(world: World) -> None:
    """While Redis hangs, is killed or is away everything is served; a write is accepted, and stored when it is back."""
    (redis,) = world.replicas("redis")
    port = world.port("analytics")
    with Load([world.port("risk")], path="/risk/check/desk") as risk, Load([port], path="/health") as health:
        world.api.pause(redis["Id"])
        says(world, "degraded")
        world.api.unpause(redis["Id"])
        says(world, "connected")
        world.kill(redis)
        eventually(lambda: world.replicas("redis")[0]["RestartCount"] == 1)
        says(world, "connected")
        world.api.stop(redis["Id"])
        says(world, "degraded")
        late = {"positions": [{"symbol": "PG", "quantity": 3}]}
        assert ask(world, "analytics", "/portfolios/late", late, "PUT")[0] == 202
        assert ask(world, "analytics", "/analytics/calculate/late")[0] == 200
        risk.proves()
        health.proves()
        world.api.start(redis["Id"])
        served_by_all(world, "risk", "/risk/check/late", 2)
        says(world, "connected")


def says(world: World, bus: str) -> None:
    """Every engine says in time that its bus is so."""
    for engine in world.document["engines"]:
        eventually(lambda name=engine: ask(world, name, "/health")[2]["bus"] == bus)  # type: ignore[misc]
