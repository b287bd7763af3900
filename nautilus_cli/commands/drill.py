"""`nautilus drill`: break something on purpose, under load, and see what held."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic, time
from typing import TYPE_CHECKING, Annotated

import typer

from nautilus_cli import complete
from nautilus_cli.commands.context import Change, Context, Wait, duration, locked, on_signal, patience, pick
from nautilus_cli.commands.verifying import RATE, serves, subjects_of
from nautilus_cli.errors import ConfigError, Unhealthy
from nautilus_cli.fault import Fault
from nautilus_cli.view.console import note, show, show_json
from nautilus_cli.view.terminal import interactive

if TYPE_CHECKING:
    from nautilus_cli.bench.campaign import Subject
    from nautilus_cli.bench.drills import Aim, Result, Seen
    from nautilus_cli.bench.watching import Watching
    from nautilus_cli.fleet import Fleet
    from nautilus_cli.runtimes.base import Runtime
    from nautilus_cli.snapshot import Snapshot

CALM = 1.0  # seconds of load before a fault, and after all is well again
LOOK = 0.2  # seconds between two looks at the fleet
BACK = 90.0  # seconds in which everything must be ready again


def drill(
    ctx: typer.Context,
    fault: Annotated[Fault | None, typer.Argument(help="Default: one after another.", show_default=False)] = None,
    engine: Annotated[
        str | None,
        typer.Argument(
            help="Whose replica; else the first engine with two.", show_default=False, autocompletion=complete.benched
        ),
    ] = None,
    rate: Annotated[float, typer.Option(min=2, max=10000, help="Requests/s to each engine.")] = RATE,
    lasting: Annotated[str, typer.Option("--for", help="How long pause and bus-down last; less than 10s.")] = "3s",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="As data, under a versioned schema.")] = False,
    wait: Wait = None,
) -> None:
    """Break something on purpose while every engine is under load, and tell what was lost and when all was well again.

    \b
    kill          SIGKILL of one replica
    pause         one replica is frozen for some seconds (docker pause)
    hang          one replica runs, but answers nothing (SIGSTOP), until the gateway asks it no more
    oom           the kernel kills one replica, whose memory is filled
    bus-down      the redis service is stopped for some seconds
    gateway-down  SIGKILL of the gateway

    Exits with 1 when something did not hold that docs/reliability.md promises. Faults are undone, also after Ctrl-C.

    \b
    Examples:
      nautilus drill
      nautilus drill kill risk --yes
      nautilus drill bus-down --for 4s --json
    """
    from nautilus_cli.runtimes import open_runtime
    from nautilus_cli.view.drills import drills_data, drills_view

    context: Context = ctx.obj
    fleet, seconds, patient = context.fleet(), lasting_of(lasting), patience(wait)
    if engine:
        pick(fleet, [engine], known=fleet.engines)
    said = " ".join(["drill", *([fault.value] if fault else []), *([engine] if engine else [])])
    confirm(f"{said}: break parts of fleet {fleet.name} on purpose?", yes)
    with open_runtime(fleet) as runtime, locked(runtime, fleet, Change(said, wait=patient)), stoppable() as stop:
        results = held(fleet, runtime, [fault] if fault else list(Fault), engine, rate, seconds, stop)
    if json:
        show_json(drills_data(results, rate))
    else:
        show(drills_view(results, rate))
    if broken := [f"{result.fault} {result.target}" for result in results if result.broken]:
        hint = "docs/reliability.md says what is; where the machine is too busy for this load, lower --rate"
        raise Unhealthy(f"not all held that is promised: {', '.join(broken)}", hint)


def lasting_of(text: str) -> float:
    """The seconds of `--for`: a request that waits for longer than 10 s counts as lost."""
    seconds = duration("--for", text)
    if not 0.1 <= seconds < 10:
        raise ConfigError(f"--for: {text!r} is not possible here", "write 100ms or more, and less than 10s")
    return seconds


def confirm(question: str, yes: bool) -> None:
    """Go on only where a person wants it."""
    if yes:
        return
    if not interactive():
        raise ConfigError("a drill breaks things, and nobody is here to be asked", "add --yes")
    typer.confirm(question, abort=True, err=True)


def held(
    fleet: Fleet,
    runtime: Runtime,
    faults: Sequence[Fault],
    engine: str | None,
    rate: float,
    seconds: float,
    stop: threading.Event,
) -> list[Result]:
    """Hold these drills one after another under one load; of several, those that are impossible here are skipped."""
    from nautilus_cli.bench import apart
    from nautilus_cli.bench.drills import Result, judge
    from nautilus_cli.bench.watching import watching

    snapshot, skipped = runtime.observe(fleet), []
    with watching(rate, apart.run) as load:
        driller = Driller(fleet, runtime, begin(fleet, snapshot, load), seconds, stop)
        seen = []
        for fault in faults:
            try:
                seen.append(driller.drill(fault, engine))
            except ConfigError as impossible:
                if len(faults) == 1:
                    raise
                skipped.append(Result(fault, "", skipped=impossible.message))
        timelines = load.end()
    return [*(judge(each, timelines) for each in seen), *skipped]


def begin(fleet: Fleet, snapshot: Snapshot, load: Watching) -> list[Subject]:
    """Ask every engine that serves."""
    subjects = [subject for subject in subjects_of(fleet, snapshot) if serves(subject)]
    if not subjects:
        raise ConfigError(f"no engine of fleet {fleet.name!r} serves", "`nautilus up` first")
    for subject in subjects:
        load.ask(subject)
    load.await_answers()
    return subjects


class Driller:
    """Breaks one thing after the other, each when all is well again."""

    def __init__(
        self, fleet: Fleet, runtime: Runtime, subjects: Sequence[Subject], seconds: float, stop: threading.Event
    ) -> None:
        self._fleet = fleet
        self._runtime = runtime
        self._subjects = subjects
        self._seconds = seconds
        self._stop = stop

    def drill(self, fault: Fault, engine: str | None) -> Seen:
        """One drill, from the calm before to the calm after."""
        from nautilus_cli.bench.drills import Seen, aim

        before = self._runtime.observe(self._fleet)
        target = aim(fault, self._fleet, before, engine)
        began, health = time(), [self._health()]
        self._sleep(CALM)
        note(f"{fault:<13} {target.name}")
        with self._runtime.inject(self._fleet, fault, target.replica) as at:
            left = self._hold(target)
            health.append(self._health())
        whole = self._until(lambda: self._whole(before, target) and self._health() == health[0], BACK)
        health.append(self._health())
        self._sleep(CALM)
        return Seen(target, began, at, time(), left, whole, story(health) if fault is Fault.BUS_DOWN else {})

    def _hold(self, target: Aim) -> float | None:
        """For as long as the fault lasts; when the gateway stopped asking a replica that hangs."""
        from nautilus_cli.bench.drills import serving

        if target.fault in (Fault.PAUSE, Fault.BUS_DOWN):
            self._sleep(self._seconds)
        if target.fault is not Fault.HANG or target.replica is None:
            return None
        name, engine = target.replica.name, target.engine

        def out() -> bool:
            return name not in {replica.name for replica in serving(self._runtime.observe(self._fleet), engine)}

        left = time() if self._until(out, target.notices) else None
        self._sleep(CALM)
        return left

    def _whole(self, before: Snapshot, target: Aim) -> bool:
        """Whether everything that was ready before is ready again."""
        from nautilus_cli.bench.drills import serving

        now = self._runtime.observe(self._fleet)
        names = {name: {replica.name for replica in serving(now, name)} for name in before.names}
        if any(replica.name not in names[name] for name in before.names for replica in serving(before, name)):
            return False
        return target.fault not in (Fault.KILL, Fault.OOM) or restarted(target, now)

    def _health(self) -> dict[str, str]:
        """What each engine says at its health check's path."""
        from nautilus_cli.bench.watching import health

        paths = {subject.name: self._fleet.engines[subject.name].healthcheck.path for subject in self._subjects}
        return {subject.name: health(subject.target, paths[subject.name]) for subject in self._subjects}

    def _until(self, check: Callable[[], bool], seconds: float) -> bool:
        """Whether this comes true in so much time."""
        end = monotonic() + seconds
        while not check():
            if monotonic() > end:
                return False
            self._sleep(LOOK)
        return True

    def _sleep(self, seconds: float) -> None:
        """Here, and nowhere else, the user's Ctrl-C ends a drill: never in the middle of a fault or of its end."""
        if self._stop.wait(seconds):
            raise KeyboardInterrupt


def restarted(target: Aim, now: Snapshot) -> bool:
    """Whether the replica was started again since."""
    was = target.replica
    assert was
    found = [replica for replica in now.of(was.engine) if replica.name == was.name]
    return any((replica.restarts, replica.started) != (was.restarts, was.started) for replica in found)


def story(health: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What each engine said at its health check before, during and after it; once where that was the same."""
    said = {name: [each[name] for each in health] for name in health[0]}
    return {name: " -> ".join(dict.fromkeys(words) if len(set(words)) == 1 else words) for name, words in said.items()}


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets. What is broken then is undone first, however often it is pressed."""
    asked = threading.Event()

    def stop() -> None:
        note("the fault is being undone" if asked.is_set() else "interrupted: undoing the fault")
        asked.set()

    with on_signal(stop):
        yield asked
