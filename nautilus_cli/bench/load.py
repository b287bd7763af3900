"""Load a target and bring back what became of every request, in four phases.

    pool        connections are made before anything counts
    warm-up     the load runs, and is not counted, until it is steady
    measuring   every request that is sent, or due, in this time is counted, whenever its answer comes
    the rest    nothing new is sent; a slow answer is not lost only because it came after the end

The loops themselves are in `loop`, the bytes in `http1`, what is written down in `tape`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING

import numpy as np

from nautilus_cli.bench.connection import choose, make_room, resolve
from nautilus_cli.bench.gauge import Processor, health, undisturbed
from nautilus_cli.bench.recording import ENDLESS, Failure, Live, OnLive, Open, Profile, Recording, Target
from nautilus_cli.bench.steady import SLICE, Slice, steady
from nautilus_cli.bench.tape import UNKNOWN, cut, spanning, under_way, wire
from nautilus_cli.errors import ConfigError

if TYPE_CHECKING:
    from nautilus_cli.bench.loop import Loop

SECOND = 1_000_000_000
TICK = SECOND // 20  # between looks at what is not worth a look at every request
LOOK = SECOND // 2  # between two looks for the user
GONE = 3 * SECOND  # without one answer, every connection refused or broken


class Over(Exception):
    """The run ends early; the text says why."""


def run(
    target: Target, profile: Profile, on_live: OnLive | None = None, stop: Callable[[], bool] | None = None
) -> Recording:
    """Load the target as the profile says. Ctrl-C, `stop` and a target that is gone end it early."""
    loop = make_loop(target, profile)
    course = Course(loop, profile, on_live, stop)
    with undisturbed():
        try:
            course.run()
        finally:
            loop.close()
    return course.recording(target)


def make_loop(target: Target, profile: Profile) -> Loop:
    """The loop for the kind of load that is asked for."""
    if sys.platform != "linux":
        raise ConfigError("the load generator needs epoll, which Linux alone has", "Run it on Linux.")
    from nautilus_cli.bench.loop import ClosedLoop, OpenLoop  # epoll

    make_room(profile.load.connections)
    address, timeout = choose(resolve(target.host, target.port)), round(profile.timeout * SECOND)
    if isinstance(profile.load, Open):
        return OpenLoop(target, address, profile.load, timeout)
    return ClosedLoop(target, address, profile.load.connections, timeout)


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of a run, and what had been used until then."""

    moment: int
    wall: float
    processor: Processor
    received: int
    polled: int  # nanoseconds

    @classmethod
    def now(cls, loop: Loop) -> Mark:
        """This moment."""
        return cls(clock(), time.time(), Processor.now(), loop.received, loop.polled)


class Course:
    """One run in its phases, and what it looks like from outside."""

    def __init__(self, loop: Loop, profile: Profile, on_live: OnLive | None, stop: Callable[[], bool] | None) -> None:
        self._loop = loop
        self._profile = profile
        self._on_live = on_live
        self._stop = stop
        self._start = self._told_at = clock()
        self._told = self._errors = 0
        self._warm = 0.0  # seconds of warm-up, as far as known
        self._steady = False
        self._interrupted = ""
        self._began: Mark | None = None
        self._ended: Mark | None = None

    def run(self) -> None:
        """All phases, or as many as there is time and a target for."""
        try:
            self._loop.open()
            self._steady = self._warm_up()
            self._measure()
            self._await_the_rest()
        except (Over, KeyboardInterrupt) as why:
            self._interrupted = str(why) or "stopped"
        finally:
            self._ended = self._ended or Mark.now(self._loop)

    def _warm_up(self) -> bool:
        """Whether the load was steady in the end."""
        slices: list[Slice] = []
        least, most = self._profile.warmup, max(self._profile.warmup, self._profile.warmup_limit)
        while (warm := (clock() - self._start) / SECOND) < most:
            self._warm = max(least, warm)
            if warm >= least and steady(slices):
                return True
            first = len(self._loop.tape)
            self._go_on(clock() + round(min(SLICE, most - warm) * SECOND))
            records = self._loop.tape.since(first)
            p50 = float(np.median(records["done"] - records["sent"])) if len(records) else 0.0
            slices.append(Slice(len(records), p50))
        return steady(slices)

    def _measure(self) -> None:
        self._began = Mark.now(self._loop)
        self._warm = (self._began.moment - self._start) / SECOND
        if self._profile.duration == ENDLESS:
            while not (self._stop and self._stop()):
                self._go_on(clock() + TICK)
        else:
            self._go_on(self._began.moment + round(self._profile.duration * SECOND))
        self._ended = Mark.now(self._loop)

    def _await_the_rest(self) -> None:
        self._loop.sending = False
        while self._loop.busy:
            self._go_on(clock() + TICK)

    def _go_on(self, until: int) -> None:
        """Let the loop turn, and look after it, until this moment; `Over` where that makes no sense any more."""
        while (now := clock()) < until:
            self._loop.turn(min(until, now + TICK))
            now = clock()
            self._loop.look_after(now)
            self._tell(now)
            if self._profile.duration == ENDLESS:
                continue
            if self._stop and self._stop():
                raise Over("stopped")
            if self._loop.lost_since and now - self._loop.lost_since > GONE:
                raise Over(f"the target is gone: no answer and no connection for {GONE // SECOND} s")

    def _tell(self, now: int) -> None:
        if self._on_live is None or now - self._told_at < LOOK:
            return
        records = self._loop.tape.since(self._told)
        fine = records["failure"] == Failure.NONE
        latencies = (records["done"] - records["due"])[fine]
        self._errors += int(np.count_nonzero(~fine | (records["status"] >= 400)))
        p50, p99 = np.percentile(latencies, (50, 99)) / SECOND if len(latencies) else (0.0, 0.0)
        rate = len(latencies) * SECOND / (now - self._told_at)
        self._told, self._told_at = self._told + len(records), now
        elapsed, total = (now - self._start) / SECOND, self._warm + self._profile.duration
        warming = self._began is None
        self._on_live(Live(elapsed, total, warming, rate, float(p50), float(p99), self._errors, latencies))

    def recording(self, target: Target) -> Recording:
        """What came of every request of the measured time; after `run`."""
        ended = self._ended or Mark.now(self._loop)
        began = self._began or ended  # nothing was measured where it ended while warming up
        tape = self._loop.tape.since(0)
        records = cut(tape, began.moment, ended.moment)
        latencies, clock_steps = wire(records)
        seconds = (ended.moment - began.moment) / SECOND
        replicas = tuple(name.decode("latin-1") for name in self._loop.replicas)
        return Recording(
            target=target,
            profile=self._profile,
            began=began.wall,
            seconds=seconds,
            due=records["due"] - began.moment,
            sent=records["sent"] - began.moment,
            done=records["done"] - began.moment,
            wire=latencies,
            status=np.ascontiguousarray(records["status"]),
            failure=np.ascontiguousarray(records["failure"]),
            replica=np.ascontiguousarray(records["replica"]),
            replicas=replicas,
            received=ended.received - began.received,
            connects=self._loop.connects,
            health=health(
                self._profile.load,
                records,
                under_way(tape, began.moment, ended.moment),
                spanning(tape, began.moment, ended.moment),
                seconds,
                ended.processor - began.processor,
                (ended.polled - began.polled) / SECOND,
                bool(np.any(latencies != UNKNOWN)),
                clock_steps,
                self._steady,
            ),
            interrupted=self._interrupted,
        )
