"""The pure ASGI layer in front of FastAPI: instruments around everything."""

import logging
from http import HTTPStatus
from time import perf_counter_ns

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engines.base.lifecycle import Lifecycle, Phase
from engines.base.metrics import Metrics
from engines.base.problem import MEDIA_TYPE, Problem

BODY_LIMIT = 32 * 1024 * 1024
ALWAYS_ANSWERED = frozenset({"/health", "/metrics"})
REPLICA, TIME = b"x-nautilus-replica", b"x-nautilus-time-us"  # the headers of every reply
CLIENT_CLOSED = 499  # nginx's number for a caller that left before its answer: sent to nobody, but counted

log = logging.getLogger("nautilus.engine")


async def read_body(receive: Receive) -> bytes:
    """The whole body; raises Problem 413 above the limit and ClientDisconnect when the caller left."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > BODY_LIMIT:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {BODY_LIMIT} bytes", "body")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def send_body(send: Send, status: int, body: bytes, media_type: str) -> None:
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", media_type.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Instrument:
    """Around every request: the replica's headers, the measured time, the metrics, and the last resort for bugs."""

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle, metrics: Metrics, replica: str) -> None:
        self._app = app
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._replica = (REPLICA, replica.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter_ns()
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._headers(perf_counter_ns() - started)]
            await send(message)

        try:
            await self._serve(scope, receive, send_marked)
        except Exception:
            # The edge of the application: a bug becomes a counted, logged 500 that shows the caller no traceback.
            self._lifecycle.errors += 1
            log.exception("%s %s failed", scope["method"], scope["path"])
            if not status:
                await send_body(send_marked, 500, internal_error().body(), MEDIA_TYPE)
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.observe(route, status, (perf_counter_ns() - started) / 1e9)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._lifecycle.phase is Phase.STARTING and scope["path"] not in ALWAYS_ANSWERED:
            problem = Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the engine is starting")
            await send_body(send, problem.status, problem.body(), MEDIA_TYPE)
            return
        await self._app(scope, receive, send)

    def _headers(self, elapsed_ns: int) -> list[tuple[bytes, bytes]]:
        headers = [self._replica, (TIME, b"%.1f" % (elapsed_ns / 1000))]
        if self._lifecycle.phase is Phase.DRAINING:
            headers.append((b"connection", b"close"))  # so that callers move before the replica goes
        return headers


def internal_error() -> Problem:
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the engine failed; its log has the cause")
