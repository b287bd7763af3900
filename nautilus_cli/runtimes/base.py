"""The seam between a plan and the place where replicas live."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from nautilus_cli.events import Emit
from nautilus_cli.fault import Fault
from nautilus_cli.fleet import Fleet, Service
from nautilus_cli.snapshot import Replica, Snapshot, Usage


class Verdict(StrEnum):
    """What a finding means for `up`."""

    OK = "ok"
    WARN = "warning"  # it works, but not as it should
    STOP = "stop"  # `up` would fail


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined, and what to do about it."""

    name: str
    verdict: Verdict
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line that a replica wrote."""

    subject: str  # 'risk/2', 'gateway'
    stamp: str  # when, as the runtime wrote it down
    at: int  # the same in nanoseconds since the epoch, and never less than that of the replica's line before
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """Which part of a log is wanted."""

    since: float = 0.0  # seconds since the epoch
    tail: int | None = None  # lines of each replica; None is all
    follow: bool = False  # and what comes, until nothing of the fleet is left


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that came about in a fleet, whoever brought it about."""

    at: float  # seconds since the epoch
    subject: str  # 'risk/2', 'gateway', or 'fleet' for what concerns all of it
    kind: str  # start, die, oom, kill, healthy, unhealthy, ...
    text: str  # in words
    container: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Door:
    """Where a redis service answers on this very machine, and what it asks for."""

    host: str
    port: int
    password: str = field(repr=False)


class Attached(Protocol):
    """A command that runs in a replica, with its streams in hand."""

    def output(self) -> Iterator[tuple[int, bytes]]:
        """What it writes until it ends: 1 for its output, 2 for errors, and the bytes."""
        ...

    def send(self, data: bytes) -> None:
        """More of its input; `OSError` when it reads no more."""
        ...

    def end_input(self) -> None:
        """Its input has ended."""
        ...

    def resize(self, columns: int, rows: int) -> None:
        """Its terminal has this size now."""
        ...

    def exit_code(self) -> int:
        """Its own exit code, after its output has ended."""
        ...


class Runtime(Protocol):
    """One question, idempotent verbs, and logs. Each verb finishes what an interrupted call of it began."""

    def observe(self, fleet: Fleet) -> Snapshot:
        """Every replica, image and route of this fleet, at one moment."""
        ...

    def usage(self, snapshot: Snapshot, seconds: float) -> Mapping[str, Usage]:
        """What each replica uses, by name, watched for so many seconds."""
        ...

    def lock(self, fleet: Fleet, purpose: str) -> AbstractContextManager[object]:
        """Keep every other change of this fleet out while the block runs; `Busy` names who holds it."""
        ...

    def preflight(self, fleet: Fleet) -> None:
        """Refuse what cannot work on this host, as a port that somebody else holds, before anything is touched."""
        ...

    def examine(self, fleet: Fleet) -> Iterator[Finding]:
        """What would stop or hurt this fleet here; nothing is changed."""
        ...

    def build(self, fleet: Fleet, name: str, emit: Emit) -> None:
        """The image of an engine, of a service or of the gateway is present afterwards; `BuildFailed` says why not."""
        ...

    def expose(self, fleet: Fleet, emit: Emit) -> Callable[[], None]:
        """The gateway listens on exactly the fleet's ports afterwards; an empty fleet has no gateway.

        It may still be coming up, where there was none: `deploy` waits for it, and so does what is returned, which
        raises what went wrong.
        """
        ...

    def deploy(self, fleet: Fleet, name: str, count: int, emit: Emit) -> None:
        """`count` ready, routed replicas of this version run afterwards; after `RolloutFailed` those of before."""
        ...

    def remove(self, fleet: Fleet, name: str, emit: Emit) -> None:
        """Nothing of this engine or service is left, but the data in its volumes."""
        ...

    def clear(self, fleet: Fleet, data: bool, emit: Emit) -> None:
        """What belongs to no engine is gone too: network, state, secrets and, if asked, the data."""
        ...

    def cancel(self) -> None:
        """The user interrupts: every verb that runs ends at its next step with `Cancelled`."""
        ...

    def logs(self, fleet: Fleet, names: Collection[str], span: Span, emit: Emit) -> Iterator[Line]:
        """What the replicas of these engines wrote, in the order of time; what cannot be read is told as a warning."""
        ...

    def attach(self, replica: Replica, command: Sequence[str], tty: bool) -> AbstractContextManager[Attached]:
        """Run a command in a replica, on a terminal of its own or with plain streams."""
        ...

    def door(self, service: Service) -> Door | None:
        """How this command reaches a redis service itself; None where only a command beside it can."""
        ...

    def happenings(self, fleet: Fleet, since: float | None) -> Iterator[Happening]:
        """What happens to this fleet from now on, or since then; it ends with `RuntimeUnavailable` only."""
        ...

    def pull(self, fleet: Fleet, name: str, emit: Emit) -> tuple[str, ...]:
        """Fetch anew what an engine, a service or the gateway takes from registries; names what has changed."""
        ...

    def inject(self, fleet: Fleet, fault: Fault, replica: Replica | None) -> AbstractContextManager[float]:
        """Break this replica, or the gateway, now; the value is when, in seconds since the epoch.

        What does not heal by itself is undone at the end of the block, however it ends. `ConfigError` where the fault
        is impossible here; nothing was touched then.
        """
        ...
