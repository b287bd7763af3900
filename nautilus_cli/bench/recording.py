"""What is asked of a load run, and what it brings back: one entry per request, raw, in nanoseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from math import inf
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Nanoseconds = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, again and again. `Host`, `Content-Length` and `Connection` are added unless given."""

    method: str = "GET"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Target:
    """Where it is sent: plain HTTP/1.1 over TCP."""

    host: str
    port: int
    request: Request = Request()


@dataclass(frozen=True, slots=True)
class Closed:
    """So many connections, each of which sends as soon as it has its answer: for throughput."""

    connections: int


@dataclass(frozen=True, slots=True)
class Open:
    """So many requests per second, due by a schedule that knows nothing of the answers: for latency."""

    rate: float
    connections: int = 64  # the pool; a request that finds none idle waits, and its latency counts from its due time
    arrival: Literal["constant", "poisson"] = "constant"
    seed: int = 0  # of the poisson schedule


# As a duration: until it is stopped, also while the target is gone. What is under way then is awaited.
ENDLESS = inf


@dataclass(frozen=True, slots=True)
class Profile:
    """One run: the load, for how long it is measured, and how long it may warm up before that."""

    load: Closed | Open
    duration: float = 10.0  # seconds that are measured; see `ENDLESS`
    warmup: float = 1.0  # seconds discarded at least; more while the rate is not steady
    warmup_limit: float = 15.0  # seconds after which an unsteady run is measured all the same, and flagged
    timeout: float = 5.0  # seconds after which a request has failed


class Failure(IntEnum):
    """Why a request has no complete answer; `NONE` where it has one, whatever its status says."""

    NONE = 0
    REFUSED = 1  # no connection could be made
    RESET = 2  # the connection broke while the answer was awaited
    CLOSED = 3  # the server closed it before the answer was complete
    TIMEOUT = 4
    MALFORMED = 5  # not HTTP


@dataclass(frozen=True, slots=True)
class GeneratorHealth:
    """What the generator knows of its own trustworthiness."""

    cpu: float  # of one core, by this process, while measuring; polling for a due time is not in it
    foreign_cpu: float  # cores that other processes used, beside this one; the target's own are in it
    late_p50: float  # seconds between due and sent of requests that found an idle connection (open loop; else 0)
    late_p99: float
    waited: float  # share of requests that found no idle connection (open loop; else 0)
    little: float  # mean latency x rate / connections: 1 when no moment of a connection is unaccounted for (closed)
    wire: bool  # whether the kernel's receive timestamps were had
    clock_steps: int  # wire latencies dropped because the clock was set meanwhile
    steady: bool  # whether the rate was steady before measuring began
    spanning: int = 0  # requests that were under way during all of the measured time: in no latency (closed loop)


@dataclass(frozen=True, slots=True)
class Recording:
    """Every request that was sent, or due, in the measured time; arrays of one length, in the order of completion."""

    target: Target
    profile: Profile
    began: float  # seconds since the epoch
    seconds: float  # that were measured
    due: Nanoseconds  # since the measured time began; equal to `sent` in a closed loop
    sent: Nanoseconds  # or when the connection that it needed was begun; that of a request never sent is `done`
    done: Nanoseconds  # when this process saw the whole answer, or the failure
    wire: Nanoseconds  # latency from sent until the kernel had the answer; -1 where it is not known
    status: NDArray[np.uint16]  # HTTP status; 0 where there is a failure
    failure: NDArray[np.uint8]
    replica: NDArray[np.uint16]  # index in `replicas`; 0 is the empty name: the answer named none
    replicas: tuple[str, ...]
    received: int  # bytes
    connects: int  # connections opened, the first ones too
    health: GeneratorHealth
    interrupted: str = ""  # why it ended early: "stopped", or that the target is gone; empty when it did not.
    # What was under way is then left out; while warming up, nothing is measured: no entries, and `seconds` is 0.

    @property
    def response(self) -> Nanoseconds:
        """Latency from when each request was due: what a user of the service would see."""
        return self.done - self.due

    @property
    def service(self) -> Nanoseconds:
        """Latency from when each request was sent."""
        return self.done - self.sent


@dataclass(frozen=True, slots=True)
class Live:
    """What a run shows of itself, at most twice a second."""

    elapsed: float
    total: float  # seconds that the run takes, warm-up included as far as known
    warming: bool
    rate: float  # requests per second completed since the last look
    p50: float  # seconds, since the last look
    p99: float
    errors: int  # so far: failures, and answers with a status of 400 or more
    latencies: Nanoseconds = field(repr=False)  # since the last look


OnLive = Callable[[Live], None]
