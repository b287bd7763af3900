"""A connection without a socket: bytes go into uvicorn's protocol, or the lane's, and bytes come out."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

MEASURED = re.compile(rb'(?<=x-nautilus-time-us: )[\d.]+|(?<="processing_time_ms":)[\d.e-]+|(?<=content-length: )\d+')


class Wire(asyncio.Transport):
    """One connection to an application, through one protocol."""

    def __init__(self, protocol: Callable[..., Any], app: ASGIApp) -> None:
        super().__init__()
        http: Any = protocol
        config = uvicorn.Config(app, http=http, lifespan="off", ws="none", access_log=False, log_config=None)
        config.load()
        self.state = ServerState()
        self.state.default_headers = [(b"date", b"today")]
        self.sent = b""
        self.closed = False
        self.protocol = protocol(config=config, server_state=self.state, app_state={})
        self.protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    async def settle(self) -> None:
        """Wait until no request is being answered."""
        async with asyncio.timeout(20):
            while self.state.tasks:
                await asyncio.sleep(0)

    @property
    def masked(self) -> str:
        """What was sent, without what was measured."""
        return MEASURED.sub(b"-", self.sent).decode()
