"""One engine on a port, in one of four ways: what benchmarks/engines.py sends its load to.

    python benchmarks/serve_engine.py lane|routes|dict|bare ENGINE PRICES serve PORT
    python benchmarks/serve_engine.py lane|routes|dict|bare ENGINE PRICES time METHOD PATH < BODY

The second prints the microseconds of one request inside the server, from bytes to bytes without a socket: the least of
many timings.

lane is what ships. routes is the same without the hot lane. dict is FastAPI as its tutorial has it: a
handler that returns a dictionary, a body that pydantic reads, and the same numbers from the same model. bare reads the
body and sends as many bytes as the engine would: the server's own cost.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # not this folder, where `engines` is a script

from engines.base.app import create_app
from engines.base.asgi import read_body, send_body
from engines.base.engine import Call, Engine
from engines.base.lane import HotLane, HotProtocol
from engines.base.lifecycle import Lifecycle, Phase
from engines.base.metrics import Metrics
from engines.base.portfolios import Position, quantities_of
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
        subject = engine._subject(portfolio_id, quantities, proposal.cash, 0.95, "positions")
        return dictionary(engine._assess([subject])[0])

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


def application(way: str, engine: Engine, settings: Settings, lifecycle: Lifecycle, metrics: Metrics) -> ASGIApp:
    """What answers."""
    if way == "bare":
        return bare(ANSWER[settings.engine])
    if way == "dict":
        return tutorial(engine)
    return create_app(engine, settings, lifecycle, metrics)


def protocol(way: str, engine: Engine, lifecycle: Lifecycle, metrics: Metrics) -> Callable[..., HttpToolsProtocol]:
    """What reads the connections: what ships, or uvicorn's own."""
    if way != "lane":
        return HttpToolsProtocol
    return partial(HotProtocol, HotLane(engine.routes(), lifecycle, metrics, "bench"))


class Line(asyncio.Transport):
    """A connection that keeps the first line of each reply, and tells when the body of one was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = asyncio.Event()
        self.firsts: set[bytes] = set()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        head, _, body = bytes(data).partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/"):
            self.firsts.add(head.partition(b"\r\n")[0])
        if body or not head.startswith(b"HTTP/"):
            self.sent.set()

    def is_closing(self) -> bool:
        return False


async def least(server: EngineServer, request: bytes) -> float:
    """Seconds of one request, the least mean of `LOOPS` times `REQUESTS`."""
    server.config.load()
    line, times = Line(), []
    made: Any = server.config.http_protocol_class
    connection = made(server.config, server.server_state, {})
    connection.connection_made(line)
    for _ in range(LOOPS):
        started = time.perf_counter()
        for _ in range(REQUESTS):
            connection.data_received(request)
            await line.sent.wait()
            line.sent.clear()
        times.append((time.perf_counter() - started) / REQUESTS)
    if line.firsts != {b"HTTP/1.1 200 OK"}:
        raise SystemExit(f"answered with {line.firsts}")
    return min(times)


def main(way: str, name: str, prices: str, what: str, *rest: str) -> None:
    """Serve until SIGTERM, or time one request."""
    port = int(rest[0]) if what == "serve" else 0
    settings = Settings(name, f"{name}-1", "bench", port, Path(prices), drain_seconds=0)
    lifecycle, metrics = Lifecycle(), Metrics(name, settings.replica)
    engine = importlib.import_module(f"engines.{name}.service").create(settings)
    app = application(way, engine, settings, lifecycle, metrics)
    server = EngineServer(app, protocol(way, engine, lifecycle, metrics), engine, lifecycle, 0)
    if what == "serve":
        server.run([socket.create_server(("127.0.0.1", port))])
    else:
        engine.load()
        gc.freeze()  # as the server does
        lifecycle.phase = Phase.READY
        body = sys.stdin.buffer.read()
        said = "Host: bench", "Content-Type: application/json", f"Content-Length: {len(body)}"
        head = "\r\n".join([f"{rest[0]} {rest[1]} HTTP/1.1", *said, "", ""]).encode()
        print(uvloop.run(least(server, head + body)) * 1e6)


if __name__ == "__main__":
    main(*sys.argv[1:])
