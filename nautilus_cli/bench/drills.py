"""What a drill is aimed at, what it did to each engine, and whether what is promised held. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nautilus_cli.bench.timeline import Timeline, slow_bound
from nautilus_cli.errors import ConfigError
from nautilus_cli.fault import Fault
from nautilus_cli.fleet import Engine, Fleet
from nautilus_cli.snapshot import Replica, Snapshot, State

AT_ONCE = 1.0  # seconds in which a dead replica must have left the gateway
GATEWAY_BACK = 30.0  # seconds in which the gateway must be back
SPARE = 5.0  # seconds beyond what the health check needs to see that a replica hangs


@dataclass(frozen=True, slots=True)
class Aim:
    """What is broken: a replica, or the gateway."""

    fault: Fault
    replica: Replica | None = None
    redundant: bool = False  # another replica of its engine was ready
    notices: float = 0.0  # seconds in which the health check must see that it hangs

    @property
    def engine(self) -> str:
        """Whose replica it is."""
        return self.replica.engine if self.replica else ""

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.replica.engine}/{self.replica.slot}" if self.replica else "gateway"


@dataclass(frozen=True, slots=True)
class Seen:
    """The course of one drill; times are seconds since the epoch."""

    aim: Aim
    began: float
    at: float  # when the fault acted
    ended: float
    left: float | None = None  # when the gateway had stopped asking a replica that hangs
    whole: bool = True  # in the end everything that was ready before was ready again
    health: Mapping[str, str] = field(default_factory=dict)  # what each engine said of the bus: before, during, after


@dataclass(frozen=True, slots=True)
class Effect:
    """What one engine's users saw."""

    engine: str
    sent: int
    lost: int
    gap: float  # the longest time without a good answer, seconds
    recovery: float | None  # seconds until nothing was lost any more; None where that did not come
    slowest: float  # seconds of the slowest good answer
    noticed: str  # in words; empty where nothing changed
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Promise:
    """One thing that must hold."""

    text: str
    held: bool


@dataclass(frozen=True, slots=True)
class Result:
    """One drill, judged; or why it was not held."""

    fault: Fault
    target: str
    effects: tuple[Effect, ...] = ()
    promises: tuple[Promise, ...] = ()
    skipped: str = ""

    @property
    def broken(self) -> list[str]:
        """The promises that did not hold."""
        return [promise.text for promise in self.promises if not promise.held]


def aim(fault: Fault, fleet: Fleet, snapshot: Snapshot, engine: str | None) -> Aim:
    """What a drill breaks; of an engine the first ready replica, and unless said of the first engine with a spare one.

    `ConfigError` where the fleet has nothing of the kind.
    """
    if fault is Fault.GATEWAY_DOWN:
        return Aim(fault)
    if fault is Fault.BUS_DOWN:
        buses = [name for name, service in fleet.services.items() if service.kind == "redis"]
        ready = [replica for name in buses for replica in serving(snapshot, name)]
        if not ready:
            raise ConfigError("bus-down: no redis service of this fleet is ready", "leave this drill away")
        return Aim(fault, ready[0])
    names = [engine] if engine else sorted(fleet.engines, key=lambda name: len(serving(snapshot, name)) < 2)
    for name in names:
        if ready := serving(snapshot, name):
            return Aim(fault, ready[0], len(ready) > 1, notices(fleet.engines[name]))
    raise ConfigError(f"{fault}: no replica of {' or '.join(names)} is ready", "`nautilus up` first")


def serving(snapshot: Snapshot, name: str) -> list[Replica]:
    """The replicas that are ready and routed."""
    return [replica for replica in snapshot.of(name) if replica.state is State.READY and replica.routed]


def notices(engine: Engine) -> float:
    """How long the health check may take to see that a replica hangs: a pause, and so many answers that do not come."""
    check = engine.healthcheck
    return check.interval + max(check.retries, 1) * check.timeout + SPARE


def judge(seen: Seen, timelines: Mapping[str, Timeline]) -> Result:
    """What a drill did to each engine that was asked meanwhile, and what held."""
    parts = {name: whole.between(seen.began, seen.ended) for name, whole in timelines.items()}
    effects = [effect(name, part, seen) for name, part in parts.items()]
    return Result(seen.aim.fault, seen.aim.name, tuple(effects), tuple(promises(seen, parts)))


def effect(name: str, part: Timeline, seen: Seen) -> Effect:
    """What one engine's users saw."""
    during = part.open_at(seen.at)
    return Effect(
        name,
        during.sent,
        during.lost,
        during.gap(seen.at, seen.ended),
        part.recovery(seen.at),
        during.slowest,
        "; ".join(noticed(name, part, during, seen)),
        during.reasons,
    )


def noticed(name: str, part: Timeline, during: Timeline, seen: Seen) -> Iterator[str]:
    """What was different for an engine, in words."""
    if during.lost:
        yield "lost: " + ", ".join(f"{count} x {why}" for why, count in during.reasons.items())
    bound = slow_bound(part.between(seen.began, seen.at))
    if bound is not None and during.slow(bound):
        yield f"{during.slow(bound)} slow"
    if said := seen.health.get(name):
        yield f"health: {said}"


def promises(seen: Seen, parts: Mapping[str, Timeline]) -> Iterator[Promise]:
    """What docs/reliability.md promises of this fault."""
    aim = seen.aim
    again = f"{aim.name} was started again, and " if aim.fault in (Fault.KILL, Fault.OOM) else ""
    yield Promise(f"{again}what was ready before is ready again, without a command", seen.whole)
    if aim.fault is Fault.GATEWAY_DOWN:
        for name, part in parts.items():
            took = part.recovery(seen.at)
            held = took is not None and took <= GATEWAY_BACK
            yield Promise(f"{name} answers again within {GATEWAY_BACK:g} s", held)
        return
    others = [name for name in parts if name != aim.engine]
    yield Promise("no other engine lost a request", not lost(seen, parts, others))
    if aim.engine in parts:
        yield from own_promises(seen, parts[aim.engine])


def own_promises(seen: Seen, part: Timeline) -> Iterator[Promise]:
    """What is promised of the engine whose replica is broken."""
    aim, latest = seen.aim, seen.at + AT_ONCE
    if aim.fault is Fault.HANG:
        text = f"the gateway stopped asking {aim.name} within {aim.notices:g} s"
        yield Promise(text, seen.left is not None and seen.left - seen.at <= aim.notices)
        latest = seen.ended if seen.left is None else seen.left
    if not aim.redundant:
        yield Promise(f"{aim.engine} answers again", part.recovery(seen.at) is not None)
    elif aim.fault is Fault.PAUSE:
        yield Promise(f"{aim.engine} lost no request", not part.open_at(seen.at).lost)
    else:
        when = "after that" if aim.fault is Fault.HANG else f"{AT_ONCE:g} s after the fault or later"
        yield Promise(f"{aim.engine} lost no request that was sent {when}", not part.lost_later(latest))


def lost(seen: Seen, parts: Mapping[str, Timeline], names: Sequence[str]) -> int:
    """How many requests these engines lost."""
    return sum(parts[name].open_at(seen.at).lost for name in names)
