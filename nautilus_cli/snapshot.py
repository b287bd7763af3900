"""What is there: every replica, image and route, observed once, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """The life of one replica."""

    CREATED = "created"  # made, never started
    STARTING = "starting"  # runs, has not been healthy yet
    READY = "ready"  # runs and answers its health check
    UNHEALTHY = "unhealthy"  # runs, was routed, and fails its health check
    EXITED = "exited"  # does not run

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self in (State.STARTING, State.READY, State.UNHEALTHY)


LOOP = 3  # restarts
RECENT = 120.0  # seconds: Docker waits at most a minute before it starts a process again


@dataclass(frozen=True, slots=True)
class Limits:
    """CPU and memory (bytes) of one replica; `None` is no limit."""

    cpus: float | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One running copy as observed."""

    engine: str
    slot: int
    name: str
    id: str
    fingerprint: str
    state: State
    routed: bool = False  # new requests may reach it
    address: str = ""
    aspects: Mapping[str, str] = field(default_factory=dict)  # see fleet.aspects
    limits: Limits = Limits()  # what the kernel enforces
    image: str = ""
    wave: int = 0  # it was started after those of lower waves
    created: float = 0.0  # seconds since the epoch
    started: float = 0.0  # likewise, of its process
    restarts: int = 0
    exit_code: int | None = None
    oom_killed: bool = False
    pid: int = 0  # of its first process, on Docker's own host
    detail: str = ""  # the last thing that its health check said

    def crash_loop(self, now: float) -> bool:
        """Whether it ends again and again soon after it was started, and is not well now either."""
        recent = now - self.started < RECENT
        return self.state.alive and self.state is not State.READY and self.restarts >= LOOP and recent


@dataclass(frozen=True, slots=True)
class Traffic:
    """What goes through an engine's port, as the gateway sees it."""

    rate: int = 0  # requests in the last full second
    requests: int = 0  # since the gateway started
    mean_ms: int = 0  # of the last 1,024 requests, in whole milliseconds


@dataclass(frozen=True, slots=True)
class Usage:
    """What one replica uses."""

    cpus: float  # in use, as a mean over the time it was watched
    memory: int  # bytes, without page cache that can be given up


@dataclass(frozen=True, slots=True)
class Image:
    """The image that an engine should run: its reference, and its id where it is present."""

    reference: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """What one engine was from some moment on."""

    engine: str
    serial: int
    at: str  # when the change that brought it began; the same for all engines of that change
    who: str
    cause: str
    fingerprint: str
    image: str  # its reference, and its id
    image_id: str
    aspects: Mapping[str, str]
    spec: Mapping[str, Any]  # see history.specification


@dataclass(frozen=True, slots=True)
class Host:
    """What one replica can get at the most."""

    cpus: float
    memory: int
    limited: bool = True  # limits of CPU and memory are enforced
    notes: tuple[str, ...] = ()  # what a person should know of where the replicas live


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is known of a fleet at one moment; nothing is asked after it."""

    replicas: tuple[Replica, ...] = ()
    images: Mapping[str, Image] = field(default_factory=dict)  # by engine or service; "gateway" is the gateway's own
    fingerprints: Mapping[str, str] = field(default_factory=dict)  # wanted, where the image is known
    aspects: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # wanted, likewise
    counts: Mapping[str, int] = field(default_factory=dict)  # chosen by a person or the autoscaler
    gateway: str | None = None  # why the gateway has to change, None when it is as wanted
    versions: tuple[Version, ...] = ()  # that served, the last ones of each engine
    leftovers: tuple[str, ...] = ()  # what belongs to the fleet and to no engine: 'network demo', 'volume demo-state'
    data: tuple[str, ...] = ()  # the volumes that `down` keeps
    traffic: Mapping[str, Traffic] = field(default_factory=dict)  # by engine
    host: Host = Host(cpus=1, memory=0)
    at: float = 0.0

    def of(self, engine: str) -> tuple[Replica, ...]:
        """The replicas of one engine or service, by slot and name."""
        return tuple(sorted((r for r in self.replicas if r.engine == engine), key=lambda r: (r.slot, r.name)))

    def wave(self, engine: str) -> int:
        """The wave that an engine or service was started in."""
        return max((replica.wave for replica in self.of(engine)), default=0)

    @property
    def names(self) -> tuple[str, ...]:
        """Every engine and service of which something runs."""
        return tuple(sorted({replica.engine for replica in self.replicas}))
