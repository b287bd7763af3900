"""The runs of `nautilus bench --monolith`: both sides in turns, and what happens to them under load."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Event as Flag
from time import monotonic, sleep
from typing import TYPE_CHECKING, Literal, TypeVar

from nautilus_cli import probe
from nautilus_cli.errors import Unhealthy
from nautilus_cli.view.console import note

if TYPE_CHECKING:
    from nautilus_cli.bench.campaign import Bench
    from nautilus_cli.bench.monolith import Beside, Comparison, Event, Offered, Peaks, Side, Work
    from nautilus_cli.bench.recording import Closed, Live, Open, Target
    from nautilus_cli.bench.report import Report
    from nautilus_cli.fleet import Fleet
    from nautilus_cli.runtimes.base import Runtime

PATIENCE = 60.0  # seconds for an engine to serve again
LOOK = 0.01  # seconds between two looks whether it does
AFTER = 0.5  # seconds of load after it does
SHORT = 1.0  # seconds: runs that take less are a look, and made once
ENOUGH = 1200  # answers, to know p99
LONGEST_RUN = 20.0  # seconds to have them
LONGEST = 3 * PATIENCE  # of the load around an event, which its end ends

T = TypeVar("T")


class Stopped(Exception):
    """The user ends it."""


def change(fleet: Fleet, runtime: Runtime) -> None:
    """Reality is as this fleet says, by the path of every change."""
    from nautilus_cli.apply import apply
    from nautilus_cli.events import silent
    from nautilus_cli.reconcile import reconcile

    apply(reconcile(fleet, runtime.observe(fleet)), fleet, runtime, silent)


class Duel:
    """Both sides in turns: peaks first, from which the offered load follows, then what happens at it."""

    def __init__(self, fleet: Fleet, work: Work, runtime: Runtime, bench: Bench) -> None:
        self._fleet = fleet
        self._work = work
        self._runtime = runtime
        self._bench = bench
        self._reports: list[Report] = []  # at the offered load

    def comparison(self) -> Comparison:
        """Everything."""
        from nautilus_cli.bench.monolith import ROUNDS, SIDES, Comparison, Offered

        rounds = ROUNDS if self._bench.profile.duration >= SHORT else 1
        peaks = self._in_turns(rounds, "peaks", self._peaks)
        offered = Offered.to(peaks)
        note(f"offered load: {offered.fast:,.0f}/s to {self._work.fast}, {offered.slow:,.0f}/s to {self._work.slow}")
        beside = self._in_turns(rounds, "beside", lambda side: self._beside(side, offered))
        sides = tuple(self._side(side, peaks[side], beside[side], offered) for side in SIDES)
        healthy = all(report.healthy for report in self._reports)
        return Comparison(self._work, offered, rounds, self._bench.cores, sides, healthy)

    def _in_turns(self, rounds: int, what: str, measure: Callable[[str], T]) -> dict[str, list[T]]:
        """So many of each side, each round beginning with the other."""
        from nautilus_cli.bench.monolith import SIDES

        found: dict[str, list[T]] = {side: [] for side in SIDES}
        for number in range(rounds):
            for side in SIDES if number % 2 == 0 else reversed(SIDES):
                found[side].append(measure(side))
                note(f"{side:<9} {what:<7} {number + 1} of {rounds}")
        return found

    def _side(self, side: str, peaks: Sequence[Peaks], beside: Sequence[Beside], offered: Offered) -> Side:
        """The medians of a side, and what happens to it once."""
        from nautilus_cli.bench.monolith import MONOLITH, Side, middle

        engine = self._serving(side, self._work.slow)
        ways = {"restarted": "stop-first", "rolled out": "start-first"}
        releases = {
            way: self._event(side, offered, lambda order=order: self._release(engine, order))  # type: ignore[misc]
            for way, order in ways.items()
            if side == MONOLITH or order == "start-first"
        }
        crash = self._event(side, offered, lambda: self._kill(engine))
        note(f"{side:<9} crash and release")
        return Side(side, middle(peaks), middle(beside), crash, releases)

    def _serving(self, side: str, engine: str) -> str:
        """The engine of the fleet that serves this one on a side."""
        from nautilus_cli.bench.monolith import MONOLITH

        return MONOLITH if side == MONOLITH else engine

    def _target(self, side: str, engine: str) -> Target:
        """Where a side is asked for the work of an engine; the monolith has each under its name."""
        from nautilus_cli.bench.monolith import MONOLITH
        from nautilus_cli.bench.recording import Target

        request, serving = self._work.requests[engine], self._serving(side, engine)
        if serving == MONOLITH:
            request = replace(request, path=f"/{engine}{request.path}")
        return Target("127.0.0.1", self._fleet.engines[serving].port, request)

    def _peaks(self, side: str) -> Peaks:
        """Each engine alone in a closed loop, then both."""
        from nautilus_cli.bench.campaign import good
        from nautilus_cli.bench.monolith import CLOSED, Peaks

        fast, slow = self._target(side, self._work.fast), self._target(side, self._work.slow)
        (one,), (other,) = self._run((fast, CLOSED)), self._run((slow, CLOSED))
        both = self._run((fast, CLOSED), (slow, CLOSED))
        return Peaks(*map(good, (one, other, *both)))

    def _beside(self, side: str, offered: Offered) -> Beside:
        """The fast engine at the offered load, alone and beside the slow one at its own."""
        from nautilus_cli.bench.monolith import Beside

        fast, slow = self._target(side, self._work.fast), self._target(side, self._work.slow)
        light, heavy = offered.loads
        seconds = self._bench.profile.duration
        if seconds >= SHORT:
            seconds = max(seconds, min(LONGEST_RUN, ENOUGH / light.rate))
        (alone,) = self._run((fast, light), seconds=seconds)
        loud, work = self._run((fast, light), (slow, heavy), seconds=seconds)
        self._reports += [alone, loud]
        return Beside.of(alone, loud, work)

    def _run(self, *jobs: tuple[Target, Closed | Open], seconds: float | None = None) -> list[Report]:
        """Load each target from a generator of its own, all at once."""
        from nautilus_cli.bench.report import summarise

        make, profile = self._bench.generate, self._bench.profile
        profile = replace(profile, duration=seconds or profile.duration)
        with ThreadPoolExecutor(len(jobs)) as pool:
            runs = [pool.submit(make, at, replace(profile, load=load), None, self._bench.stop) for at, load in jobs]
            reports = [summarise(run.result(), self._bench.cores) for run in runs]
        if self._bench.stop():
            raise Stopped
        for report in reports:
            if not report.answers or report.errors == report.requests:
                raise Unhealthy(f"{report.target.request.path}: no good answer", "is this machine out of memory?")
        return reports

    def _event(self, side: str, offered: Offered, act: Callable[[], None]) -> Event:
        """What callers of the fast engine see while something is done to the slow one, until that serves again."""
        from nautilus_cli.bench.monolith import Event
        from nautilus_cli.bench.report import summarise

        profile = replace(
            self._bench.profile, load=offered.loads[0], duration=LONGEST, warmup_limit=self._bench.profile.warmup
        )
        began, over = Flag(), Flag()

        def live(now: Live) -> None:
            if not now.warming:
                began.set()

        with ThreadPoolExecutor(1) as pool:
            target = self._target(side, self._work.fast)
            run = pool.submit(self._bench.generate, target, profile, live, lambda: over.is_set() or self._bench.stop())
            try:
                self._until(lambda: began.is_set() or run.done(), "the load")
                at = monotonic()
                act()
                port = self._fleet.engines[self._serving(side, self._work.slow)].port
                self._until(lambda: serves(port, self._path(side)), self._work.slow)
                seconds = monotonic() - at
                Flag().wait(AFTER)
            finally:
                over.set()
            return Event.of(summarise(run.result(), self._bench.cores), seconds)

    def _path(self, side: str) -> str:
        """What says that the slow engine serves."""
        return self._fleet.engines[self._serving(side, self._work.slow)].healthcheck.path

    def _kill(self, engine: str) -> None:
        """End the process of an engine as a crash does, and wait for the next one."""
        before = self._process(engine)
        os.kill(before, signal.SIGKILL)
        self._until(lambda: self._process(engine) not in (0, before), engine)

    def _process(self, engine: str) -> int:
        """The process that serves an engine; 0 where there is none."""
        return next((replica.pid for replica in self._runtime.observe(self._fleet).of(engine)), 0)

    def _release(self, engine: str, order: Literal["start-first", "stop-first"]) -> None:
        """Exchange an engine for the same version anew, as a new one would come."""
        names = [replica.name for replica in self._runtime.observe(self._fleet).of(engine)]
        now = self._fleet.engines[engine]
        now = now.model_copy(update={"update": now.update.model_copy(update={"order": order})})
        fleet = self._fleet.model_copy(update={"engines": {**self._fleet.engines, engine: now}})
        change(fleet.with_replaced({engine: names}), self._runtime)

    def _until(self, what: Callable[[], bool], whom: str) -> None:
        """Return as soon as something is so; `Unhealthy` after a minute."""
        end = monotonic() + PATIENCE
        while not what():
            if self._bench.stop():
                raise Stopped
            if monotonic() > end:
                raise Unhealthy(f"{whom}: nothing came of it within {PATIENCE:g} s", "try again on a quieter machine")
            sleep(LOOK)


def serves(port: int, path: str) -> bool:
    """Whether a GET is answered with 200 here."""
    with suppress(OSError):
        return probe.get("127.0.0.1", port, path, 1)[0] == 200
    return False
