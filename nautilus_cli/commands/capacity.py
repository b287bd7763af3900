"""`nautilus bench ENGINE --capacity RATE`: how many replicas a load needs, by driving them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from nautilus_cli.commands.context import Change, Context, locked, pick
from nautilus_cli.errors import INTERRUPTED, ConfigError, NautilusError, RolloutFailed, Unhealthy
from nautilus_cli.view.console import note, show, show_json, warn

if TYPE_CHECKING:
    from nautilus_cli.bench.campaign import Bench, Subject
    from nautilus_cli.bench.capacity import Answer, Limits, Point
    from nautilus_cli.bench.recording import Open
    from nautilus_cli.bench.subjects import Asked
    from nautilus_cli.bench.wish import Wish
    from nautilus_cli.fleet import Fleet, Slo
    from nautilus_cli.runtimes.base import Runtime
    from nautilus_cli.snapshot import Snapshot

WATCHED = 1.0  # seconds, at least, over which usage is measured
PATIENCE = 5.0  # seconds for the load to begin


@dataclass(frozen=True)
class Order:
    """What is to be found out of which engine."""

    engine: str
    load: float  # requests per second
    slo: Slo
    asked: Asked
    schedule: Open

    @classmethod
    def of(cls, fleet: Fleet, what: str | None, load: float, wish: Wish, asked: Asked) -> Order:
        """The order, checked: it names an engine that promises a latency, behind the gateway."""
        from nautilus_cli.bench import objective
        from nautilus_cli.bench.recording import Open
        from nautilus_cli.bench.subjects import GATEWAY
        from nautilus_cli.bench.wish import POOL

        if what is None or "://" in what or asked.target != GATEWAY:
            hint = "write `nautilus bench ENGINE --capacity 3000`, without --target"
            raise ConfigError("--capacity scales an engine of the fleet", hint)
        if wish.levels or wish.rate is not None:
            raise ConfigError("--capacity finds the rates itself", "leave --rate and --sweep away")
        (name,) = pick(fleet, [what], known=fleet.engines)
        slo = wish.slo or fleet.engines[name].slo
        if not list(objective.bounds(slo)):
            hint = f"write --slo p99=50ms, or engines.{name}.slo: {{p99: 50ms}} in the file"
            raise ConfigError(f"{name} promises no latency, so nothing says which load it holds", hint)
        return cls(name, load, slo, asked, Open(1.0, wish.connections or POOL, wish.arrival))


def capacity_of(
    context: Context, what: str | None, load: float, wish: Wish, asked: Asked, bench: Bench, write: bool, json: bool
) -> int:
    """Measure, put the replica count back, tell, and write the file if that was asked; the exit code."""
    from nautilus_cli.bench.environment import environment
    from nautilus_cli.runtimes import open_runtime
    from nautilus_cli.view import capacity as view

    fleet = context.fleet()
    order = Order.of(fleet, what, load, wish, asked)
    with open_runtime(fleet) as runtime:
        at_rest(fleet, order, runtime)
        with locked(runtime, fleet, Change(f"bench {order.engine} --capacity {order.load:g}")):
            before = at_rest(fleet, order, runtime)  # of the fleet that nobody else changes any more
            limits = limits_of(fleet, order, before, bench)
            found = Drive(fleet, order, runtime, bench).answer(before, limits)
    if json:
        show_json(view.data(found, order.engine, order.slo, limits, environment(Path(fleet.directory))))
    else:
        show(view.view(found, order.engine, order.slo, limits))
    if bench.stop():
        return INTERRUPTED
    if write:
        put(context, fleet, order.engine, found)
    return 0 if found.replicas else Unhealthy.exit_code


def at_rest(fleet: Fleet, order: Order, runtime: Runtime) -> Snapshot:
    """What runs, which must be what the file says: scaling an engine would deploy whatever else is pending."""
    from nautilus_cli.reconcile import reconcile

    snapshot = runtime.observe(fleet)
    if plan := reconcile(fleet, snapshot, {order.engine}):
        why = "; ".join(f"{action.subject}: {action.reason}" for action in plan.actions)
        raise ConfigError(f"{order.engine} is not as the file says ({why})", "run `nautilus up`, then measure")
    return snapshot


class Drive:
    """Scales an engine, measures each count, and puts the count back whatever happens."""

    def __init__(self, fleet: Fleet, order: Order, runtime: Runtime, bench: Bench) -> None:
        self._fleet = fleet
        self._order = order
        self._runtime = runtime
        self._bench = bench

    def answer(self, before: Snapshot, limits: Limits) -> Answer:
        """What the counts that had to be measured say of the load."""
        from nautilus_cli.bench.capacity import answer, knees, next_count

        points: list[Point] = []
        stopped = ""
        with self._put_back(before):
            while not self._bench.stop() and (count := next_count(points, self._order.load, limits.most)):
                try:
                    subject = self._scale(count)
                except RolloutFailed as error:
                    stopped = f"{count} replicas cannot be started: {error.message.splitlines()[0]}"
                    break
                if point := self._measure(subject, count, knees(points)):
                    points.append(point)
        return answer(points, self._order.load, limits, stopped, interrupted=self._bench.stop())

    @contextmanager
    def _put_back(self, before: Snapshot) -> Iterator[None]:
        """The count of before runs afterwards, also after Ctrl-C and errors."""
        from nautilus_cli.reconcile import wanted

        count = wanted(self._fleet.engines[self._order.engine], before.counts)
        try:
            yield
        finally:
            try:
                self._scale(count)
            except NautilusError:
                warn(f"the count is not back: run `nautilus scale {self._order.engine} {count}`")
                raise

    def _scale(self, count: int) -> Subject:
        """So many replicas serve; by the one path of change, under the lock that is held."""
        from nautilus_cli.apply import apply
        from nautilus_cli.bench import subjects
        from nautilus_cli.reconcile import reconcile
        from nautilus_cli.view.progress import progress

        name = self._order.engine
        fleet = self._fleet.with_counts({name: count})
        if plan := reconcile(fleet, self._runtime.observe(fleet), {name}):
            with progress() as emit:
                apply(plan, fleet, self._runtime, emit)
        (subject,) = subjects.engines(fleet, self._runtime.observe(fleet), [name], self._order.asked)
        return subject

    def _measure(self, subject: Subject, count: int, known: Mapping[int, float]) -> Point | None:
        """What so many replicas hold, and what they use; None where the user ends it."""
        from nautilus_cli.bench.campaign import searched
        from nautilus_cli.bench.capacity import Point
        from nautilus_cli.bench.scaling import STEP, fit

        guess = fit(known).at(count) if known else None
        result = searched(self._bench, subject, self._order.slo, self._order.schedule, guess, 1 + STEP)
        if self._bench.stop():
            return None
        if result.failed or result.gone or result.found is None:
            why = result.failed or "the target is gone"
            raise Unhealthy(f"{subject.name} with {count} replicas: {why}", f"see `nautilus logs {subject.name}`")
        if not result.found.held:
            return Point(count, 0.0, result.found.why)
        used = self._used(subject, min(self._order.load, result.found.held))
        return replace(used, replicas=count, knee=result.found.held, why=result.found.why)

    def _used(self, subject: Subject, rate: float) -> Point:
        """What the replicas use at a rate."""
        from nautilus_cli.bench.campaign import Run
        from nautilus_cli.bench.capacity import Point
        from nautilus_cli.bench.report import summarise

        snapshot, began = self._runtime.observe(self._fleet), Event()
        seconds = max(WATCHED, self._bench.profile.duration)
        load = replace(self._order.schedule, rate=rate)
        profile = replace(self._bench.profile, load=load, duration=seconds + WATCHED)  # longer than it is watched
        self._bench.watcher.began(subject, "usage", profile)
        with ThreadPoolExecutor(1) as pool:
            make, live = self._bench.generate, lambda _: began.set()
            recording = pool.submit(make, subject.target, profile, live, self._bench.stop)
            began.wait(PATIENCE)
            usage = self._runtime.usage(snapshot, seconds)
            run = Run("usage", summarise(recording.result(), self._bench.cores))
        self._bench.told(subject, run)
        used = [usage[replica.name] for replica in snapshot.of(subject.name) if replica.name in usage]
        cpus, memory, health = sum(u.cpus for u in used), sum(u.memory for u in used), run.report.health
        busy = health.cpu + health.foreign_cpu
        return Point(0, 0.0, rate=rate, cpus=cpus, memory=memory, busy=busy, client=health.cpu)


def limits_of(fleet: Fleet, order: Order, snapshot: Snapshot, bench: Bench) -> Limits:
    """What the file and the host allow."""
    from nautilus_cli.bench.capacity import Limits
    from nautilus_cli.reconcile import effective

    engine = fleet.engines[order.engine]
    granted = effective(engine, snapshot.host)
    return Limits(engine.replicas.max, bench.cores, snapshot.host.memory, granted.cpus, granted.memory)


def put(context: Context, fleet: Fleet, name: str, found: Answer) -> None:
    """Write what was measured into the file; what was not measured is not written."""
    from nautilus_cli.bench.capacity import range_to_write
    from nautilus_cli.fleet import Replicas
    from nautilus_cli.loader.edit import write_replicas

    span = range_to_write(found, fleet.engines[name].replicas.max)
    if span is None:
        note("nothing was written: no count was measured to hold this load")
        return
    wanted = Replicas(min=span[0], max=span[1])
    if wanted == fleet.engines[name].replicas:
        note(f"nothing was written: engines.{name}.replicas says so already")
        return
    path = write_replicas(context.files, os.environ, context.project_name, name, wanted)
    note(
        f"written: {path}: engines.{name}.replicas: {{min: {wanted.min}, max: {wanted.max}}}; `nautilus up` applies it"
    )
