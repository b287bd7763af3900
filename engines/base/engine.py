"""What an engine is to the base: data that it loads, and routes that turn one call into one reply."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from time import perf_counter_ns
from typing import Any, Protocol

import msgspec

from engines.base.bus import Bus
from engines.base.metrics import Metrics
from engines.base.problem import Problem, from_validation

JSON = "application/json"


class Call(msgspec.Struct, frozen=True):
    """One request: the path's parameter (empty where it has none), the query and the body."""

    key: str
    query: Mapping[str, str]
    body: bytes

    def read(self, type_: Any) -> Any:
        """The body as `type_`; raises Problem (400 not JSON, 422 not of that shape, naming the field)."""
        try:
            return _decoder(type_).decode(self.body)
        except msgspec.ValidationError as error:
            raise from_validation(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Problem(HTTPStatus.BAD_REQUEST, f"not JSON: {error}", "body") from None


@lru_cache
def _decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    """Made once a type: msgspec works a union out anew at each call."""
    return msgspec.json.Decoder(type_)


class Reply(msgspec.Struct, kw_only=True):
    """The body of an answer."""


class Computed(Reply, kw_only=True):
    """An answer that was computed for this request; the base fills in the time, and 1 unless a number is given.

    Inside another answer (the items of a batch) both stay unset, and are left out.
    """

    computations: int | msgspec.UnsetType = msgspec.UNSET
    processing_time_ms: float | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True)
class Example:
    """A request that a route answers with 200, and an excerpt of its reply; they stand in the OpenAPI document."""

    key: str = ""
    body: Any = None
    reply: Any = None


@dataclass(frozen=True)
class Route:
    """One address of an engine: its handler, what it reads and answers, and how it is run."""

    method: str
    path: str
    handler: Callable[[Call], Reply | bytes]
    reads: object = None
    replies: tuple[type[Reply], ...] = ()
    hot: bool = False  # also answered by the hot lane
    slow: bool = False  # takes milliseconds, so it runs beside the event loop
    media_type: str = JSON  # of a handler that answers with bytes
    examples: Mapping[str, Example] = field(default_factory=dict)
    stored: Callable[[], Awaitable[bool]] | None = None  # of a write: whether Redis has it; the answer is 202 if not

    async def status(self) -> HTTPStatus:
        """Of an answer: 200, or 202 for a write that is kept, and stored later."""
        if self.stored is None or await self.stored():
            return HTTPStatus.OK
        return HTTPStatus.ACCEPTED

    @property
    def parameter(self) -> str:
        """The name of the path's parameter, empty where it has none."""
        return self.path.partition("{")[2].rstrip("}")


class Engine(Protocol):
    """What `engines.<name>.service.create(settings)` returns."""

    def join(self, bus: Bus) -> None:
        """Subscribe, and take part in the state that all replicas share; runs once, before `load`."""

    def load(self) -> None:
        """Read what the engine serves from; runs once, in a thread, while /health says 'starting'."""

    def routes(self) -> Sequence[Route]: ...


INLINE_BODY = 65_536
_encode = msgspec.json.Encoder().encode


async def answer(route: Route, call: Call, metrics: Metrics) -> bytes:
    """The encoded reply. Long work runs beside the event loop."""
    beside = route.slow or len(call.body) > INLINE_BODY
    reply, computations = await asyncio.to_thread(compute, route, call) if beside else compute(route, call)
    metrics.computed(computations)
    return reply


def compute(route: Route, call: Call) -> tuple[bytes, int]:
    """Run the route's handler, measure it and encode its reply (bytes are sent as they are); how much it computed."""
    started = perf_counter_ns()
    reply = route.handler(call)
    if not isinstance(reply, Computed):
        return reply if isinstance(reply, bytes) else _encode(reply), 0
    reply.processing_time_ms = (perf_counter_ns() - started) / 1e6
    if reply.computations is msgspec.UNSET:
        reply.computations = 1
    return _encode(reply), reply.computations
