"""One engine on a port, in one of three ways: what benchmarks/engines.py sends its load to.

    python benchmarks/serve_engine.py lane|routes|dict ENGINE PORT PRICES

lane is what ships. routes is the same application without the fast lane. dict is FastAPI as its tutorial has it: a
handler that returns a dictionary, a body that pydantic reads, and the same numbers from the same model.
"""

from __future__ import annotations

import importlib
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.types import ASGIApp

sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # not this folder, where `engines` is a script

from engines.base.app import create_api, create_app
from engines.base.asgi import Instrument
from engines.base.engine import Call, Engine
from engines.base.lifecycle import Lifecycle
from engines.base.metrics import Metrics
from engines.base.portfolios import Portfolio, Position, quantities_of
from engines.base.server import EngineServer
from engines.base.settings import Settings


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


def application(way: str, engine: Engine, settings: Settings, lifecycle: Lifecycle) -> ASGIApp:
    """The engine behind one of the three."""
    if way == "dict":
        return tutorial(engine)
    if way == "routes":
        metrics = Metrics(settings.engine, settings.replica)
        return Instrument(create_api(engine, settings, lifecycle, metrics), lifecycle, metrics, settings.replica)
    return create_app(engine, settings, lifecycle)


def main(way: str, name: str, port: int, prices: Path) -> None:
    """Serve until SIGTERM."""
    settings = Settings(name, f"{name}-1", "bench", port, prices, drain_seconds=0)
    lifecycle = Lifecycle()
    engine = importlib.import_module(f"engines.{name}.service").create(settings)
    server = EngineServer(application(way, engine, settings, lifecycle), engine, lifecycle, 0)
    server.run([socket.create_server(("127.0.0.1", port))])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
