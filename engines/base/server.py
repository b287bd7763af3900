"""Serving one engine: load beside the open port, drain on SIGTERM, then leave with the right exit code."""

import asyncio
import gc
import logging
import socket
import time
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from engines.base.engine import Engine
from engines.base.lifecycle import Lifecycle, Phase

FINISH_SECONDS = 6  # for open requests after the drain: with the bus's 3, inside the 10 s before Docker's SIGKILL
KEEP_ALIVE_SECONDS = 75  # longer than a gateway keeps idle connections, so that it never sends on a closing one

log = logging.getLogger("nautilus.engine")


class EngineServer(uvicorn.Server):
    """uvicorn, except that SIGTERM first makes /health answer 503 while everything is still served."""

    def __init__(
        self,
        app: ASGIApp,
        protocol: Callable[..., asyncio.Protocol],
        engine: Engine,
        lifecycle: Lifecycle,
        drain_seconds: float,
    ) -> None:
        config = uvicorn.Config(
            app,
            http=protocol,  # type: ignore[arg-type]  # uvicorn only calls it
            loop="uvloop",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=FINISH_SECONDS,
        )
        super().__init__(config)
        self.failure: BaseException | None = None
        self._engine = engine
        self._lifecycle = lifecycle
        self._drain_seconds = drain_seconds
        self._leave_at = 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port first, so that /health says 'starting' instead of refusing connections."""
        await super().startup(sockets)
        self._loading = asyncio.create_task(self._load())
        self._loading.add_done_callback(self._loaded)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish open requests first: what they publish is still sent."""
        await super().shutdown(sockets)
        await self._lifecycle.bus.stop()

    async def _load(self) -> None:
        await asyncio.to_thread(self._engine.load)
        await self._lifecycle.bus.start()

    def _loaded(self, loading: "asyncio.Task[None]") -> None:
        if loading.cancelled():
            return
        self.failure = loading.exception()
        if self.failure is not None:
            self.should_exit = True
        else:
            gc.freeze()  # what is loaded stays: full collections would walk it and stall requests for 10 ms and more
            gc.enable()
            self._lifecycle.phase = Phase.READY
            log.info("ready")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 (uvicorn calls it)
        """The first signal starts the drain of a ready engine; a second one, or one before it is ready, ends it.

        uvicorn's own handler raises the signal again at the end, which would be the exit code.
        """
        if self._lifecycle.phase is Phase.READY:
            self._lifecycle.phase = Phase.DRAINING
            self._leave_at = time.monotonic() + self._drain_seconds
        else:
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        if self._lifecycle.phase is Phase.DRAINING and time.monotonic() >= self._leave_at:
            self.should_exit = True
        return await super().on_tick(counter)
