"""Recordings made by hand, and a generator whose target is a formula: the same protocol as the real one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nautilus_cli.bench.recording import (
    Closed,
    Failure,
    GeneratorHealth,
    Live,
    OnLive,
    Open,
    Profile,
    Recording,
    Target,
)

TARGET = Target("127.0.0.1", 8100)
WELL = GeneratorHealth(
    cpu=0.3,
    foreign_cpu=0.5,
    late_p50=1e-6,
    late_p99=5e-6,
    waited=0.0,
    little=1.0,
    wire=True,
    clock_steps=0,
    steady=True,
)
MS = 1_000_000


def recording(
    latencies: Sequence[int] | NDArray[np.int64],
    load: Closed | Open | None = None,
    seconds: float = 10.0,
    status: int | Sequence[int] = 200,
    failure: Failure | Sequence[Failure] = Failure.NONE,
    replica: Sequence[int] | None = None,
    replicas: Sequence[str] = ("", "risk/1", "risk/2"),
    **changes: Any,
) -> Recording:
    """These latencies (nanoseconds), sent evenly over the time, from two replicas in turn unless it is said."""
    count = len(latencies)
    sent = (np.arange(count) * (seconds * 1e9 / max(1, count))).astype(np.int64)
    failures = np.full(count, failure, dtype=np.uint8) if isinstance(failure, Failure) else np.array(failure, np.uint8)
    statuses = np.full(count, status, np.uint16) if isinstance(status, int) else np.array(status, np.uint16)
    health = replace(WELL, **changes.pop("health", {}))
    late = changes.pop("late", 0)
    return Recording(
        target=TARGET,
        profile=Profile(load or Closed(16), duration=seconds),
        began=1_800_000_000.0,
        seconds=seconds,
        due=np.maximum(sent - late, 0),
        sent=sent,
        done=sent + np.array(latencies, np.int64),
        wire=np.array(latencies, np.int64) - 1000,
        status=np.where(failures == 0, statuses, 0).astype(np.uint16),
        failure=failures,
        replica=np.array(replica if replica is not None else [1 + at % 2 for at in range(count)], np.uint16),
        replicas=tuple(replicas),
        received=200 * count,
        connects=16,
        health=health,
        **changes,
    )


@dataclass
class FakeGenerator:
    """A target with one queue: so many requests per second at most, each of which takes so long when it is alone."""

    capacity: float = 1000.0
    alone: float = 0.002
    refused: bool = False
    stop_at: int | None = None  # the run, from 0, that ends early
    why: str = "stopped"
    health: dict[str, Any] = field(default_factory=dict)
    profiles: list[Profile] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    def __call__(
        self,
        target: Target,
        profile: Profile,
        on_live: OnLive | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Recording:
        number = len(self.profiles)
        self.profiles.append(profile)
        self.targets.append(target)
        rate, latency = self.at(profile.load)
        count = max(1, round(rate * profile.duration))
        values = np.full(count, round(latency * 1e9))
        found = recording(
            values,
            profile.load,
            profile.duration,
            failure=Failure.REFUSED if self.refused else Failure.NONE,
            health=self.health,
            interrupted=self.why if number == self.stop_at else "",
        )
        if on_live:
            on_live(Live(1.0, 2.0, False, rate, latency, latency, 0, values[:10]))
        return replace(found, target=target, profile=profile)

    def at(self, load: Closed | Open) -> tuple[float, float]:
        """The rate and the latency under a load."""
        if isinstance(load, Closed):
            rate = min(self.capacity, load.connections / self.alone)
            return rate, load.connections / rate
        if load.rate >= self.capacity:
            return load.rate, 5.0
        return load.rate, self.alone / (1 - load.rate / self.capacity)
