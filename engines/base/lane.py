"""The hot lane: requests of the hot routes, answered below ASGI as soon as their last byte is read.

FastAPI's routing costs more than a computation, and so do uvicorn's scope, task and messages. What the lane does not
know, or what has to wait, is left to them and answered with the same bytes: queries, escapes, HTTP/1.0, `Connection:
close`, `Expect`, upgrades, large bodies, callers that do not read what they are sent, and an engine that starts or
drains.

Callers send the same request lines and headers again and again. Those that the lane has answered are remembered by
their bytes, and are not parsed again: equal bytes say the same.
"""

import logging
import re
from collections.abc import Iterable
from http import HTTPStatus
from time import perf_counter_ns
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from engines.base.asgi import REPLICA, TIME, internal_error
from engines.base.engine import INLINE_BODY, Call, Route, compute
from engines.base.lifecycle import Lifecycle, Phase
from engines.base.metrics import Metrics
from engines.base.problem import MEDIA_TYPE, Problem

END = b"\r\n\r\n"
HEADS, LONGEST = 1024, 4096  # that are remembered, and bytes of one
READY, OK = Phase.READY, HTTPStatus.OK  # looked up once: that takes Python 3.11 as long as the call of a function
CHUNKED = b"transfer-encoding"
KEYED = re.compile(rb"(/[\w/-]+/)([\w.-]+)")  # a path that means what it says, and its last part

Hit = tuple[Route, str]  # with the path's parameter, empty where there is none
Headers = list[tuple[bytes, bytes]]

log = logging.getLogger("nautilus.engine")


class HotLane:
    """The hot routes of one engine, and their whole replies."""

    def __init__(self, routes: Iterable[Route], lifecycle: Lifecycle, metrics: Metrics, replica: str) -> None:
        self._routes = {_address(route): route for route in routes if route.hot and not (route.slow or route.stored)}
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._marks = b"\r\n%b: %b\r\n%b: " % (REPLICA, replica.encode(), TIME)
        self._defaults: tuple[Headers, bytes] = [], b""
        self.heads: dict[bytes, tuple[Hit, int]] = {}  # with the length of the body that follows

    @property
    def open(self) -> bool:
        """Whether the engine is in the phase in which replies need no care."""
        return self._lifecycle.phase is READY

    def remember(self, head: bytes, hit: Hit, length: int) -> None:
        """What a head, all of it, has asked for; of too many the old ones are forgotten."""
        if len(head) > LONGEST:
            return
        if len(self.heads) >= HEADS:
            self.heads.clear()
        self.heads[head] = hit, length

    def find(self, method: bytes, url: bytes) -> Hit | None:
        """The route of a request line, if it is a hot one."""
        if route := self._routes.get((method, url)):
            return route, ""
        parts = KEYED.fullmatch(url)
        keyed = parts and self._routes.get((method, parts[1] + b"{}"))
        return (keyed, parts[2].decode()) if parts and keyed else None

    def reply(self, hit: Hit, body: bytes, started: int, defaults: Headers) -> bytes:
        """Run the handler; all that is sent, with the server's default headers first. Counted as `Instrument` does."""
        route, key = hit
        status, kind = OK, route.media_type
        try:
            content, computations = compute(route, Call(key, {}, b"" if route.method == "GET" else body))
            self._metrics.computed(computations)
        except Problem as problem:
            status, kind, content = problem.status, MEDIA_TYPE, problem.body()
        except Exception:  # the edge of the application, as in `Instrument`
            self._lifecycle.errors += 1
            log.exception("%s %s failed", route.method, route.path)
            status, kind, content = HTTPStatus.INTERNAL_SERVER_ERROR, MEDIA_TYPE, internal_error().body()
        elapsed = perf_counter_ns() - started
        self._metrics.observe(route.path, status, elapsed / 1e9)
        return b"%b%bcontent-length: %d\r\ncontent-type: %b%b%.1f\r\n\r\n%b" % (
            *(STATUS_LINE[status], self._lines(defaults), len(content)),
            *(kind.encode(), self._marks, elapsed / 1000, content),
        )

    def _lines(self, headers: Headers) -> bytes:
        """The default headers as they are sent; uvicorn makes a new list every second, for the date."""
        if headers is not self._defaults[0]:
            self._defaults = headers, b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._defaults[1]


def _address(route: Route) -> tuple[bytes, bytes]:
    """'/process' as it is; '/risk/check/{portfolio_id}' as '/risk/check/{}'."""
    head, brace, _ = route.path.partition("{")
    return route.method.encode(), (f"{head}{{}}" if brace else head).encode()


class HotProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the lane in front: a request is the lane's until it is answered or handed over."""

    def __init__(self, lane: HotLane, *rest: Any, **named: Any) -> None:
        super().__init__(*rest, **named)
        self._lane = lane
        self._hit: Hit | None = None
        self._content = b""
        self._started = 0
        self._data = b""  # of the call that brings it, if a request begins with it
        self._between = True  # whether the last request, if any, was the lane's, and nothing of a new one came
        self._idle_since = 0.0

    def data_received(self, data: bytes) -> None:
        """Answer one whole request with a known head at once; parse the rest."""
        if not self._between:
            super().data_received(data)
            return
        end = data.find(END) + len(END)
        found = self._lane.heads.get(data[:end])
        if found is not None and end + found[1] == len(data) and self._free() and not self.transport.is_closing():
            started = perf_counter_ns()
            self.transport.write(self._lane.reply(found[0], data[end:], started, self.server_state.default_headers))
            self._answered()
            return
        self._data = data
        super().data_received(data)
        self._data = b""

    def timeout_keep_alive_handler(self) -> None:
        """Wait on if something was answered since the timer was set."""
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        """Without the scope, which only ASGI needs."""
        self._between = False
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        self._started = perf_counter_ns()
        self._hit = self._lane.find(self.parser.get_method(), self.url) if self._plain() else None
        if self._hit is None:
            self._to_asgi()

    def on_body(self, body: bytes) -> None:
        if self._hit is None:
            super().on_body(body)
            return
        self._content += body
        if len(self._content) > INLINE_BODY:
            self._hand_over()

    def on_message_complete(self) -> None:
        if self._hit is not None and not self._free():
            self._hand_over()
        if self._hit is None:
            super().on_message_complete()
            return
        hit, body, self._hit, self._content = self._hit, self._content, None, b""
        self.transport.write(self._lane.reply(hit, body, self._started, self.server_state.default_headers))
        self.on_response_complete()
        self._between = True
        length = len(self._data) - len(body)
        if self._data.find(END) + len(END) == length and not any(name == CHUNKED for name, _ in self.headers):
            self._lane.remember(self._data[:length], hit, len(body))  # the call brought this request and no more

    def connection_lost(self, exc: Exception | None) -> None:
        self._hand_over()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        self._hand_over()
        super().shutdown()

    def _free(self) -> bool:
        """Whether a reply can be sent now, and needs no care."""
        return self._lane.open and not self.flow.write_paused

    def _answered(self) -> None:
        """As `on_response_complete`, where nothing was parsed; a timer that runs is not set anew, which costs more."""
        self.server_state.total_requests += 1
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _plain(self) -> bool:
        """Whether nothing is asked for but an answer on a connection that stays open, and nobody waits before it."""
        return (
            (self.cycle is None or self.cycle.response_complete)  # type: ignore[redundant-expr]  # before the first
            and self.parser.should_keep_alive()
            and self.parser.get_http_version() == "1.1"
            and not self.expect_100_continue
            and not self.parser.should_upgrade()
        )

    def _hand_over(self) -> None:
        """The open request, if it is the lane's, becomes uvicorn's, with what was read of its body."""
        if self._hit is None:
            return
        body, self._hit, self._content = self._content, None, b""
        self._to_asgi()
        if body:
            super().on_body(body)

    def _to_asgi(self) -> None:
        """What uvicorn does until a request's headers are complete."""
        url, headers, expected = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expected
        self.headers += headers
        super().on_headers_complete()
