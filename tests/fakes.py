"""A runtime and a gateway in memory, behind the same protocols as the real ones, for tests of pure logic."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count as count_from
from time import time

from nautilus_cli import reconcile
from nautilus_cli.errors import BuildFailed, Busy, ConfigError, RolloutFailed
from nautilus_cli.events import Emit, Event, Phase
from nautilus_cli.fault import Fault
from nautilus_cli.fleet import Engine, Fleet, Service, aspects, fingerprint
from nautilus_cli.gateways.base import Route
from nautilus_cli.health import Answer, Halt, Vitals
from nautilus_cli.history import cause, newest_first, specification
from nautilus_cli.rollout import rollout
from nautilus_cli.runtimes.base import Finding, Happening, Line, Span
from nautilus_cli.runtimes.rolling import Rolling
from nautilus_cli.snapshot import Host, Image, Limits, Replica, Snapshot, State, Traffic, Usage, Version


@dataclass
class FakeSession:
    """A gateway that believes what the fake replicas say of themselves."""

    world: FakeRuntime
    known: dict[tuple[str, str], bool] = field(default_factory=dict)

    def routes(self) -> tuple[Route, ...]:
        return tuple(self.check(engine, address) for engine, address in sorted(self.known))

    def traffic(self) -> dict[str, Traffic]:
        return {}

    def join(self, engine: str, address: str, port: int) -> None:
        self.known.setdefault((engine, address), False)

    def check(self, engine: str, address: str) -> Route:
        healthy = self.world.healthy(address)
        routed = self.known.get((engine, address), False)
        return Route(engine, address, 0, routed, healthy, "answers 200" if healthy else "answers 503")

    def route(self, engine: str, address: str) -> None:
        assert self.world.healthy(address), "routed before it was healthy"
        self.known[engine, address] = True

    def drain(self, engine: str, address: str) -> None:
        if (engine, address) in self.known:
            self.known[engine, address] = False

    def leave(self, engine: str, address: str) -> None:
        self.known.pop((engine, address), None)

    def save(self) -> None:
        """Nothing outlives the test."""

    def close(self) -> None:
        """Nothing is held open."""


@dataclass
class FakePlace:
    """Replicas that do what their environment's MODE says: ok, dies, sick (never ready), refused (cannot start)."""

    world: FakeRuntime
    workload: Engine | Service
    fingerprint: str
    aspects: dict[str, str]
    limits: Limits
    wave: int

    def start(self, slot: int) -> Replica:
        number = next(self.world.numbers)
        if self.mode == "refused":
            raise RolloutFailed(f"{self.workload.name}/{slot}: no such file", "mend the command")
        replica = Replica(
            engine=self.workload.name,
            slot=slot,
            name=f"{self.workload.name}-{slot}-{number}",
            id=str(number),
            address=f"10.0.0.{number}",
            fingerprint=self.fingerprint,
            aspects=self.aspects,
            limits=self.limits,
            wave=self.wave,
            state=State.EXITED if self.mode == "dies" else State.STARTING,
        )
        self.world.replicas[replica.name] = replica
        self.world.modes[replica.address] = self.mode
        return replica

    @property
    def mode(self) -> str:
        return self.workload.environment.get("MODE", "ok")

    def restore(self, replica: Replica) -> None:
        self.world.change(replica, state=State.STARTING)

    def stop(self, replica: Replica) -> None:
        self.world.change(replica, state=State.EXITED)

    def remove(self, replica: Replica) -> None:
        self.world.replicas.pop(replica.name, None)

    def adjust(self, replica: Replica) -> None:
        self.world.change(replica, limits=self.limits)

    def vitals(self, replica: Replica) -> Vitals:
        now = self.world.replicas[replica.name]
        return Vitals(now.state.alive, exit_code=None if now.state.alive else 3)

    def answer(self, replica: Replica) -> Answer:
        return Answer(self.world.healthy(replica.address), "said so")

    def logs(self, replica: Replica, tail: int) -> list[str]:
        return [f"mode {self.world.modes[replica.address]}"]


@dataclass
class FakeCommand:
    """Says what it was told to do, and exits with the number in its last word."""

    words: list[str]

    def output(self) -> Iterator[tuple[int, bytes]]:
        yield 1, " ".join(self.words).encode() + b"\n"

    def send(self, data: bytes) -> None:
        """Nobody listens."""

    def end_input(self) -> None:
        """It never read."""

    def resize(self, columns: int, rows: int) -> None:
        """It has no terminal."""

    def exit_code(self) -> int:
        return int(self.words[-1]) if self.words[-1].isdecimal() else 0


class FakeRuntime:
    """Implements `Runtime` in memory; every verb is recorded."""

    def __init__(self) -> None:
        self.replicas: dict[str, Replica] = {}
        self.modes: dict[str, str] = {}
        self.images: set[str] = set()
        self.broken: set[str] = set()  # engines whose build fails
        self.ports: tuple[int, ...] = ()
        self.counts: dict[str, int] = {}
        self.numbers = count_from(1)
        self.session = FakeSession(self)
        self.halt = Halt()
        self.verbs: list[str] = []
        self._lock = threading.Lock()
        self.findings: list[Finding] = []
        self.host = Host(cpus=2, memory=2**34)
        self.happened: list[Happening] = []
        self.newer: dict[str, tuple[str, ...]] = {}  # what the registries have, by engine
        self.versions: list[Version] = []
        self.purpose = ""
        self.clock = 0.0
        self.impossible: set[Fault] = set()
        self.deadly: set[Fault] = set()  # from which no replica comes back
        self.refusals = 0  # how often somebody else still holds the lock

    def change(self, replica: Replica, **changes: object) -> None:
        if replica.name in self.replicas:
            self.replicas[replica.name] = replace(self.replicas[replica.name], **changes)  # type: ignore[arg-type]

    def healthy(self, address: str) -> bool:
        return self.modes.get(address) == "ok" and any(
            r.address == address and r.state.alive for r in self.replicas.values()
        )

    def observe(self, fleet: Fleet) -> Snapshot:
        images = {name: self._image(w) for name, w in fleet.workloads.items()}
        parts = {n: aspects(fleet.workloads[n], i.id, {}) for n, i in images.items() if i.id}
        ports = tuple(engine.port for engine in fleet.engines.values())
        change = None if self.ports == ports else "not running" if ports else "not needed"
        return Snapshot(
            replicas=tuple(self._seen(replica) for replica in self.replicas.values()),
            images=images,
            aspects=parts,
            fingerprints={name: fingerprint(found) for name, found in parts.items()},
            counts=dict(self.counts),
            versions=tuple(self.versions),
            gateway=change,
            host=self.host,
            at=self.clock,
        )

    def _image(self, workload: Engine | Service) -> Image:
        reference = workload.image or f"built/{workload.name}"
        return Image(reference, f"id-{reference}" if reference in self.images else None)

    def _seen(self, replica: Replica) -> Replica:
        route = self.session.check(replica.engine, replica.address)
        alive = replica.state.alive
        service = (replica.engine, replica.address) not in self.session.known and replica.engine == "redis"
        routed = alive and (route.routed or service)
        state = replica.state if not alive or not routed else State.READY if route.healthy else State.UNHEALTHY
        return replace(replica, routed=routed, state=state)

    def usage(self, snapshot: Snapshot, seconds: float) -> dict[str, Usage]:
        return {replica.name: Usage(0.25, 2**25) for replica in snapshot.replicas}

    @contextmanager
    def lock(self, fleet: Fleet, purpose: str) -> Iterator[FakeRuntime]:
        self.refusals -= 1
        if self.refusals >= 0 or not self._lock.acquire(blocking=False):
            raise Busy("demo: another change is running: up by ann@desk")
        self.purpose = purpose
        try:
            yield self
        finally:
            self._lock.release()

    def preflight(self, fleet: Fleet) -> None:
        self.verbs.append("preflight")

    def examine(self, fleet: Fleet) -> Iterator[Finding]:
        yield from self.findings

    def build(self, fleet: Fleet, name: str, emit: Emit) -> None:
        self.verbs.append(f"build {name}")
        if name in self.broken:
            raise BuildFailed(f"{name}: step 2/3 RUN false", "mend it")
        self.images.add(fleet.workloads[name].image or f"built/{name}")

    def expose(self, fleet: Fleet, emit: Emit) -> Callable[[], None]:
        self.verbs.append("expose")
        self.ports = tuple(engine.port for engine in fleet.engines.values())
        return lambda: self.verbs.append("exposed")

    def deploy(self, fleet: Fleet, name: str, count: int, emit: Emit) -> None:
        self.verbs.append(f"deploy {name} {count}")
        snapshot, workload = self.observe(fleet), fleet.workloads[name]
        limits, wave = reconcile.effective(workload, self.host), reconcile.waves(fleet)[name]
        place = FakePlace(self, workload, snapshot.fingerprints[name], dict(snapshot.aspects[name]), limits, wave)
        replicas = snapshot.of(name)
        update = reconcile.update_of(workload)
        gateway = (lambda: self.session) if isinstance(workload, Engine) else None
        rolling = Rolling(workload, update, place, gateway, emit, self.halt, {r.name: r for r in replicas})
        rolling.run(rollout(update, count, reconcile.standing(workload, replicas), place.fingerprint, limits))
        if isinstance(workload, Engine):
            self._record(workload, snapshot)
            self.counts |= {name: workload.count} if workload.count is not None else {}

    def _record(self, engine: Engine, snapshot: Snapshot) -> None:
        """A new version, where it is one."""
        name, image = engine.name, snapshot.images[engine.name]
        last = next(iter(newest_first(self.versions, name)), None)
        mark, parts = snapshot.fingerprints[name], snapshot.aspects[name]
        if last is None or last.fingerprint != mark:
            serial, why = last.serial + 1 if last else 1, cause(self.purpose, parts, last)
            at = f"2026-11-22T10:00:{len(self.versions):02}+00:00"
            spec = specification(engine)
            self.versions.append(
                Version(name, serial, at, "ann@desk", why, mark, image.reference, image.id or "", parts, spec)
            )

    def remove(self, fleet: Fleet, name: str, emit: Emit) -> None:
        self.verbs.append(f"remove {name}")
        for replica in self.observe(fleet).of(name):
            self.session.leave(name, replica.address)
            del self.replicas[replica.name]
            emit(Event(f"{name}/{replica.slot}", "remove", Phase.DONE))

    def clear(self, fleet: Fleet, data: bool, emit: Emit) -> None:
        self.verbs.append("clear")

    def cancel(self) -> None:
        self.halt.call()

    def logs(self, fleet: Fleet, names: Collection[str], span: Span, emit: Emit) -> Iterator[Line]:
        replicas = [r for r in self.observe(fleet).replicas if r.engine in names]
        for at, replica in enumerate(replicas):
            text = f"mode {self.modes[replica.address]}"
            yield Line(f"{replica.engine}/{replica.slot}", f"stamp{at}", at, text)

    @contextmanager
    def attach(self, replica: Replica, command: Sequence[str], tty: bool) -> Iterator[FakeCommand]:
        self.verbs.append(f"attach {replica.engine}/{replica.slot} {' '.join(command)}")
        yield FakeCommand(list(command))

    def door(self, service: Service) -> None:
        """Nothing is on this machine."""

    def happenings(self, fleet: Fleet, since: float | None) -> Iterator[Happening]:
        self.verbs.append(f"happenings {since}")
        yield from self.happened
        raise KeyboardInterrupt

    def pull(self, fleet: Fleet, name: str, emit: Emit) -> tuple[str, ...]:
        self.verbs.append(f"pull {name}")
        if name in self.broken:
            raise BuildFailed(f"{name}: image 'img' is here but cannot be pulled: denied", "log in")
        return self.newer.pop(name, ())

    @contextmanager
    def inject(self, fleet: Fleet, fault: Fault, replica: Replica | None) -> Iterator[float]:
        if fault in self.impossible:
            raise ConfigError(f"{fault}: not here", "leave it away")
        self.verbs.append(f"inject {fault} {replica.name if replica else 'gateway'}")
        if replica and fault in (Fault.KILL, Fault.OOM) and fault not in self.deadly:
            self.change(replica, restarts=replica.restarts + 1)
        if replica and fault is Fault.HANG:
            self.modes[replica.address] = "sick"
        try:
            yield time()
        finally:
            if replica and fault is Fault.HANG:
                self.modes[replica.address] = "ok"
            self.verbs.append(f"undo {fault}")
