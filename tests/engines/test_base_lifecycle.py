"""The phases of a server whose engine loads when it is told to."""

import asyncio
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engines.base.app import create_app
from engines.base.bus import Bus
from engines.base.engine import Route
from engines.base.lifecycle import Lifecycle, Phase
from engines.base.metrics import Metrics
from engines.base.server import EngineServer
from engines.base.settings import Settings


class Waiting:
    """Loads once it is released, or fails to."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.released = threading.Event()
        self.failure = failure

    def join(self, bus: Bus) -> None:
        """No engine of a bus."""

    def load(self) -> None:
        assert self.released.wait(timeout=20)
        if self.failure is not None:
            raise self.failure

    def routes(self) -> Sequence[Route]:
        return ()


@pytest.fixture
def settings(settings_for: Callable[[str], Settings]) -> Settings:
    return settings_for("waiting")


@asynccontextmanager
async def serving(engine: Waiting, settings: Settings) -> AsyncIterator[tuple[EngineServer, Lifecycle, str]]:
    """A server that listens in this event loop, until the block is left; it must end by itself then."""
    lifecycle = Lifecycle()
    app = create_app(engine, settings, lifecycle, Metrics(settings.engine, settings.replica))
    server = EngineServer(app, HttpToolsProtocol, engine, lifecycle, drain_seconds=600)
    listener = socket.create_server(("127.0.0.1", 0))
    running = asyncio.create_task(server.serve([listener]))
    yield server, lifecycle, f"http://127.0.0.1:{listener.getsockname()[1]}"
    await asyncio.wait_for(running, timeout=20)


async def health(url: str) -> tuple[int, str]:
    async with httpx.AsyncClient(trust_env=False) as client:
        reply = await client.get(f"{url}/health", timeout=20)
    return reply.status_code, reply.json()["status"]


def test_an_engine_is_starting_until_it_has_loaded(settings: Settings) -> None:
    async def story() -> None:
        engine = Waiting()
        async with serving(engine, settings) as (server, lifecycle, url):
            assert await health(url) == (503, "starting")
            engine.released.set()
            async with asyncio.timeout(20):
                while lifecycle.phase is Phase.STARTING:
                    await asyncio.sleep(0.001)
            assert await health(url) == (200, "ready")
            server.handle_exit(signal.SIGTERM, None)
            assert await health(url) == (503, "draining")
            server.handle_exit(signal.SIGTERM, None)
        assert server.failure is None

    asyncio.run(story())


def test_an_engine_that_cannot_load_ends_and_keeps_the_reason(settings: Settings) -> None:
    async def story() -> None:
        engine = Waiting(ValueError("no prices"))
        async with serving(engine, settings) as (server, lifecycle, url):
            assert await health(url) == (503, "starting")
            engine.released.set()
        assert (str(server.failure), lifecycle.phase) == ("no prices", Phase.STARTING)

    asyncio.run(story())


def test_a_signal_before_the_engine_is_ready_ends_it(settings: Settings) -> None:
    async def story() -> None:
        engine = Waiting()
        async with serving(engine, settings) as (server, lifecycle, url):
            assert await health(url) == (503, "starting")
            server.handle_exit(signal.SIGTERM, None)
        engine.released.set()
        assert (server.failure, lifecycle.phase) == (None, Phase.STARTING)

    asyncio.run(story())
