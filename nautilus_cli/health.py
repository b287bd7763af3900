"""Wait until one replica is ready, telling 'slow' (wait on) from 'dead' (fail now)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from nautilus_cli.units import show_duration

POLL = 0.02  # a replica is routed within 100 ms of its first healthy answer: 50 ms of the gateway's check, and this
VITALS = 0.15  # a look at the process costs more than one at the gateway


@dataclass(frozen=True, slots=True)
class Vitals:
    """Whether a replica's process lives."""

    alive: bool
    restarts: int = 0
    exit_code: int | None = None
    oom_killed: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a replica's health check last saw, in words."""

    healthy: bool
    detail: str


class NotReady(Exception):
    """A replica died or did not become ready in time; the message says which, and what was seen."""


class Cancelled(Exception):
    """The user interrupted; what is half done is finished by the next command."""


class Halt:
    """Ends every wait that was given it, and those of its children: a failed lane ends its rollout, the user all."""

    def __init__(self, parent: Halt | None = None) -> None:
        self._event = threading.Event()
        self._children: list[Halt] = []
        if parent:
            parent._children.append(self)
            if parent.called:
                self.call()

    @property
    def called(self) -> bool:
        """Whether waits end at once."""
        return self._event.is_set()

    def call(self) -> None:
        """End every wait, now and later."""
        self._event.set()
        for child in self._children:
            child.call()

    def wait(self, seconds: float) -> None:
        """Wait so long; `Cancelled` as soon as it is called."""
        if self._event.wait(seconds):
            raise Cancelled


@dataclass(frozen=True, slots=True)
class Watch:
    """How to look at one replica."""

    answer: Callable[[], Answer]
    vitals: Callable[[], Vitals]
    halt: Halt
    every: float = VITALS  # seconds between two looks at its process


def wait_ready(watch: Watch, patience: float) -> float:
    """Return the seconds until the first healthy answer; `NotReady` at once when dead, after `patience` when slow."""
    began = look = monotonic()
    restarts = watch.vitals().restarts
    answer = Answer(False, "no answer yet")
    while monotonic() - began < patience:
        if monotonic() >= look:
            look = monotonic() + watch.every
            refuse_dead(watch.vitals(), restarts, monotonic() - began)
        answer = watch.answer()
        if answer.healthy:
            return monotonic() - began
        watch.halt.wait(POLL)
    refuse_dead(watch.vitals(), restarts, patience)
    raise NotReady(f"was not ready within {show_duration(patience)}: {answer.detail}")


def monitor(watch: Watch, seconds: float) -> None:
    """Return when a ready replica has lived and answered for so long; `NotReady` as soon as it does not."""
    began = monotonic()
    restarts = watch.vitals().restarts
    while (elapsed := monotonic() - began) < seconds:
        refuse_dead(watch.vitals(), restarts, elapsed)
        answer = watch.answer()
        if not answer.healthy:
            raise NotReady(f"became unhealthy {show_duration(elapsed)} after it was routed: {answer.detail}")
        watch.halt.wait(min(watch.every, seconds))


def refuse_dead(vitals: Vitals, restarts: int, seconds: float) -> None:
    """`NotReady` when the process ended, also when it was started again since."""
    if vitals.alive and vitals.restarts <= restarts:
        return
    code = "" if vitals.exit_code is None else f" with code {vitals.exit_code}"
    why = " (out of memory)" if vitals.oom_killed else ""
    raise NotReady(f"exited{code}{why} {show_duration(seconds)} after its start")
