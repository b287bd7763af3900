"""One engine on a port, in one of four ways: what benchmarks/engines.py sends its load to.

    python benchmarks/serve_engine.py lane|routes|dict|bare ENGINE PRICES serve PORT
    python benchmarks/serve_engine.py lane|routes|dict|bare ENGINE PRICES time METHOD PATH < BODY

The second prints the microseconds of one request inside the application, without a socket: the least of many timings.

lane is what ships. routes is the same application without the fast lane. dict is FastAPI as its tutorial has it: a
handler that returns a dictionary, a body that pydantic reads, and the same numbers from the same model. bare reads the
body and sends as many bytes as the engine would: the server's own cost.
"""

from __future__ import annotations

import gc
import importlib
import socket
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.types import ASGIApp, Message, Receive, Scope, Send

sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # not this folder, where `engines` is a script

from engines.base.app import create_api, create_app
from engines.base.asgi import Instrument, read_body, send_body
from engines.base.engine import Call, Engine
from engines.base.lifecycle import Lifecycle, Phase
from engines.base.metrics import Metrics
from engines.base.portfolios import Portfolio, Position, quantities_of
from engines.base.server import EngineServer
from engines.base.settings import Settings

LOOPS, REQUESTS = 200, 60
ANSWER = {"analytics": 650, "risk": 1_500}  # bytes


class Lot(BaseModel):
    """Shares of one symbol."""

    symbol: str
    quantity: float


class Proposal(BaseModel):
    """Positions and cash."""

    positions: list[Lot]
    cash: float = 0.0


def tutorial(engine: Any) -> FastAPI:
    """The two measured routes, as FastAPI's own documentation would write them."""
    api = FastAPI()

    @api.get("/analytics/calculate/{portfolio_id}")
    async def calculate(portfolio_id: str) -> dict[str, Any]:
        return dictionary(engine.calculate(Call(portfolio_id, {}, b"")))

    @api.post("/risk/check/{portfolio_id}")
    async def check(portfolio_id: str, proposal: Proposal) -> dict[str, Any]:
        quantities = quantities_of(
            [Position(lot.symbol, lot.quantity) for lot in proposal.positions], engine._columns, "positions"
        )
        portfolio = Portfolio(portfolio_id, portfolio_id, quantities, proposal.cash)
        return dictionary(engine._assess([engine._subject(portfolio, 0.95, "positions")])[0])

    @api.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ready"}

    return api


def dictionary(reply: object) -> dict[str, Any]:
    """A reply as a handler without msgspec would have it."""
    found: dict[str, Any] = msgspec.to_builtins(reply)
    return found


def bare(size: int) -> ASGIApp:
    """The same answer to everything."""

    async def answer(_: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        await send_body(send, 200, b" " * size, "application/json")

    return answer


def application(way: str, engine: Engine, settings: Settings, lifecycle: Lifecycle) -> ASGIApp:
    """The engine behind one of the four."""
    if way == "bare":
        return bare(ANSWER[settings.engine])
    if way == "dict":
        return tutorial(engine)
    if way == "routes":
        metrics = Metrics(settings.engine, settings.replica)
        return Instrument(create_api(engine, settings, lifecycle, metrics), lifecycle, metrics, settings.replica)
    return create_app(engine, settings, lifecycle)


async def least(app: ASGIApp, method: str, path: str, body: bytes) -> float:
    """Seconds of one request, the least mean of `LOOPS` times `REQUESTS`."""
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": [(b"content-type", b"application/json")], "http_version": "1.1", "scheme": "http",
             "root_path": "", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "asgi": {}}  # fmt: skip
    statuses = set()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        statuses.add(message.get("status", 200))

    times = []
    for _ in range(LOOPS):
        started = time.perf_counter()
        for _ in range(REQUESTS):
            await app(dict(scope), receive, send)
        times.append((time.perf_counter() - started) / REQUESTS)
    if statuses != {200}:
        raise SystemExit(f"{method} {path}: answered with {statuses}")
    return min(times)


def main(way: str, name: str, prices: str, what: str, *rest: str) -> None:
    """Serve until SIGTERM, or time one request."""
    port = int(rest[0]) if what == "serve" else 0
    settings = Settings(name, f"{name}-1", "bench", port, Path(prices), drain_seconds=0)
    lifecycle = Lifecycle()
    engine = importlib.import_module(f"engines.{name}.service").create(settings)
    app = application(way, engine, settings, lifecycle)
    if what == "serve":
        EngineServer(app, engine, lifecycle, 0).run([socket.create_server(("127.0.0.1", port))])
    else:
        engine.load()
        gc.freeze()  # as the server does
        lifecycle.phase = Phase.READY
        print(uvloop.run(least(app, rest[0], rest[1], sys.stdin.buffer.read())) * 1e6)


if __name__ == "__main__":
    main(*sys.argv[1:])
